"""A mirror as tables: what columns they have, and their rows.

The same columns are in Parquet and CSV files, in `Mirror.table` and in `coir query`;
docs/export.md describes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from coir.errors import InvalidRequest
from coir.mirror.instant import ImageRow, Instant
from coir.mirror.record import CategoryRecord
from coir.mirror.shape import Shape, shaped
from coir.scan.arrays import arrow_batch, arrow_schema

__all__ = ["TABLES", "annotation_cells", "batches", "category_cells", "columns_of", "image_cells",
           "rows_of"]  # fmt: skip

# Columns by name, with their Arrow types in Arrow's own words.
TABLES: Mapping[str, Mapping[str, str]] = {
    "images": {
        "id": "int64",
        "file": "string",
        "file_name": "string",
        "path": "string",
        "width": "int64",
        "height": "int64",
        "annotated": "bool",
        "num_annotations": "int64",
        "size": "int64",
        "sha256": "string",
    },
    "annotations": {
        "id": "int64",
        "image_id": "int64",
        "file": "string",
        "image_width": "int64",
        "image_height": "int64",
        "category_id": "int64",
        "category": "string",
        "bbox_x": "double",
        "bbox_y": "double",
        "bbox_width": "double",
        "bbox_height": "double",
        "area": "double",
        "iscrowd": "bool",
        "isbbox": "bool",
        "color": "string",
        "num_keypoints": "int64",
        "keypoints": "list<double>",
        "segmentation": "string",
        "metadata": "string",
    },
    "categories": {
        "id": "int64",
        "name": "string",
        "supercategory": "string",
        "color": "string",
        "keypoints": "list<string>",
        "skeleton": "list<list<int64>>",
        "keypoint_colors": "list<string>",
        "metadata": "string",
    },
    "versions": {"kind": "string", "id": "int64", "sync": "int64", "before": "string"},
    "syncs": {
        "id": "int64",
        "mode": "string",
        "state": "string",
        "started": "timestamp",
        "finished": "timestamp",
        "counts": "string",
        "certificate": "string",
    },
}
PLAIN = {
    "versions": "SELECT kind, id, sync, before FROM versions ORDER BY sync, kind, id",
    "syncs": "SELECT id, mode, state, started, finished, counts, certificate FROM syncs "
    "ORDER BY id",
}
# Rows that are in memory at a time; with outlines of twenty points that is about 10 MB.
BATCH = 10_000

Cells = tuple[Any, ...]


def columns_of(table: str) -> Mapping[str, str]:
    """Give the columns of a table.

    Raises:
        InvalidRequest: there is no such table.

    """
    if table not in TABLES:
        raise InvalidRequest(
            f"A mirror has no table '{table}'.", hint=f"Its tables are {', '.join(TABLES)}."
        )
    return TABLES[table]


def rows_of(table: str, instant: Instant, home: str) -> Iterator[Cells]:
    """Give everything that a table holds; ``home`` is the folder of images, with a ``/``."""
    if table == "images":
        return (image_cells(row, _file(row, home)) for row in instant.images())
    if table == "annotations":
        return _annotations(instant, home)
    if table == "categories":
        return map(category_cells, instant.categories)
    return instant.rows(PLAIN[table])


def batches(table: str, rows: Iterable[Cells]) -> tuple[Any, Iterator[Any]]:
    """Give the Arrow schema of a table, and its rows as record batches while they are read.

    Raises:
        CoirError: pyarrow is not installed.

    """
    schema = arrow_schema(columns_of(table))
    waiting = iter(rows)

    def parts() -> Iterator[Any]:
        while batch := list(islice(waiting, BATCH)):
            yield arrow_batch(schema, batch)

    return schema, parts()


def image_cells(row: ImageRow, file: str | None) -> Cells:
    """Give an image as cells."""
    return (
        row.id,
        file,
        row.file_name,
        row.path,
        row.width,
        row.height,
        bool(row.annotated),
        row.num_annotations,
        row.size,
        row.sha256,
    )


def annotation_cells(
    row: ImageRow, shape: Shape, names: Mapping[int | None, str], file: str | None
) -> Cells:
    """Give an annotation as cells; ``names`` are those of the categories."""
    stored = shape.stored
    return (
        stored.id,
        stored.image_id,
        file,
        row.width,
        row.height,
        stored.category_id,
        names.get(stored.category_id),
        *shape.bbox,
        shape.area,
        stored.iscrowd,
        stored.isbbox,
        stored.color,
        shape.num_keypoints,
        stored.keypoints,
        shape.segmentation.decode(),
        bytes(stored.metadata).decode(),
    )


def category_cells(one: CategoryRecord) -> Cells:
    """Give a category as cells."""
    return (
        one.id,
        one.name,
        one.supercategory,
        one.color,
        one.keypoint_labels,
        one.keypoint_edges,
        one.keypoint_colors,
        msgspec.json.encode(one.metadata).decode(),
    )


def _annotations(instant: Instant, home: str) -> Iterator[Cells]:
    names: dict[int | None, str] = {one.id: one.name for one in instant.categories}
    images = instant.images()
    row: ImageRow | None = None
    file: str | None = None
    for image_id, text in instant.annotations():
        while row is None or row.id < image_id:
            row = next(images)
            file = _file(row, home)
        yield annotation_cells(row, shaped(text, row.width, row.height), names, file)


def _file(row: ImageRow, home: str) -> str | None:
    return None if row.place is None else f"{home}{row.place}"
