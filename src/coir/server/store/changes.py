"""The change feed in the database: where it ends, what lies between, and what is old.

Its entries are written by triggers. A place in it is a pair, a transaction's number and an
entry's: on PostgreSQL entries get their numbers when they are written, and are seen when they are
committed; of two transactions the one with the larger numbers may commit first. What is shown is
therefore below every transaction that is still at work, in the order of transactions. On SQLite
one writes at a time, and the first number is 0.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from coir.server.store.engine import Store, now_ms
from coir.server.store.functions import next_xid, seen_seq, seen_xid
from coir.server.store.tables import changes, feed

KEPT_DAYS = 30
# Some 100 bytes each: a hundred megabytes, or four large imports.
MOST = 1_000_000
# Entries that are removed in one transaction, which others wait for.
BATCH = 20_000


class Place(NamedTuple):
    """Behind an entry, or behind all that are seen."""

    xid: int
    seq: int


class Extent(NamedTuple):
    """Which feed it is, from where on it has all entries, and where it ends."""

    key: str
    start: Place
    end: Place


def extent(connection: Connection) -> Extent:
    """The extent of the feed at the instant that the connection sees."""
    asked = select(feed.c.key, feed.c.floor_xid, feed.c.floor_seq, seen_xid(), seen_seq())
    key, *places = connection.execute(asked).one()
    return Extent(key, Place(*places[:2]), Place(*places[2:]))


def between(
    connection: Connection, dataset_id: int, start: Place, end: Place, limit: int
) -> Sequence[Row[Any]]:
    """The first entries of a dataset behind the start and not behind the end, in their order."""
    asked = select(changes).where(changes.c.dataset_id == dataset_id, _within(start, end))
    return connection.execute(asked.order_by(changes.c.xid, changes.c.seq).limit(limit)).all()


def changed(
    connection: Connection, dataset_ids: Collection[int], start: Place, end: Place
) -> set[int]:
    """Which of the datasets have an entry behind the start and not behind the end."""
    asked = select(changes.c.dataset_id).where(
        changes.c.dataset_id.in_(dataset_ids), _within(start, end)
    )
    return set(connection.execute(asked.distinct()).scalars())


def begin(store: Store) -> None:
    """Give the feed its key, which every cursor carries.

    A new one when there is none, and when the entries are of another database: in a copy that was
    put into another PostgreSQL they have numbers that no transaction has had there.
    """
    with store.write() as connection:
        key = connection.execute(select(feed.c.key)).scalar()
        newest = connection.execute(select(func.max(changes.c.xid))).scalar() or 0
        following = connection.execute(select(next_xid())).scalar_one()
        if key is None or newest >= following:
            connection.execute(delete(changes))
            connection.execute(delete(feed))
            first = {"key": secrets.token_hex(6), "floor_xid": 0, "floor_seq": 0}
            connection.execute(insert(feed).values(first))


def prune(store: Store) -> int:
    """Remove the entries that are too old or too many; gives how many."""
    since = now_ms() - KEPT_DAYS * 24 * 3600 * 1000
    with store.read() as connection:
        newest = connection.execute(select(func.max(changes.c.seq))).scalar() or 0
        old = connection.execute(select(func.max(changes.c.seq)).where(changes.c.at < since))
        last = max(old.scalar() or 0, newest - MOST)
    removed = 0
    while number := _removed(store, last):
        removed += number
    return removed


def _removed(store: Store, last: int) -> int:
    """Remove some of the entries up to this one, and say from where on the feed is whole."""
    with store.write() as connection:
        oldest = select(changes.c.seq).where(changes.c.seq <= last).order_by(changes.c.seq)
        numbers = connection.execute(oldest.limit(BATCH)).scalars().all()
        if not numbers:
            return 0
        gone = changes.c.seq <= numbers[-1]
        place = select(changes.c.xid, changes.c.seq).where(gone)
        behind = place.order_by(changes.c.xid.desc(), changes.c.seq.desc()).limit(1)
        floor = max(extent(connection).start, Place(*connection.execute(behind).one()))
        connection.execute(update(feed).values(floor_xid=floor.xid, floor_seq=floor.seq))
        connection.execute(delete(changes).where(gone))
        return len(numbers)


def _within(start: Place, end: Place) -> ColumnElement[bool]:
    place = tuple_(changes.c.xid, changes.c.seq)
    return and_(place > tuple_(*start), place <= tuple_(*end))
