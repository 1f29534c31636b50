"""Comma-separated values with a head, in UTF-8; cells with several values are JSON."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from coir.mirror.export import Export
from coir.mirror.formats.rows import rows
from coir.mirror.tables import TABLES

__all__ = ["write"]

BATCH = 1_000


def write(export: Export, file: BinaryIO) -> None:
    """Write a table as CSV."""
    waiting = rows(export)
    head = [tuple(TABLES[export.how.table])]
    while batch := head or list(islice(waiting, BATCH)):
        text = io.StringIO(newline="")
        # Only for the line's own end does csv quote a cell that holds "\r" (until Python 3.13).
        csv.writer(text, lineterminator="\r\n").writerows(map(_flat, batch))
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))
        head = []


def _flat(row: tuple[Any, ...]) -> list[Any]:
    return [msgspec.json.encode(cell).decode() if isinstance(cell, tuple) else cell for cell in row]
