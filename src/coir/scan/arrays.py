"""Ids and images as arrays and tables, for those who have NumPy or Arrow installed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coir.errors import CoirError
from coir.model import Image

__all__ = ["IDS", "IMAGES", "TABLE_BATCH", "arrow_schema", "as_array", "as_table", "record_batch"]

# Columns by name, with their Arrow types in Arrow's own words.
IDS: Mapping[str, str] = {"id": "int64"}
IMAGES: Mapping[str, str] = {
    "id": "int64",
    "file_name": "string",
    "annotated": "bool",
    "annotating": "list<string>",
    "num_annotations": "int64",
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


def as_table(batches: Iterable[list[Image]]) -> Any:
    """Give images as an Arrow table with a column for each of their fields.

    Raises:
        CoirError: pyarrow is not installed.

    """
    schema = arrow_schema(IMAGES)
    parts = [record_batch(schema, batch) for batch in batches]
    return _arrow().Table.from_batches(parts, schema=schema)


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
    }
    return arrow.schema([(name, types[kind]) for name, kind in columns.items()])


def record_batch(schema: Any, rows: Sequence[Any]) -> Any:
    """Give rows, which are ids or images, as a record batch."""
    columns = [
        [row if isinstance(row, int) else getattr(row, name) for row in rows]
        for name in schema.names
    ]
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
