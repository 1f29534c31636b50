"""Parquet, with the columns of `coir.mirror.tables`; needs the extra 'arrow'."""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO

from coir.mirror.export import Export
from coir.mirror.formats.rows import rows
from coir.mirror.tables import batches

__all__ = ["write"]


def write(export: Export, file: BinaryIO) -> None:
    """Write a table as Parquet.

    Raises:
        CoirError: pyarrow is not installed.

    """
    schema, parts = batches(export.how.table, rows(export))
    from pyarrow import parquet

    writer = parquet.ParquetWriter(file, schema, compression="zstd")
    try:
        for part in parts:
            writer.write_batch(part)
        writer.close()
    except BaseException:
        # While the file is open: it would complain when it is collected.
        with suppress(OSError, ValueError):
            writer.close()
        raise
