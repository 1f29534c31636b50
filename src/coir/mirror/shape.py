"""What an annotation shows, in the form that programs read. Pure.

Area and box that the original left at 0, as it does for annotations that were made by its API
alone, are computed from the outline.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from coir import geometry, rle

__all__ = ["SEGMENTATIONS", "Segmentation", "Shape", "shaped"]

Segmentation: TypeAlias = Literal["polygon", "rle"]
SEGMENTATIONS: tuple[Segmentation, ...] = ("polygon", "rle")
Rings: TypeAlias = list[list[int | float]]
Box: TypeAlias = tuple[float, ...]

NOTHING = b"[]"


class Stored(msgspec.Struct, gc=False):
    """An annotation as the database has it; what is only handed on stays text."""

    id: int
    image_id: int
    category_id: int | None
    segmentation: msgspec.Raw
    area: float
    bbox: Box
    iscrowd: bool
    isbbox: bool
    color: str | None
    metadata: msgspec.Raw
    keypoints: tuple[int | float, ...]


class Shape(msgspec.Struct, gc=False):
    """An annotation; ``segmentation`` and ``metadata`` are JSON, ``bbox`` has four numbers.

    ``usable`` is whether it has an outline or keypoints; ``noted`` are the words for what could
    not be done as it was asked for.
    """

    stored: Stored
    segmentation: bytes
    area: float
    bbox: Box
    usable: bool
    noted: tuple[str, ...] = ()

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints that are labelled."""
        return sum(1 for flag in self.stored.keypoints[2::3] if flag > 0)


_stored = msgspec.json.Decoder(Stored)
_rings = msgspec.json.Decoder(Rings)
_mask = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode


def shaped(
    text: str, width: int | None, height: int | None, form: Segmentation = "polygon"
) -> Shape:
    """Give an annotation of an image of this size.

    Args:
        text: what the database has.
        width: of the image, in pixels; None where it is unknown.
        height: likewise.
        form: ``rle`` turns polygons into masks; a mask stays one in any case.

    """
    stored = _stored.decode(text)
    raw = bytes(stored.segmentation)
    if raw.startswith(b"{"):
        return _masked(stored, raw)
    noted: tuple[str, ...] = ()
    rings = _decoded(raw)
    kept = [ring for ring in rings if len(ring) >= 6 and not len(ring) % 2]
    if len(kept) < len(rings) or (raw and not rings and raw != NOTHING):
        noted, raw = ("rings_dropped",), _encode(kept)
    area, box = stored.area, stored.bbox
    if kept and not _told(area, box):
        area, box = _measured(stored, kept, width, height)
    if kept and form == "rle":
        if width and height:
            try:
                counts = rle.compressed(rle.drawn(kept, height, width))
            except OverflowError:  # of numbers that are no pixels
                return _without(stored)
            raw = _encode({"size": [height, width], "counts": counts})
        else:
            noted = (*noted, "size_unknown")
    return Shape(stored, raw, area, _four(box), bool(kept or stored.keypoints), noted)


def _decoded(raw: bytes) -> Rings:
    """The rings in a text; of what is none, nothing."""
    try:
        return _rings.decode(raw)
    except msgspec.DecodeError:
        return []


def _masked(stored: Stored, raw: bytes) -> Shape:
    try:
        mask = _mask.decode(raw)
        counts = rle.runs(mask)
    except (msgspec.DecodeError, rle.RleError):
        return _without(stored)
    area, box = stored.area, stored.bbox
    if not _told(area, box):
        area, box = _both(stored, rle.area(counts), rle.bounds(counts, mask["size"][0]))
    return Shape(stored, raw, area, _four(box), usable=True)


def _without(stored: Stored) -> Shape:
    """An annotation whose outline is none."""
    usable = bool(stored.keypoints)
    return Shape(stored, NOTHING, stored.area, _four(stored.bbox), usable, ("rings_dropped",))


def _told(area: float, box: Box) -> bool:
    return area > 0 and len(box) == 4 and box[2] > 0 and box[3] > 0


def _measured(
    stored: Stored, rings: Rings, width: int | None, height: int | None
) -> tuple[float, Box]:
    if width and height:
        made = geometry.outline(rings, width, height)
        return _both(stored, made.area, made.box)
    return _both(stored, geometry.area(rings), geometry.bounds(rings))


def _both(stored: Stored, area: float, box: geometry.Box) -> tuple[float, Box]:
    """Area and box, each as it was told, or else as it was computed."""
    told = stored.bbox
    known = len(told) == 4 and told[2] > 0 and told[3] > 0
    return stored.area if stored.area > 0 else float(area), told if known else tuple(box)


def _four(box: Box) -> Box:
    return box if len(box) == 4 else (0, 0, 0, 0)
