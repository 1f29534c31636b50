"""The board: where each process writes what it announces, for the others over the same database.

It is no part of the database's rows (docs/adr/0014): a SQLite file of its own, or a table in the
PostgreSQL. What is on it is of the last minute, and may be lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
    text,
)

from coir.server.store import sqlite
from coir.server.store.database import Database
from coir.server.store.engine import Store

# As of all writers (docs/adr/0010), but for this table only, and for as long as its few rows take:
# numbers are then given in the order in which they are seen.
SENDER_KEY = int.from_bytes(b"coirlive")
# At most 1 MiB each.
ROWS = 50

TABLE = Table(
    "coir_live",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("sender", Text, nullable=False),
    Column("number", BigInteger, nullable=False),  # the sender's own
    Column("told", Text, nullable=False),
)
SQLITE = (
    "CREATE TABLE IF NOT EXISTS coir_live (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " sender TEXT NOT NULL, number INTEGER NOT NULL, told TEXT NOT NULL, UNIQUE (sender, number))",
)
# Unlogged: a crash of PostgreSQL empties it, and nothing is written twice. The numbers are a
# sequence of its own, which a crash does not turn back.
POSTGRES = (
    "CREATE SEQUENCE IF NOT EXISTS coir_live_ids",
    "CREATE UNLOGGED TABLE IF NOT EXISTS coir_live (id bigint PRIMARY KEY"
    " DEFAULT nextval('coir_live_ids'), sender text NOT NULL, number bigint NOT NULL,"
    " told text NOT NULL, UNIQUE (sender, number))",
)
# Whose connection was lost while it committed writes again, and does not know whether it had.
WRITE = text(
    "INSERT INTO coir_live (sender, number, told) VALUES (:sender, :number, :told)"
    " ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands behind a place, in its order, and up to where that was looked for."""

    told: Sequence[tuple[int, str]]
    place: int
    more: bool


class Board:
    """The board, as one process uses it. Everything waits for the database."""

    def __init__(self, store: Store, file: Path | None) -> None:
        self._sender = secrets.token_hex(8)
        self._own = None if file is None else _opened(file)
        # What writes begins as a writer: it waits for others then, and not in the middle.
        self._engine = store.engine if self._own is None else self._own.engine
        self._writing = self._engine.execution_options(**(self._own.writing if self._own else {}))
        self._old = 0
        with store.write():  # of two processes that start together, one at a time
            self._make()

    def write(self, told: Sequence[tuple[int, str]]) -> None:
        """Write texts down, in their order; one whose number was written already is left out."""
        rows = [{"sender": self._sender, "number": number, "told": one} for number, one in told]
        with self._writing.begin() as connection:
            if self._own is None:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SENDER_KEY})")
            connection.execute(WRITE, rows)

    def end(self) -> int:
        """The place behind everything."""
        with self._engine.begin() as connection:
            return connection.execute(select(func.max(TABLE.c.id))).scalar() or 0

    def behind(self, place: int) -> Found:
        """What the other processes have written behind a place, or the first part of it."""
        asked = select(func.max(TABLE.c.id)).where(TABLE.c.id > place)
        with self._engine.begin() as connection:
            end = connection.execute(asked).scalar()
            if end is None:
                return Found([], place, more=False)
            asked_rows = (
                select(TABLE.c.id, TABLE.c.told)
                .where(TABLE.c.id > place, TABLE.c.id <= end, TABLE.c.sender != self._sender)
                .order_by(TABLE.c.id)
                .limit(ROWS)
            )
            rows = [(row.id, row.told) for row in connection.execute(asked_rows)]
        more = len(rows) == ROWS
        return Found(rows, rows[-1][0] if more else end, more)

    def prune(self) -> None:
        """Remove what was there already when this was called before: no clocks are compared."""
        end = self.end()
        if self._old:
            with self._writing.begin() as connection:
                connection.execute(delete(TABLE).where(TABLE.c.id <= self._old))
        self._old = end

    def close(self) -> None:
        """Close the file, if it is one."""
        if self._own is not None:
            self._engine.dispose()

    def _make(self) -> None:
        with self._writing.begin() as connection:
            for statement in POSTGRES if self._own is None else SQLITE:
                connection.exec_driver_sql(statement)


def _opened(file: Path) -> Database:
    file.touch(mode=0o600)
    # NORMAL: no commit waits for the disk; a power failure may lose the newest, and harms nothing.
    return sqlite.opened(file, synchronous="NORMAL")
