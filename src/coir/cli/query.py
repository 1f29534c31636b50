"""`coir query`: SQL on a mirror."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import count, islice
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from coir.cli import options
from coir.cli.export import MirrorFolder
from coir.cli.output import destination, ending_in_order, writable
from coir.cli.talk import printable, voice
from coir.mirror import Mirror

__all__ = ["query"]

# A table for a person is drawn as a whole: what is beyond is told, and the other formats have it.
SHOWN = 1_000
# Where no terminal tells its width.
WIDTH = 200

Sql = Annotated[
    str,
    typer.Argument(
        metavar="SQL",
        help="One SELECT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN, as DuckDB takes it; - reads it "
        "from stdin.",
        show_default=False,
    ),
]
FormatName = Annotated[
    Literal["table", "csv", "json", "ndjson", "parquet"],
    options.option(options.OUTPUT, "--format", "-f", show_default=True, help="How to write."),
]


def query(
    mirror: MirrorFolder,
    sql: Sql,
    format: FormatName = "table",  # noqa: A002 - the option
    output: options.Output = None,
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Ask a mirror in SQL; the tables are images, annotations, categories, versions and syncs.

    By DuckDB, which sees one instant, and can change nothing. docs/export.md lists the columns.
    """
    voice.configure(json=json_log, quiet=quiet)
    ending_in_order()
    writable(output, "-o")
    text = sys.stdin.read() if sql == "-" else sql
    with (
        Mirror(mirror, create=False) as held,
        held.asking(text) as asked,
        destination(output, at_once=False) as file,
    ):
        schema, batches = asked.batches()
        WRITERS[format](file, schema, batches)


def _drawn(file: BinaryIO, schema: Any, batches: Iterator[Any]) -> None:
    """Draw a table, for a person."""
    table = Table(show_edge=False, pad_edge=False)
    for name in _unique(schema.names):
        table.add_column(printable(name), overflow="fold")
    rows = _rows(batches)
    for row in islice(rows, SHOWN):
        table.add_row(*(printable(_text(cell)) for cell in row))
    more = sum(1 for _ in rows)
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    console = Console(file=io.StringIO(), width=width, no_color=True, markup=False, highlight=False)
    with console.capture() as drawing:
        console.print(table)
    file.write("".join(f"{line.rstrip()}\n" for line in drawing.get().splitlines()).encode())
    if more:
        voice.warn(f"{more:,} more rows are not shown: use LIMIT, or --format csv", rows=more)


def _csv(file: BinaryIO, schema: Any, batches: Iterator[Any]) -> None:
    """Write comma-separated values with a head; cells with several values are JSON."""
    _lines(file, [_unique(schema.names)])
    for batch in batches:
        _lines(file, ([_cell(cell) for cell in row] for row in _rows([batch])))


def _lines(file: BinaryIO, rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    file.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _json(file: BinaryIO, schema: Any, batches: Iterator[Any]) -> None:
    """Write one JSON array of objects."""
    between = b"["
    for row in _objects(schema, batches):
        file.write(between + msgspec.json.encode(row))
        between = b",\n"
    file.write(b"[]\n" if between == b"[" else b"]\n")


def _ndjson(file: BinaryIO, schema: Any, batches: Iterator[Any]) -> None:
    """Write one JSON object a line."""
    for row in _objects(schema, batches):
        file.write(msgspec.json.encode(row) + b"\n")


def _parquet(file: BinaryIO, schema: Any, batches: Iterator[Any]) -> None:
    """Write a Parquet file."""
    from pyarrow import parquet

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


WRITERS: Mapping[str, Callable[[BinaryIO, Any, Iterator[Any]], None]] = {
    "table": _drawn,
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
    "parquet": _parquet,
}


def _rows(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """Give the rows as Python's values, by position: names may be given twice."""
    for batch in batches:
        columns = [column.to_pylist() for column in batch.columns]
        yield from ([_plain(cell) for cell in row] for row in zip(*columns, strict=True))


def _objects(schema: Any, batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    names = _unique(schema.names)
    return (dict(zip(names, row, strict=True)) for row in _rows(batches))


def _unique(names: Sequence[str]) -> list[str]:
    """Give each name once: an object has no two members of a name."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        found.append(name if name not in found else next(n for n in numbered if n not in found))
    return found


def _plain(cell: Any) -> Any:
    """Give a value that JSON knows; DuckDB's sums of whole numbers are decimals."""
    if isinstance(cell, Decimal):
        return int(cell) if cell == cell.to_integral_value() else float(cell)
    return cell


def _cell(cell: Any) -> Any:
    return msgspec.json.encode(cell).decode() if isinstance(cell, (list, dict)) else cell


def _text(cell: Any) -> str:
    return "" if cell is None else str(_cell(cell))
