"""Categories."""

from __future__ import annotations

from typing import Any

import msgspec

from coir.model.page import Pagination

__all__ = ["CategoryInfo", "CategoryPage"]


class CategoryInfo(msgspec.Struct, frozen=True):
    """A category; ``keypoint_edges`` are pairs of labels, counted from 1.

    ``num_annotations`` is told by pages of categories only, and is 0 elsewhere.
    """

    id: int
    name: str
    supercategory: str | None = ""
    color: str | None = None
    metadata: dict[str, Any] = {}
    creator: str = ""
    keypoint_labels: tuple[str, ...] = ()
    keypoint_edges: tuple[tuple[int, ...], ...] = ()
    keypoint_colors: tuple[str | None, ...] = ()
    num_annotations: int = msgspec.field(name="numberAnnotations", default=0)


class CategoryPage(msgspec.Struct, frozen=True):
    """An answer of ``GET /api/category/data``."""

    pagination: Pagination
    categories: tuple[CategoryInfo, ...]
