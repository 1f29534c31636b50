"""Since when something has been in the trash: by the clock, as far as it can be believed.

A clock may have been set, or be wrong all the time. Of this machine's and the server's, the later
one tells the moments of a sync. One is not believed where it is earlier than one that was told
before it, or than coir, or later than now; what was put into the trash then is as old as the
first moment after it that is. So it may go too late, and too early only where both clocks were
behind.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coir.mirror.database import Database, keep

__all__ = ["Aging", "Moment", "since"]

# The first of January 2026, in milliseconds since 1970: there were no mirrors before.
FIRST = 1_767_225_600_000
# What the server's clock said when a sync began or ended, where this machine's was behind it.
SERVER = "server_clock"
# The server's tells seconds, and an answer is under way for some.
BEHIND = 60_000
# When `coir gc` saw a folder first, where no sync tells since when it has been there.
SEEN = "trash_seen"


class Moment(NamedTuple):
    """What the clock said, in milliseconds since 1970, when so many syncs were over."""

    syncs: int
    clock: int


def since(sync: int, moments: Sequence[Moment], now: int) -> int | None:
    """Give the first moment that is believed, once a sync was over; None where there is none.

    The moments are in the order in which they were told.
    """
    latest = FIRST
    for moment in moments:
        if latest <= moment.clock <= now:
            latest = moment.clock
            if moment.syncs >= sync:
                return latest
    return None


def witness(
    connection: sqlite3.Connection, sync: int, what: str, clock: int, server: int | None
) -> None:
    """Enter what the server's clock says when a sync has ``started`` or ``finished``."""
    connection.execute("DELETE FROM mirror WHERE key = ?", (f"{SERVER}_{sync}_{what}",))
    if server is not None and clock < server - BEHIND:
        keep(connection, f"{SERVER}_{sync}_{what}", server)


class Aging:
    """How old the folders of the trash are; each is named by the sync that put things there."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def older(self, folders: Iterable[str], seconds: float) -> list[str]:
        """Give those that were filled so long ago; what tells no age is as old as this look."""
        now = int(time.time() * 1000)
        told, last = self._told()
        before = self.database.setting(SEEN, dict[str, Moment]) or {}
        seen, old = {}, []
        for folder in folders:
            sync, moments = (int(folder), told) if folder.isdecimal() else (0, [])
            if folder in before:
                seen[folder] = before[folder]
                moments = sorted([*moments, before[folder]], key=lambda one: one.syncs)
            at = since(sync, moments, now)
            if at is None:
                seen[folder] = Moment(last, now)
            elif at <= now - seconds * 1000:
                old.append(folder)
        if seen != before:
            with self.database.write() as connection:
                keep(connection, SEEN, seen)
        return old

    def _told(self) -> tuple[list[Moment], int]:
        """Give the moments of all syncs, and the number of the last."""
        heard = dict(
            self.database.rows("SELECT key, value FROM mirror WHERE key GLOB ?", (f"{SERVER}_*",))
        )
        asked, told, last = "SELECT id, started, finished FROM syncs ORDER BY id", [], 0
        for number, started, finished in self.database.rows(asked):
            told.append(Moment(last, int(heard.get(f"{SERVER}_{number}_started", started))))
            last = number
            if finished is not None:
                told.append(Moment(number, int(heard.get(f"{SERVER}_{number}_finished", finished))))
        return told, last
