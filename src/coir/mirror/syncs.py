"""The syncs of a mirror: each with its mode, its state, and where it left off."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping

import msgspec

from coir.mirror.aging import witness
from coir.mirror.counts import Counts
from coir.mirror.database import Database, keep
from coir.mirror.first_list import drop
from coir.mirror.transaction import note_counts
from coir.scan import Certificate
from coir.scan.prices import Prices

__all__ = ["Syncs"]

# What the filter of the mirror meant to the server when its feed was followed last.
MEANT = "filter_meant"
DAY = 24 * 60 * 60 * 1000  # milliseconds


class Syncs:
    """The syncs, as the database knows them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        # What the server says of the time, in seconds since 1970, while a sync is under way.
        self.server_clock: Callable[[], float | None] = lambda: None

    def begin(self, mode: str) -> int:
        """Enter a new sync, with an empty plan; gives its number."""
        with self.database.write() as connection:
            connection.execute("DELETE FROM plan")
            connection.execute("DELETE FROM syncs WHERE state = 'reading'")
            made = connection.execute(
                "INSERT INTO syncs (mode, state, started) VALUES (?, 'reading', ?)", (mode, now())
            )
            number = int(made.lastrowid or 0)
            self._witness(connection, number, "started")
        return number

    def ready(
        self,
        sync: int,
        mode: str,
        counts: Counts,
        certificate: Certificate | None,
        *,
        cursor: str | None = None,
        meant: Mapping[str, str] | None = None,
    ) -> None:
        """Enter that the plan is whole, and may be carried out.

        ``meant`` is the filter in the server's terms, by which a feed is followed from ``cursor``.
        """
        proof = None if certificate is None else msgspec.json.encode(certificate).decode()
        with self.database.write() as connection:
            drop(connection)
            connection.execute(
                "UPDATE syncs SET state = 'ready', mode = ?, cursor = ?, certificate = ? "
                "WHERE id = ?",
                (mode, cursor, proof, sync),
            )
            if cursor is not None:
                keep(connection, MEANT, meant)
            note_counts(connection, sync, counts)

    def applied(self, sync: int) -> None:
        """Enter that the plan was carried out."""
        self._enter(sync, "state = 'applied'")

    def done(self, sync: int, counts: Counts, prices: Prices) -> None:
        """Enter the end of a sync."""
        with self.database.write() as connection:
            keep(connection, "prices", prices)
            connection.execute("DELETE FROM mirror WHERE key = 'full_since'")
            note_counts(connection, sync, counts)
            self._end(connection, sync, "done")

    def stopped(self, sync: int) -> None:
        """Enter that a plan is not allowed, and drop it."""
        with self.database.write() as connection:
            connection.execute("DELETE FROM plan")
            self._end(connection, sync, "stopped")

    def unfinished(self) -> tuple[int, str, Counts] | None:
        """Give the sync whose plan is to be carried out; None where there is none."""
        asked = "SELECT id, mode, counts FROM syncs WHERE state = 'ready' ORDER BY id DESC LIMIT 1"
        for number, mode, counts in self.database.rows(asked):
            return number, mode, msgspec.json.decode(counts, type=Counts)
        return None

    def last(self) -> int:
        """Give the number of the last sync that changed what is held; 0 before the first."""
        asked = "SELECT max(id) FROM syncs WHERE state IN ('ready', 'applied', 'done')"
        return int(self.database.value(asked) or 0)

    def cursor(self) -> str | None:
        """Give the cursor from which the change feed is to be followed."""
        cursor: str | None = self.database.value(
            "SELECT cursor FROM syncs WHERE state IN ('applied', 'done') AND cursor IS NOT NULL "
            "ORDER BY id DESC LIMIT 1"
        )
        return cursor

    def meant(self) -> dict[str, str] | None:
        """Give what the filter meant when the feed was followed last; None where it is not known.

        A category's name may be another's by now.
        """
        meant: dict[str, str] | None = self.database.setting(MEANT, dict[str, str] | None)
        return meant

    def forget_meant(self) -> None:
        """Forget what the filter meant: what is held may be of another meaning."""
        with self.database.write() as connection:
            keep(connection, MEANT, None)

    def of_a_day(self, first: int, last: int) -> int:
        """Give the first of some syncs that began within the last day; the last where none did."""
        asked = "SELECT min(id) FROM syncs WHERE id >= ? AND id < ? AND started BETWEEN ? AND ?"
        end = now()
        found = self.database.value(asked, (first, last, end - DAY, end))
        return last if found is None else int(found)

    def last_certificate(self) -> Certificate | None:
        """Give the certificate of the last listing that was carried out."""
        text = self.database.value(
            "SELECT certificate FROM syncs WHERE state IN ('applied', 'done') "
            "AND certificate IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        return None if text is None else msgspec.json.decode(text, type=Certificate)

    def _end(self, connection: sqlite3.Connection, sync: int, state: str) -> None:
        connection.execute(
            "UPDATE syncs SET state = ?, finished = ? WHERE id = ?", (state, now(), sync)
        )
        self._witness(connection, sync, "finished")

    def _witness(self, connection: sqlite3.Connection, sync: int, what: str) -> None:
        told = self.server_clock()
        witness(connection, sync, what, now(), None if told is None else int(told * 1000))

    def _enter(self, sync: int, what: str) -> None:
        with self.database.write() as connection:
            connection.execute(f"UPDATE syncs SET {what} WHERE id = ?", (sync,))  # noqa: S608


def now() -> int:
    """Give the moment, in milliseconds since 1970."""
    return int(time.time() * 1000)
