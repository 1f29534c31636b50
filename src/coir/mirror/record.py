"""What a mirror holds of a dataset: the values of its rows.

Only what every server tells, and what does not change by being looked at, is part of a record: two
mirrors of the same dataset hold the same records, however they came to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from coir.model import Annotation, CategoryInfo, CocoAnnotation, Image

__all__ = [
    "IMAGE_COLUMNS",
    "AnnotationRecord",
    "CategoryRecord",
    "FileRecord",
    "ImageRecord",
    "annotation_record",
    "category_record",
    "image_columns",
    "image_of",
    "image_record",
]

# The columns of an image's row that its record holds, in the record's order.
IMAGE_COLUMNS = "id, file_name, path, width, height, annotated, num_annotations"
# Gives the row of a record.
image_columns = attrgetter(*IMAGE_COLUMNS.split(", "))


class ImageRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An image: width and height in pixels, ``path`` as on the server, None where unknown."""

    id: int
    file_name: str
    path: str | None = None
    width: int | None = None
    height: int | None = None
    annotated: bool = False
    num_annotations: int = 0


class FileRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The file of an image: its place below ``images/``, its size in bytes and its hash.

    ``etag`` is what the server calls these bytes, where it does.
    """

    image_id: int
    place: str
    size: int
    sha256: str
    etag: str | None = None


class CategoryRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A category; ``keypoint_edges`` are pairs of labels, counted from 1."""

    id: int
    name: str
    supercategory: str = ""
    color: str | None = None
    metadata: dict[str, Any] = {}
    keypoint_labels: tuple[str, ...] = ()
    keypoint_edges: tuple[tuple[int, ...], ...] = ()
    keypoint_colors: tuple[str | None, ...] = ()


class AnnotationRecord(msgspec.Struct, frozen=True):
    """An annotation as COCO has it: pixels, and square pixels for the area.

    ``segmentation`` is a list of polygons, each x, y, x, y, …; ``bbox`` is x, y, width, height;
    ``keypoints`` x, y, visibility of each.
    """

    id: int
    image_id: int
    category_id: int | None
    segmentation: Any
    area: float
    bbox: tuple[float, ...]
    iscrowd: bool
    isbbox: bool
    color: str | None
    metadata: dict[str, Any]
    keypoints: tuple[float, ...]


def image_record(row: Image, known: ImageRecord | None = None) -> ImageRecord:
    """Give the record of a listed image; what the row does not tell is as it was known."""
    record = ImageRecord(
        id=row.id,
        file_name=row.file_name,
        path=None if row.path is UNSET else row.path,
        width=None if row.width is UNSET else row.width,
        height=None if row.height is UNSET else row.height,
        annotated=row.annotated,
        num_annotations=row.num_annotations,
    )
    if row.path is UNSET and known is not None:
        record = replace(record, path=known.path, width=known.width, height=known.height)
    return record


def category_record(told: CategoryInfo) -> CategoryRecord:
    """Give the record of a category; who made it and how often it is used is left out."""
    return CategoryRecord(
        id=told.id,
        name=told.name,
        supercategory=told.supercategory or "",
        color=told.color,
        metadata=told.metadata,
        keypoint_labels=told.keypoint_labels,
        keypoint_edges=told.keypoint_edges,
        keypoint_colors=told.keypoint_colors,
    )


def annotation_record(told: CocoAnnotation | Annotation) -> AnnotationRecord:
    """Give the record of an annotation."""
    return AnnotationRecord(
        id=told.id,
        image_id=told.image_id,
        category_id=told.category_id,
        segmentation=told.segmentation,
        area=told.area,
        bbox=told.bbox,
        iscrowd=bool(told.iscrowd),
        isbbox=told.isbbox,
        color=told.color,
        metadata=told.metadata,
        keypoints=told.keypoints,
    )


def image_of(row: Sequence[Any]) -> ImageRecord:
    """Give the record of a row of `IMAGE_COLUMNS`."""
    number, file_name, path, width, height, annotated, num_annotations = row
    return ImageRecord(number, file_name, path, width, height, bool(annotated), num_annotations)
