"""Pictures: their size without decoding them, and smaller copies as JPEG.

A camera writes the picture as its sensor lay, and which side is up beside it (EXIF). Here width
and height, the JPEG and the decoded picture are those of the upright one, as every browser and
program shows it; annotations are drawn on that one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

# What a scan registers, by the ending of the name (the contract's list).
EXTENSIONS = (".gif", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
# The decoders that untrusted files may reach, with what the bytes are called on the wire.
MEDIA_TYPES = {
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # what many cameras write: a JPEG with a preview behind it
    "PNG": "image/png",
    "TIFF": "image/tiff",
}
DECODERS = ("BMP", "GIF", "JPEG", "PNG", "TIFF")  # the JPEG one gives MPO
# What brings a picture upright, by its orientation (EXIF 2.32, 4.6.5, Orientation).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LYING = (5, 6, 7, 8)  # width and height change places
ORIENTATION = 0x0112
THUMBNAIL = (250, 250)
JPEG_QUALITY = 85  # no visible loss at the size of a screen, a third of the bytes of 95

# Pillow's own limit is a warning below twice its value, which is no limit. `measure` has ours.
Image.MAX_IMAGE_PIXELS = None


class PictureError(ValueError):
    """A file that is no picture, or one too large to decode; the message says which."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What the header of a picture says; the size is that of the upright picture."""

    width: int
    height: int
    media_type: str


def has_picture_name(name: str) -> bool:
    """Whether the name ends as a picture's."""
    return name.lower().endswith(EXTENSIONS)


def measure(source: Path | BinaryIO, max_pixels: int) -> Measure:
    """The size and the kind of a picture, read from its header. Raises `PictureError`."""
    with _opened(source, max_pixels) as image:
        width, height = _turned(image.size, _orientation(image))
        return Measure(width, height, MEDIA_TYPES[image.format or "JPEG"])


def as_jpeg(source: Path, box: tuple[int, int], max_pixels: int) -> bytes:
    """The first frame as a JPEG that fits into ``box`` (0 for no bound); never enlarged.

    Raises `PictureError`.
    """
    with _opened(source, max_pixels) as image:
        orientation = _orientation(image)
        turned = _turned(box, orientation)
        bounds = (turned[0] or image.width, turned[1] or image.height)
        picture = _rgb(image, bounds)
        picture.thumbnail(bounds)
        picture = _upright(picture, orientation)
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=JPEG_QUALITY)
    return written.getvalue()


def decoded(source: Path | BinaryIO, max_pixels: int) -> Image.Image:
    """The first frame in RGB, as programs want it. Raises `PictureError`."""
    with _opened(source, max_pixels) as image:
        orientation = _orientation(image)
        return _upright(_rgb(image, image.size), orientation)


def _orientation(image: Image.Image) -> int:
    """Which side is up, from 1 (nothing to do) to 8, without decoding the picture.

    Pillow turns TIFF by itself. Of a PNG it would decode everything to find what stands behind
    the pixels; what stands there is not asked for.
    """
    data = image.info.get("exif")
    if image.format == "TIFF" or not isinstance(data, bytes):
        return 1
    try:
        exif = Image.Exif()
        exif.load(data)
        found = exif.get(ORIENTATION, 1)
    except Exception:  # whatever is wrong with the data beside it, the picture is there
        return 1
    return found if found in UPRIGHT else 1


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation in LYING else size


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    turn = UPRIGHT.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _rgb(image: Image.Image, bounds: tuple[int, int]) -> Image.Image:
    try:
        image.draft("RGB", bounds)  # a JPEG is decoded at a half, a quarter or an eighth
        return image.convert("RGB")
    except Exception as error:  # decoders raise anything on broken files
        raise PictureError(f"The picture is damaged: {_reason(error)}") from error


def _opened(source: Path | BinaryIO, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(source, formats=DECODERS)
    except UnidentifiedImageError as error:
        raise PictureError("The file is no picture: send PNG, JPEG, GIF, BMP or TIFF.") from error
    except Exception as error:  # as above
        raise PictureError(f"The picture cannot be read: {_reason(error)}") from error
    if 0 in image.size:
        image.close()
        raise PictureError("The picture has no pixels.")
    if image.width * image.height > max_pixels:
        image.close()
        raise PictureError(f"The picture has more than {max_pixels} pixels.")
    return image


def _reason(error: Exception) -> str:
    """What went wrong, without the place of the file on this machine."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__
