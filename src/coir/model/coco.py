"""COCO as a server writes it: https://cocodataset.org/#format-data."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Coco", "CocoAnnotation", "CocoCategory", "CocoImage"]


class CocoImage(msgspec.Struct, frozen=True):
    """An image; width and height in pixels, ``path`` is the server's."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None
    path: str = ""
    dataset_id: int = 0


class CocoCategory(msgspec.Struct, frozen=True):
    """A category; ``skeleton`` holds pairs of keypoints, counted from 1."""

    id: int
    name: str
    supercategory: str | None = ""
    color: str | None = None
    metadata: dict[str, Any] = {}
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, ...], ...] = ()


class CocoAnnotation(msgspec.Struct, frozen=True):
    """An annotation; ``bbox`` is x, y, width, height, in pixels, ``area`` in square pixels."""

    id: int
    image_id: int
    category_id: int | None = None
    segmentation: Any = ()
    area: float = 0.0
    bbox: tuple[float, ...] = ()
    iscrowd: bool | int = False
    isbbox: bool = False
    color: str | None = None
    metadata: dict[str, Any] = {}
    keypoints: tuple[float, ...] = ()
    num_keypoints: int = 0


class Coco(msgspec.Struct, frozen=True):
    """A COCO file as values."""

    images: tuple[CocoImage, ...] = ()
    categories: tuple[CocoCategory, ...] = ()
    annotations: tuple[CocoAnnotation, ...] = ()
