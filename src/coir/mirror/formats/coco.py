"""COCO: https://cocodataset.org/#format-data, as pycocotools and those that follow it read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
from msgspec import UNSET, UnsetType

from coir.coco import written
from coir.mirror.export import Export
from coir.mirror.shape import Box

__all__ = ["write"]

_encode = msgspec.json.Encoder().encode


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: int | None
    height: int | None
    path: str | UnsetType


class _Annotation(msgspec.Struct):
    id: int
    image_id: int
    category_id: int | None
    segmentation: msgspec.Raw
    area: float
    bbox: Box
    iscrowd: int
    isbbox: bool
    color: str | None
    metadata: msgspec.Raw
    keypoints: tuple[int | float, ...] | UnsetType = UNSET
    num_keypoints: int | UnsetType = UNSET


def write(export: Export, file: BinaryIO) -> None:
    """Write a COCO file."""
    for piece in written(_images(export), _categories(export), _annotations(export)):
        file.write(piece)


def _images(export: Export) -> Iterator[bytes]:
    for row in export.images():
        path = UNSET if row.path is None else row.path
        yield _encode(_Image(row.id, export.file_name(row), row.width, row.height, path))


def _categories(export: Export) -> Iterator[bytes]:
    for one in export.categories():
        shown: dict[str, Any] = {
            "id": one.id,
            "name": one.name,
            "supercategory": one.supercategory,
            "color": one.color,
            "metadata": one.metadata,
        }
        if one.keypoint_labels:
            shown["keypoints"] = one.keypoint_labels
            shown["skeleton"] = one.keypoint_edges
            shown["keypoint_colors"] = one.keypoint_colors
        yield _encode(shown)


def _annotations(export: Export) -> Iterator[bytes]:
    for _, shape in export.annotations():
        stored = shape.stored
        one = _Annotation(
            stored.id,
            stored.image_id,
            stored.category_id,
            msgspec.Raw(shape.segmentation),
            shape.area,
            shape.bbox,
            int(stored.iscrowd),
            stored.isbbox,
            stored.color,
            stored.metadata,
        )
        if stored.keypoints:
            one.keypoints, one.num_keypoints = stored.keypoints, shape.num_keypoints
        yield _encode(one)
