"""Pictures: their size without decoding them, and smaller copies as JPEG."""

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
THUMBNAIL = (250, 250)
JPEG_QUALITY = 85  # no visible loss at the size of a screen, a third of the bytes of 95

# Pillow's own limit is a warning below twice its value, which is no limit. `measure` has ours.
Image.MAX_IMAGE_PIXELS = None


class PictureError(ValueError):
    """A file that is no picture, or one too large to decode; the message says which."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What the header of a picture says."""

    width: int
    height: int
    media_type: str


def has_picture_name(name: str) -> bool:
    """Whether the name ends as a picture's."""
    return name.lower().endswith(EXTENSIONS)


def measure(source: Path | BinaryIO, max_pixels: int) -> Measure:
    """The size and the kind of a picture, read from its header. Raises `PictureError`."""
    with _opened(source, max_pixels) as image:
        return Measure(image.width, image.height, MEDIA_TYPES[image.format or "JPEG"])


def as_jpeg(source: Path, box: tuple[int, int], max_pixels: int) -> bytes:
    """The first frame as a JPEG that fits into ``box`` (0 for no bound); never enlarged.

    Raises `PictureError`.
    """
    with _opened(source, max_pixels) as image:
        bounds = (box[0] or image.width, box[1] or image.height)
        picture = _rgb(image, bounds)
        picture.thumbnail(bounds)
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=JPEG_QUALITY)
    return written.getvalue()


def decoded(source: Path | BinaryIO, max_pixels: int) -> Image.Image:
    """The first frame in RGB, as programs want it. Raises `PictureError`."""
    with _opened(source, max_pixels) as image:
        return _rgb(image, image.size)


def _rgb(image: Image.Image, bounds: tuple[int, int]) -> Image.Image:
    try:
        image.draft("RGB", bounds)  # a JPEG is decoded at a half, a quarter or an eighth
        return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, ArithmeticError, LookupError) as error:
        # What Pillow's decoders raise on broken files.
        raise PictureError(f"The picture is damaged: {error}") from error


def _opened(source: Path | BinaryIO, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(source, formats=DECODERS)
    except UnidentifiedImageError as error:
        raise PictureError("The file is no picture: send PNG, JPEG, GIF, BMP or TIFF.") from error
    except (OSError, ValueError, SyntaxError, ArithmeticError, LookupError) as error:
        raise PictureError(f"The picture cannot be read: {error}") from error
    if image.width * image.height > max_pixels:
        image.close()
        raise PictureError(f"The picture has more than {max_pixels} pixels.")
    return image
