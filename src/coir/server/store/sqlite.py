"""SQLite: one file in WAL mode."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from coir.server.store.database import JSON, Database

# Another process (a backup, a second server starting) may hold the write lock for a while.
BUSY_TIMEOUT_MS = 30_000

PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",  # first: the next ones may wait already
    "PRAGMA journal_mode = WAL",  # readers never wait for the writer
    "PRAGMA foreign_keys = ON",
)
# FULL, not NORMAL: NORMAL may lose the newest commits at a power failure, and with them the
# fact that their ids were given out. A client that has seen an id must never see it again on
# another image.
SYNCHRONOUS = "FULL"
BEGIN = "coir_begin"


def opened(path: Path, synchronous: str = SYNCHRONOUS) -> Database:
    """The database in a file, which is made at the first use.

    A writer begins with BEGIN IMMEDIATE, because a transaction that turns from reading to
    writing can fail at once with "database is locked", whatever the timeout.
    """
    # No limit above the pool: the server's thread limit bounds it, and waiting for a connection
    # while holding another would deadlock.
    engine = create_engine(
        f"sqlite:///{path}", pool_size=8, max_overflow=-1, hide_parameters=True, **JSON
    )  # errors are logged, and what fails may be a hash

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The driver begins no transactions of its own: `begin` below does.
        connection.isolation_level = None
        for pragma in (*PRAGMAS, f"PRAGMA synchronous = {synchronous}"):
            connection.execute(pragma)
        # SQLite folds ASCII only; people search for names in every script.
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))

    immediate = {BEGIN: "BEGIN IMMEDIATE"}
    return Database(str(path), engine, reading={}, writing=immediate, glancing={})


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
