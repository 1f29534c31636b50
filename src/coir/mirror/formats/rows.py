"""The rows of the table that an export asks for."""

from __future__ import annotations

from collections.abc import Iterator

from coir.mirror.export import Export
from coir.mirror.tables import Cells, annotation_cells, category_cells, image_cells

__all__ = ["rows"]


def rows(export: Export) -> Iterator[Cells]:
    """Give the rows of the table, in the order of its columns."""
    if export.how.table == "images":
        return (image_cells(row, export.file_name(row)) for row in export.images())
    if export.how.table == "categories":
        return map(category_cells, export.categories())
    names: dict[int | None, str] = {one.id: one.name for one in export.instant.categories}
    return (
        annotation_cells(row, shape, names, export.file_name(row))
        for row, shape in export.annotations()
    )
