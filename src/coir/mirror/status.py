"""How a mirror is: what it is of, what it holds, what is due, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from coir.client.failure import local_files
from coir.mirror.database import Database
from coir.mirror.history import SyncEntry, syncs
from coir.mirror.lock import holder
from coir.mirror.settings import Settings, known
from coir.mirror.syncs import Syncs

__all__ = ["Disk", "Looked", "Status", "Trouble", "status", "troubles"]

TROUBLED = "(annotations_trouble IS NOT NULL OR file_trouble IS NOT NULL)"
INTERRUPTED = ("reading", "ready", "applied")


class Disk(msgspec.Struct, frozen=True):
    """What a mirror takes of the disk, in bytes."""

    database: int
    files: int
    trash: int


class Looked(msgspec.Struct, frozen=True):
    """How far edits that no row of an image shows were looked for.

    ``images`` had their annotations fetched, the one longest ago in ``sync``, which began at
    ``started``, in milliseconds since 1970.
    """

    images: int
    sync: int
    started: int


class Trouble(msgspec.Struct, frozen=True):
    """An image whose annotations or file could not be fetched, and why; None for what could."""

    image_id: int
    file_name: str
    annotations: str | None
    file: str | None

    @property
    def words(self) -> str:
        """Both reasons, for a person."""
        return " ".join(filter(None, (self.annotations, self.file)))


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a mirror is.

    ``last`` is the last sync that came to its end, ``interrupted`` one that did not and is gone
    on with; ``busy`` and ``scheduled`` are the processes that sync it now, and again and again;
    ``files`` counts those that are here. ``looked`` is None where a feed tells of all edits.
    """

    settings: Settings | None
    last: SyncEntry | None
    stopped: SyncEntry | None
    interrupted: SyncEntry | None
    busy: int | None
    scheduled: int | None
    images: int
    annotations: int
    categories: int
    files: int
    annotations_due: int
    files_due: int
    troubled: int
    looked: Looked | None
    disk: Disk

    @property
    def due(self) -> bool:
        """Whether the next sync has something to go on with."""
        return bool(self.annotations_due or self.files_due or self.interrupted)


def status(database: Database, home: Path) -> Status:
    """Give how the mirror in a folder is."""
    own = home / ".coir"
    with database.reading():
        newest = next(syncs(database, limit=1), None)
        done = next((one for one in syncs(database) if one.state == "done"), None)
        return Status(
            settings=known(database),
            last=done,
            stopped=newest if newest is not None and newest.state == "stopped" else None,
            interrupted=newest if newest is not None and newest.state in INTERRUPTED else None,
            busy=holder(own / "lock"),
            scheduled=holder(own / "schedule"),
            images=_count(database, "images"),
            annotations=_count(database, "annotations"),
            categories=_count(database, "categories"),
            files=_count(database, "images WHERE place IS NOT NULL"),
            annotations_due=_count(database, "images WHERE annotations_due"),
            files_due=_count(database, "images WHERE file_due"),
            troubled=_count(database, f"images WHERE {TROUBLED}"),
            looked=_looked(database),
            disk=Disk(
                database=sum(_size(one) for one in home.glob("coir.db*")),
                files=int(database.value("SELECT sum(size) FROM images") or 0),
                trash=sum(_size(one) for one in (own / "trash").rglob("*")),
            ),
        )


def _looked(database: Database) -> Looked | None:
    if Syncs(database).cursor() is not None:
        return None
    asked = (
        "SELECT looked.images, looked.first, syncs.started FROM "
        "(SELECT count(*) AS images, min(annotations_at) AS first FROM images "
        "WHERE annotations_at > 0) AS looked JOIN syncs ON syncs.id = looked.first"
    )
    return next((Looked(*row) for row in database.rows(asked)), None)


def troubles(database: Database) -> Iterator[Trouble]:
    """Give the images of which something could not be fetched, by id."""
    columns = "id, file_name, annotations_trouble, file_trouble"
    asked = f"SELECT {columns} FROM images WHERE {TROUBLED} ORDER BY id"  # noqa: S608
    yield from (Trouble(*row) for row in database.rows(asked))


def _count(database: Database, what: str) -> int:
    return int(database.value(f"SELECT count(*) FROM {what}"))  # noqa: S608


def _size(path: Path) -> Any:
    with local_files():
        try:
            return path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            return 0
