"""What a first sync of the original reads: the images it wants, and the pages that it has read.

Kept in the mirror's database, where a page is entered in the transaction of its last rows: a first
sync that was killed goes on with the other pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from coir.mirror.database import Database, keep
from coir.mirror.plan import Action, Add, Adds
from coir.mirror.record import image_record
from coir.scan import Certificate
from coir.scan.details import Page

__all__ = ["FirstList", "Step", "Turned", "actions", "drop", "enter", "kept", "pages_read", "turn"]

KEY = "first_list"
PAGES = f"{KEY}_page"
# A list that became shorter has its rows on other pages than before. What a page then lacks is
# asked for alone, which is good for a few.
SHORTER = 100


class FirstList(msgspec.Struct, frozen=True):
    """How long the list of all was when a first sync began to read it.

    Where a part of a dataset is wanted, its images, as a scan has found them before.
    """

    total: int
    ids: list[int] | None = None
    certificate: Certificate | None = None

    def holds(self, total: int) -> bool:
        """Whether pages of the list still are what they were, now that it is so long."""
        return total >= self.total - SHORTER


class Turned(msgspec.Struct, frozen=True):
    """A page of the list was read; its images stand before it."""

    page: Page


# What a look at the server gives, one after the other.
Step: TypeAlias = Action | Adds | Turned


def actions(steps: Iterable[Step]) -> Iterator[Action]:
    """Give the actions among the steps."""
    for one in steps:
        if isinstance(one, Adds):
            yield from (Add(image_record(row)) for row in one.rows)
        elif not isinstance(one, Turned):
            yield one


def kept(database: Database) -> FirstList | None:
    """Give the list of a first sync that was interrupted; None where there is none."""
    found: FirstList | None = database.setting(KEY, FirstList)
    return found


def enter(database: Database, first: FirstList) -> None:
    """Keep a list that is begun."""
    with database.write() as connection:
        drop(connection)
        keep(connection, KEY, first)


def turn(connection: sqlite3.Connection, page: Page) -> None:
    """Enter that a page was read, in the transaction of its last rows."""
    keep(connection, f"{PAGES}_{page.number}_{page.size}", page)


def pages_read(database: Database) -> set[Page]:
    """Give the pages that were read."""
    asked = "SELECT value FROM mirror WHERE key GLOB ?"
    return {
        msgspec.json.decode(text, type=Page) for (text,) in database.rows(asked, (f"{PAGES}_*",))
    }


def drop(connection: sqlite3.Connection) -> None:
    """Forget it: the list was read, or is begun anew."""
    connection.execute("DELETE FROM mirror WHERE key GLOB ?", (f"{KEY}*",))
