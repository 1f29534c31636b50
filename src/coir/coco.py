"""COCO files: written piece by piece, read without holding them, and matched to images.

The form is that of https://cocodataset.org/#format-data: `images`, `categories`, `annotations`.
Beside it `path` of an image is read, as COCO-Annotator writes it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from coir import rle
from coir.geometry import outline, problem

__all__ = [
    "CocoError",
    "Content",
    "Document",
    "Label",
    "Marked",
    "Match",
    "Picture",
    "Place",
    "content",
    "digest",
    "match",
    "read",
    "written",
]

Number = int | float
Buffer = bytes | memoryview
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A piece of text: large enough that handing it on costs nothing, small enough to hold many.
PIECE_BYTES = 64 * 1024


def written(
    images: Iterable[bytes], categories: Iterable[bytes], annotations: Iterable[bytes]
) -> Iterator[bytes]:
    """The text of a COCO file, in pieces, made of the JSON texts of its objects.

    The three are read one after the other, each when the one before is written.
    """
    opening = b'{"images":['
    for objects, ending in (
        (images, b'],"categories":['),
        (categories, b'],"annotations":['),
        (annotations, b"]}"),
    ):
        piece, size, between = [opening], 0, b""
        for text in objects:
            piece += (between, text)
            between = b","
            size += len(text)
            if size >= PIECE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
        yield b"".join(piece)
        opening = ending
    yield opening


class CocoError(ValueError):
    """What is no COCO file, or no annotation that can be used; the message says why."""


class Picture(msgspec.Struct, frozen=True, gc=False):
    """An image of a file."""

    id: int
    file_name: str
    path: str | None = None
    width: Number | None = None
    height: Number | None = None

    @property
    def name(self) -> str:
        """The most that the file says of where it lies."""
        return self.path or self.file_name


class Label(msgspec.Struct, frozen=True):
    """A category of a file."""

    id: int
    name: str
    supercategory: str | None = None
    color: str | None = None
    metadata: dict[str, Any] | None = None
    keypoints: list[str] | None = None
    skeleton: list[list[int]] | None = None
    keypoint_colors: list[str] | None = None


class Marked(msgspec.Struct, frozen=True):
    """An annotation of a file; its outline is read by `content`."""

    image_id: int
    id: int | str | None = None
    category_id: int | None = None
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    bbox: list[Number] | None = None
    area: Number | None = None
    iscrowd: int | bool | None = None
    isbbox: int | bool | None = None
    keypoints: list[Number] | None = None
    color: str | None = None
    metadata: dict[str, Any] | None = None


class _File(msgspec.Struct):
    images: list[Picture] = []
    categories: list[Label] = []
    annotations: list[msgspec.Raw] = []


_file = msgspec.json.Decoder(_File)
_marked = msgspec.json.Decoder(Marked)
_shape = msgspec.json.Decoder(list[list[Number]] | dict[str, Any] | None)
_flat = msgspec.json.Decoder(list[Number])


class Document:
    """A file that was read; its annotations are decoded one by one, each time anew."""

    def __init__(self, file: _File) -> None:
        self.images: Sequence[Picture] = file.images
        self.categories: Sequence[Label] = file.categories
        self._annotations = file.annotations

    def __len__(self) -> int:
        """The number of annotations."""
        return len(self._annotations)

    def annotations(self) -> Iterator[Marked]:
        """The annotations in their order. Raises `CocoError`."""
        for number, text in enumerate(self._annotations):
            try:
                yield _marked.decode(text)
            except msgspec.DecodeError as error:
                message = f"The file is no COCO file: annotations[{number}]: {error}"
                raise CocoError(message) from None


def read(text: Buffer) -> Document:
    """The document in a text, checked as a whole. Raises `CocoError`.

    What refers to nothing, and outlines that are none, are no errors of the file: those who use
    an annotation see.
    """
    start = len(BYTE_ORDER_MARK) if bytes(text[:3]) == BYTE_ORDER_MARK else 0
    try:
        document = Document(_file.decode(memoryview(text)[start:]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CocoError(f"The file is no COCO file: {error}") from None
    for name, objects in (("images", document.images), ("categories", document.categories)):
        ids = Counter(one.id for one in objects)
        twice = [number for number, times in ids.items() if times > 1]
        if twice:
            raise CocoError(f"The file is no COCO file: two {name} have the id {twice[0]}.")
    for _ in document.annotations():
        pass
    return document


class Place(NamedTuple):
    """An image of a dataset that annotations can belong to."""

    id: int
    width: int
    height: int


class Match(NamedTuple):
    """Which image of the dataset each image of the file is; what is in no list was not found."""

    found: dict[int, Place]
    by_name: int  # of those found, how many by their base names alone
    missing: list[str]  # one sentence each
    ambiguous: list[str]


def match(pictures: Sequence[Picture], places: Mapping[str, Place]) -> Match:
    """The images of a dataset that the images of a file are.

    ``places`` is by path inside the dataset. An image is found by its path; else by its base name,
    when one image of the dataset has that name and one of the file wants it. An image of another
    size is another image: outlines would not fit.
    """
    names = Counter(_base(path) for path in places)
    by_name = {_base(path): place for path, place in places.items()}
    wanted = Counter(path for picture in pictures if (path := _path(picture, places)))
    bare = Counter(_base(p.name) for p in pictures if not _path(p, places))
    taken = {places[path].id for path in wanted}
    found: dict[int, Place] = {}
    missing, ambiguous, alone = [], [], 0
    for picture in pictures:
        path, base = _path(picture, places), _base(picture.name)
        if path is not None:
            place = places[path]
            if wanted[path] > 1 and names[base] > 1 and picture.path is None:
                ambiguous.append(f"Too many images with the same file name in the file: {path}")
                continue
        elif names[base] > 1:
            ambiguous.append(f"Too many images found with the same file name: {picture.name}")
            continue
        elif names[base] == 0:
            missing.append(f"Could not find image {picture.name}")
            continue
        else:
            place = by_name[base]
            if bare[base] > 1 or place.id in taken:
                ambiguous.append(f"Several images of the file could be this one: {picture.name}")
                continue
        if _differs(picture, place):
            missing.append(
                f"Image {picture.name} is {picture.width}x{picture.height} in the file and "
                f"{place.width}x{place.height} here: left out"
            )
            continue
        alone += path is None
        found[picture.id] = place
    return Match(found, alone, missing, ambiguous)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _path(picture: Picture, places: Mapping[str, Place]) -> str | None:
    """The path inside the dataset that the image of a file names, if there is an image."""
    if picture.path:
        # /datasets/NAME/…, whatever the dataset was called where the file was written.
        parts = picture.path.split("/", 3)
        inside = parts[3] if len(parts) == 4 and parts[:2] == ["", "datasets"] else picture.path
    else:
        inside = picture.file_name.replace("\\", "/").removeprefix("./")
    inside = inside.lstrip("/")
    return inside if inside in places else None


def _differs(picture: Picture, place: Place) -> bool:
    sizes = ((picture.width, place.width), (picture.height, place.height))
    return any(given and given != known for given, known in sizes)


class Content(NamedTuple):
    """What an annotation says of its shape: polygons or a mask, with area and box."""

    segmentation: list[list[Number]] | dict[str, Any]
    area: Number
    bbox: list[Number]
    isbbox: bool
    keypoints: list[Number]


def content(marked: Marked, width: int, height: int) -> Content:
    """The shape of an annotation on an image of this size. Raises `CocoError`.

    Area and box are the file's where it has them. A box without outline and keypoints becomes
    the outline of the box.
    """
    keypoints = marked.keypoints or []
    if len(keypoints) % 3:
        raise CocoError("keypoints that are not x, y and visibility of each")
    box = _box(marked.bbox)
    segmentation, isbbox = _segmentation(marked), bool(marked.isbbox)
    if not segmentation and not keypoints:
        if box is None:
            raise CocoError("neither outline, box nor keypoints")
        x, y, w, h = box
        segmentation, isbbox = [[x, y, x + w, y, x + w, y + h, x, y + h]], True
    area: Number = 0
    found: list[Number] = [0, 0, 0, 0]
    if isinstance(segmentation, dict):
        area, found = _mask(segmentation, width, height)
    elif not marked.area or box is None:
        made = outline(segmentation, width, height)
        area, found = made.area, list(made.box)
    given = marked.area if marked.area and marked.area > 0 else area
    return Content(segmentation, given, box or found, isbbox, keypoints)


def _segmentation(marked: Marked) -> list[list[Number]] | dict[str, Any]:
    """Polygons, of which a single one may stand without its own brackets, or a mask."""
    try:
        shape = _shape.decode(marked.segmentation)
    except msgspec.DecodeError:
        try:
            shape = [_flat.decode(marked.segmentation)]
        except msgspec.DecodeError:
            raise CocoError("a segmentation that is neither polygons nor a mask") from None
    if isinstance(shape, dict):
        return {"size": shape.get("size"), "counts": shape.get("counts")} if shape else []
    rings = [ring for ring in shape or [] if ring]
    for ring in rings:
        if text := problem(ring):
            raise CocoError(f"a polygon with {text}")
    return rings


def _mask(shape: dict[str, Any], width: int, height: int) -> tuple[Number, list[Number]]:
    try:
        counts = rle.runs(shape)
    except rle.RleError as error:
        raise CocoError(f"a mask that cannot be read: {error}") from None
    if shape["size"] != [height, width]:
        raise CocoError(f"a mask of {shape['size']}, not of the image's [{height}, {width}]")
    return rle.area(counts), list(rle.bounds(counts, height))


def _box(given: Sequence[Number] | None) -> list[Number] | None:
    if given is None or len(given) != 4 or given[2] <= 0 or given[3] <= 0:
        return None
    return list(given)


# In a text of lists: a whole number that is written as a fraction, or with an exponent.
_MANY_WAYS = re.compile(rb"\.0[],]|e")


def digest(category_id: int | None, segmentation: Any, keypoints: Any) -> bytes:
    """The same bytes for the same shape in the same category, however numbers are written."""
    text = msgspec.json.encode((category_id, segmentation, keypoints))
    if isinstance(segmentation, dict) or _MANY_WAYS.search(text):
        text = msgspec.json.encode((category_id, _plain(segmentation), _plain(keypoints)))
    return hashlib.blake2b(text, digest_size=16).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(value[name]) for name in sorted(value)}
    return int(value) if isinstance(value, float) and value.is_integer() else value
