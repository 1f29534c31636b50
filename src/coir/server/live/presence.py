"""Who is annotating which image, as the database knows it.

A row is a lease: the process that holds the connection renews it, and what nobody renews has
ended. So marks vanish also when a process is killed, and every process sees those of the others.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    insert,
    select,
    update,
)

from coir.server.access import visible_image
from coir.server.answers import refused
from coir.server.sessions import Caller
from coir.server.store.engine import Store, now_ms
from coir.server.store.prepared import prepared
from coir.server.store.tables import images, presence, users

# A killed process is believed that long. Renewing must survive waiting for the write lock, which
# a large import holds for seconds.
LEASE_MS = 30_000
# Time on one image beyond a week is a page that was forgotten.
MAX_SPENT_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Mark:
    """A user came to an image, or left it."""

    dataset_id: int
    image_id: int
    username: str
    active: bool


def annotating(connection: Connection, **those: int | Collection[int]) -> dict[int, list[str]]:
    """The names of those who annotate, by image, in the order in which they came.

    All, or those whose ``image_id`` or ``dataset_id`` is this one, or one of these.
    """
    several = any(not isinstance(one, int) for one in those.values())
    found: dict[int, list[str]] = {}
    for image_id, username in connection.execute(*_marks(several, now=now_ms(), **those)):
        names = found.setdefault(image_id, [])
        if username not in names:
            names.append(username)
    return found


@prepared
def _marks(several: bool, *, now: Any, **those: Any) -> Select[int, str]:
    asked = (
        select(presence.c.image_id, users.c.username)
        .join(users, users.c.id == presence.c.user_id)
        .where(presence.c.expires_at > now)
        .order_by(presence.c.since, presence.c.connection)
    )
    for name, value in those.items():
        column = presence.c[name]
        asked = asked.where(column.in_(value) if several else column == value)
    return asked


class Presence:
    """The leases that this process holds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = secrets.token_hex(8)
        self._mine = presence.c.holder == self._holder

    def enter(self, connection_id: str, caller: Caller, image_id: int) -> list[Mark]:
        """Mark an image; a connection marks one at a time. Refuses what the caller cannot see."""
        moment = now_ms()
        with self._store.write() as connection:
            image = visible_image(connection, caller, image_id)
            if image is None:
                raise refused("Invalid image id")
            here = presence.c.connection == connection_id
            row = connection.execute(select(presence).where(here)).first()
            if row is not None and row.image_id == image_id:
                return []
            left = self._end(connection, here, moment)
            values = {
                "connection": connection_id,
                "holder": self._holder,
                "dataset_id": image.dataset_id,
                "image_id": image_id,
                "user_id": caller.id,
                "since": moment,
                "expires_at": moment + LEASE_MS,
            }
            connection.execute(insert(presence).values(values))
        return [Mark(image.dataset_id, image_id, caller.username, active=True), *left]

    def leave(self, connection_id: str, image_id: int | None = None) -> list[Mark]:
        """Take a connection's mark away, from this image if one is named."""
        here = presence.c.connection == connection_id
        if image_id is not None:
            here &= presence.c.image_id == image_id
        return self._ended(here)

    def renew(self) -> None:
        """Prolong the leases of this process."""
        if self._any(self._mine):
            with self._store.write() as connection:
                renewed = update(presence).where(self._mine)
                connection.execute(renewed.values(expires_at=now_ms() + LEASE_MS))

    def expire(self) -> list[Mark]:
        """Take away what nobody renewed."""
        return self._ended(presence.c.expires_at <= now_ms())

    def release(self) -> list[Mark]:
        """Take away all of this process."""
        return self._ended(self._mine)

    def _any(self, where: ColumnElement[bool]) -> bool:
        return self._store.first(select(presence.c.connection).where(where).limit(1)) is not None

    def _ended(self, where: ColumnElement[bool]) -> list[Mark]:
        if not self._any(where):
            return []  # nothing to write, and no wait for who does
        with self._store.write() as connection:
            return self._end(connection, where, now_ms())

    def _end(self, connection: Connection, where: ColumnElement[bool], moment: int) -> list[Mark]:
        """Delete leases and keep account of the time; gives the marks that vanish with them."""
        asked = select(presence, users.c.username).join(users, users.c.id == presence.c.user_id)
        rows = connection.execute(asked.where(where)).all()
        connection.execute(delete(presence).where(where))
        for row in rows:
            _account(connection, row, min(moment, row.expires_at) - row.since)
        left = {(row.dataset_id, row.image_id, row.username) for row in rows}
        still = annotating(connection, image_id=[row.image_id for row in rows])
        return [
            Mark(dataset_id, image_id, username, active=False)
            for dataset_id, image_id, username in sorted(left)
            if username not in still.get(image_id, [])
        ]


def _account(connection: Connection, row: Row[Any], spent: int) -> None:
    """Add the time to the image, as the original does when somebody leaves it."""
    spent = max(0, min(spent, MAX_SPENT_MS))
    here = images.c.id == row.image_id
    events = connection.execute(select(images.c.events).where(here)).scalar_one()
    event = {
        "user": row.username,
        "created_at": {"$date": row.since},
        "milliseconds": spent,
        "tools_used": [],
    }
    values = {"events": [*events, event], "milliseconds": images.c.milliseconds + spent}
    connection.execute(update(images).where(here).values(values))


def announced(marks: Iterable[Mark]) -> Iterable[tuple[int, dict[str, Any]]]:
    """Datasets, and what those who see them are told of these marks."""
    for mark in marks:
        yield (
            mark.dataset_id,
            {"image_id": mark.image_id, "active": mark.active, "username": mark.username},
        )
