"""The database: one SQLite file in WAL mode, many readers and one writer at a time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

# Another process (a backup, a second server starting) may hold the write lock for a while.
BUSY_TIMEOUT_MS = 30_000

PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",  # first: the next ones may wait already
    "PRAGMA journal_mode = WAL",  # readers never wait for the writer
    # FULL, not NORMAL: NORMAL may lose the newest commits at a power failure, and with them the
    # fact that their ids were given out. A client that has seen an id must never see it again on
    # another image.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def now_ms() -> int:
    """The present moment as the tables have it: milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


class Store:
    """Connections for reading and for writing.

    ``read`` gives a snapshot: what one request counts and what it lists agree. ``write`` takes
    the write lock at its beginning (BEGIN IMMEDIATE), because a transaction that turns from
    reading to writing can fail at once with "database is locked", whatever the timeout. Threads
    of this process queue at a lock of their own: SQLite's waiting is a sleep with no order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = _engine(path)
        self._writing = self.engine.execution_options(coir_begin="BEGIN IMMEDIATE")
        self._turn = Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the database as it is now, unchanged until it ends."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection that alone may write; commits at the end, rolls back on an exception."""
        with self._turn, self._writing.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the pooled connections; the last one folds the WAL into the database."""
        self.engine.dispose()


def _engine(path: Path) -> Engine:
    # No limit above the pool: the server's thread limit bounds it, and waiting for a connection
    # while holding another would deadlock.
    engine = create_engine(
        f"sqlite:///{path}", pool_size=8, max_overflow=-1, hide_parameters=True
    )  # errors are logged, and what fails may be a hash

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The driver begins no transactions of its own: `begin` below does.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(pragma)
        # SQLite folds ASCII only; people search for names in every script.
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(options.get("coir_begin", "BEGIN"))

    return engine


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
