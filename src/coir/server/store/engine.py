"""The store: one database with many readers and one writer at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeVarTuple

from sqlalchemy import Connection, Row, Select

from coir.server.store import postgres, sqlite

Ts = TypeVarTuple("Ts")


def now_ms() -> int:
    """The present moment as the tables have it: milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


class Store:
    """Connections for reading and for writing, to the SQLite file or the PostgreSQL of a URL.

    ``read`` gives a snapshot: what one request counts and what it lists agree. ``write`` waits
    at its beginning until nobody else writes, in any process (docs/adr/0010): what it checks
    stays true until it commits, and ids are given in the order in which they appear. Threads of
    this process queue at a lock of their own: SQLite's waiting is a sleep with no order, and on
    PostgreSQL each would hold a connection.

    Raises `StartError` when the URL is none or the database cannot be reached.
    """

    def __init__(self, where: Path | str) -> None:
        opened = sqlite.opened(where) if isinstance(where, Path) else postgres.opened(where)
        self.name = opened.name
        self.engine = opened.engine
        self._reading = self.engine.execution_options(**opened.reading)
        self._writing = self.engine.execution_options(**opened.writing)
        self._glancing = self.engine.execution_options(**opened.glancing)
        self._turn = Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the database as it is now, unchanged until it ends."""
        with self._reading.connect() as connection, connection.begin():
            yield connection

    def first(self, asked: Select[*Ts], values: Mapping[str, Any] | None = None) -> Row[*Ts] | None:
        """The first row of one query, which needs no transaction to be of one instant."""
        with self._glancing.connect() as connection:
            return connection.execute(asked, values).first()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection that alone may write; commits at the end, rolls back on an exception."""
        with self._turn, self._writing.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the pooled connections; the last one folds SQLite's WAL into the database."""
        self.engine.dispose()
