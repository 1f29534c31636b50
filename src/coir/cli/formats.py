"""The formats in which ids and images are written, each streamed batch by batch."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import msgspec

from coir.model import Image
from coir.scan.arrays import arrow_schema, cells, record_batch

__all__ = ["FORMATS", "Format"]


class Format(ABC):
    """One way to write rows: ids as integers, or images; ``columns`` says which."""

    columns: Mapping[str, str]

    def __init__(self, file: BinaryIO, columns: Mapping[str, str]) -> None:
        self.file = file
        self.columns = columns

    def begin(self) -> None:  # noqa: B027 - most formats have nothing to write there
        """Write what stands before the first row."""

    @abstractmethod
    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""

    def end(self) -> None:  # noqa: B027 - most formats have nothing to write there
        """Write what stands after the last row."""

    def abandon(self) -> None:  # noqa: B027 - most formats hold nothing to let go
        """Let go of what is held, when the rows did not come to their end."""


class Lines(Format):
    """One row a line: the id, and for images a tab and the file name."""

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        if rows and isinstance(rows[0], Image):
            text = "".join(f"{row.id}\t{_one_line(row.file_name)}\n" for row in rows)
        else:
            text = "".join(f"{row}\n" for row in rows)
        self.file.write(text.encode("utf-8", "surrogateescape"))


class Json(Format):
    """One JSON array."""

    separator = b"["

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        if rows:
            self.file.write(self.separator + msgspec.json.encode(rows)[1:-1])
            self.separator = b","

    def end(self) -> None:
        """Close the array."""
        self.file.write(b"[]\n" if self.separator == b"[" else b"]\n")


class NdJson(Format):
    """One JSON object a line."""

    encoder: ClassVar[msgspec.json.Encoder] = msgspec.json.Encoder()

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        if rows and isinstance(rows[0], int):
            rows = [{"id": row} for row in rows]
        self.file.write(self.encoder.encode_lines(rows))


@dataclass(frozen=True, slots=True)
class _Sink:
    write: Callable[[str], object]


class Csv(Format):
    """Comma-separated values with a head; several names in a cell are joined by spaces."""

    def begin(self) -> None:
        """Write the names of the columns."""
        self._rows([list(self.columns)])

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows."""
        self._rows([[_flat(cell) for cell in cells(row, self.columns)] for row in rows])

    def _rows(self, rows: list[list[Any]]) -> None:
        lines: list[str] = []
        # Only for the line's own end does csv quote a cell that holds "\r" (until Python 3.13).
        csv.writer(_Sink(lines.append), lineterminator="\r\n").writerows(rows)
        text = "".join(f"{line[:-2]}\n" for line in lines)
        self.file.write(text.encode("utf-8", "surrogateescape"))


class Arrow(Format):
    """An Arrow IPC stream; needs the extra 'arrow'."""

    def begin(self) -> None:
        """Open the writer."""
        self.schema = arrow_schema(self.columns)
        self.writer = self.open()

    def open(self) -> Any:
        """Give the writer of record batches."""
        from pyarrow import ipc

        return ipc.new_stream(self.file, self.schema)

    def write(self, rows: Sequence[Any]) -> None:
        """Write some rows as a record batch."""
        self.writer.write_batch(record_batch(self.schema, rows))

    def end(self) -> None:
        """Close the writer."""
        self.writer.close()


class Parquet(Arrow):
    """A Parquet file; needs the extra 'arrow'."""

    def open(self) -> Any:
        """Give the writer of record batches."""
        from pyarrow import parquet

        return parquet.ParquetWriter(self.file, self.schema)

    def abandon(self) -> None:
        """Close the writer while the file is open: it would complain when it is collected."""
        if hasattr(self, "writer"):
            with suppress(OSError, ValueError):
                self.writer.close()


FORMATS: dict[str, type[Format]] = {
    "lines": Lines,
    "json": Json,
    "ndjson": NdJson,
    "csv": Csv,
    "parquet": Parquet,
    "arrow": Arrow,
}


def _flat(cell: Any) -> Any:
    return " ".join(map(str, cell)) if isinstance(cell, tuple) else cell


def _one_line(name: str) -> str:
    """Keep a name on its line: a tab or line break in it is written as an escape."""
    return name.translate({9: "\\t", 10: "\\n", 13: "\\r"})
