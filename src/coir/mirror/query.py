"""SQL on a mirror, by DuckDB; needs the extra 'query'. docs/adr/0016 says why it is done so.

DuckDB sees tables that are read while it asks for them, all of one instant. It may not touch a
file or load an extension, so that a query changes nothing, and needs no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from coir.client.closing import Closing
from coir.errors import CoirError, InvalidRequest
from coir.mirror.instant import Instant
from coir.mirror.tables import TABLES, batches, rows_of

__all__ = ["Query", "View"]

# In this order: the last makes it final. Where memory does not suffice DuckDB says so, instead of
# writing into the folder that one happens to be in.
SETTINGS = (
    "SET temp_directory = ''",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
BATCH = 10_000


class View:
    """A table of a mirror, as Arrow's C interface hands it over; each reading is a new one."""

    def __init__(self, table: str, instant: Instant) -> None:
        self._table = table
        self._instant = instant
        self._home = f"{(instant.home / 'images').absolute().as_posix()}/"

    def reader(self) -> Any:
        """Give the rows as a `pyarrow.RecordBatchReader`."""
        schema, parts = batches(self._table, rows_of(self._table, self._instant, self._home))
        from pyarrow import RecordBatchReader

        return RecordBatchReader.from_batches(schema, parts)

    def __arrow_c_schema__(self) -> Any:
        return batches(self._table, ())[0].__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.reader().__arrow_c_stream__(requested_schema)


class Query(Closing):
    """The answer to a query; a context manager that closes itself.

    Args:
        home: the folder of the mirror.
        sql: one SELECT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN.

    Raises:
        InvalidRequest: it is no such statement, or DuckDB does not understand it.
        CoirError: DuckDB or pyarrow is not installed, or the mirror cannot be read.

    """

    def __init__(self, home: Path, sql: str) -> None:
        self._duckdb = _duckdb()
        self._instant = Instant(home)
        self._connection = self._duckdb.connect(":memory:")
        try:
            for table in TABLES:
                self._connection.register(table, View(table, self._instant))
            for setting in SETTINGS:
                self._connection.execute(setting)
            with self._translated():
                self._relation = self._connection.sql(self._checked(sql))
        except BaseException:
            self.close()
            raise

    def batches(self) -> tuple[Any, Iterator[Any]]:
        """Give the schema, and the rows as record batches while they are computed."""
        with self._translated():
            reader = self._relation.to_arrow_reader(BATCH)
        return reader.schema, self._parts(reader)

    def table(self) -> Any:
        """Give all rows as a `pyarrow.Table`."""
        with self._translated():
            return self._relation.to_arrow_table()

    def close(self) -> None:
        """Let DuckDB and the mirror go."""
        self._connection.close()
        self._instant.close()

    def _parts(self, reader: Any) -> Iterator[Any]:
        with self._translated():
            yield from reader

    def _checked(self, sql: str) -> str:
        statements = self._connection.extract_statements(sql)
        kinds = [one.type.name for one in statements]
        if len(kinds) != 1 or kinds[0] not in ("SELECT", "EXPLAIN"):
            raise InvalidRequest(
                f"A query is one SELECT; this is {' and '.join(kinds) or 'nothing'}.",
                hint="A mirror is changed by coir sync alone.",
            )
        return sql

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (self._duckdb.OperationalError, self._duckdb.OutOfMemoryException) as error:
            raise CoirError(f"DuckDB could not answer: {_first(error)}") from error
        except (self._duckdb.Error, OSError) as error:
            raise InvalidRequest(
                f"DuckDB refuses the query: {_first(error)}",
                hint=f"The tables are {', '.join(TABLES)}; their columns: docs/export.md, or "
                'coir query DIR "DESCRIBE annotations".',
            ) from error

    def __enter__(self) -> Self:
        return self


def _first(error: Exception) -> str:
    """The sentence of an error, without the drawing below it."""
    return " ".join(str(error).partition("\n\n")[0].split())


def _duckdb() -> Any:
    try:
        import duckdb
        import pyarrow  # noqa: F401 - what it is handed
    except ModuleNotFoundError as missing:
        raise CoirError(
            f"This needs a package that is not installed: {missing.name}.",
            hint="Run: pip install 'coir[query]'",
        ) from missing
    return duckdb
