"""Ids and images as arrays and tables, for those who have NumPy or Arrow installed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from coir.errors import CoirError

__all__ = [
    "IDS",
    "TABLE_BATCH",
    "arrow_batch",
    "arrow_schema",
    "as_array",
    "as_table",
    "cells",
    "image_columns",
    "record_batch",
]

# Columns by name, with their Arrow types in Arrow's own words.
IDS: Mapping[str, str] = {"id": "int64"}
IMAGES: Mapping[str, str] = {
    "id": "int64",
    "file_name": "string",
    "annotated": "bool",
    "annotating": "list<string>",
    "num_annotations": "int64",
}
# What may be asked for beyond the listing.
FURTHER: Mapping[str, str] = {
    "path": "string",
    "width": "int64",
    "height": "int64",
    "category_ids": "list<int64>",
}
TABLE_BATCH = 50_000


def as_array(ids: array[int]) -> Any:
    """Give ids as a NumPy array of int64, without copying them.

    Raises:
        CoirError: NumPy is not installed.

    """
    try:
        import numpy
    except ModuleNotFoundError as missing:
        raise _missing("numpy", "numpy") from missing
    return numpy.frombuffer(ids, dtype=numpy.int64)


def as_table(schema: Any, parts: Iterable[Any]) -> Any:
    """Give record batches as one Arrow table."""
    return _arrow().Table.from_batches(parts, schema=schema)


def image_columns(fields: Sequence[str]) -> Mapping[str, str]:
    """Give the columns of images, with some of the further fields."""
    return {**IMAGES, **{name: FURTHER[name] for name in fields}}


def cells(row: Any, names: Iterable[str]) -> list[Any]:
    """Give the values of a row, which is an id or an image; None for what it does not tell."""
    if isinstance(row, int):
        return [row]
    return [None if (cell := getattr(row, name)) is UNSET else cell for name in names]


def arrow_schema(columns: Mapping[str, str]) -> Any:
    """Give the Arrow schema of some columns.

    Raises:
        CoirError: pyarrow is not installed.

    """
    arrow = _arrow()
    types = {
        "int64": arrow.int64(),
        "string": arrow.string(),
        "bool": arrow.bool_(),
        "list<string>": arrow.list_(arrow.string()),
        "list<int64>": arrow.list_(arrow.int64()),
        "double": arrow.float64(),
        "list<double>": arrow.list_(arrow.float64()),
        "list<list<int64>>": arrow.list_(arrow.list_(arrow.int64())),
        "timestamp": arrow.timestamp("ms"),
    }
    return arrow.schema([(name, types[kind]) for name, kind in columns.items()])


def record_batch(schema: Any, rows: Sequence[Any]) -> Any:
    """Give rows, which are ids or images, as a record batch."""
    return arrow_batch(schema, [cells(row, schema.names) for row in rows])


def arrow_batch(schema: Any, values: Sequence[Sequence[Any]]) -> Any:
    """Give rows, which are cells in the order of the columns, as a record batch."""
    columns = list(map(list, zip(*values, strict=True))) or [[] for _ in schema.names]
    return _arrow().record_batch(columns, schema=schema)


def _arrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as missing:
        raise _missing("pyarrow", "arrow") from missing
    return pyarrow


def _missing(package: str, extra: str) -> CoirError:
    return CoirError(
        f"This needs a package that is not installed: {package}.",
        hint=f"Run: pip install 'coir[{extra}]'",
    )
