"""What syncs changed: read from the versions and tombstones of a mirror.

Read only, and row by row: a history of any length takes the same memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from coir.errors import InvalidRequest
from coir.mirror.counts import Counts
from coir.mirror.database import Database
from coir.mirror.record import (
    IMAGE_COLUMNS,
    AnnotationRecord,
    CategoryRecord,
    ImageRecord,
    image_of,
)
from coir.scan import Certificate

__all__ = ["Difference", "Kind", "SyncEntry", "changed_by", "entry", "net", "syncs"]

Kind: TypeAlias = Literal["image", "annotation", "category"]
Record: TypeAlias = ImageRecord | AnnotationRecord | CategoryRecord

RECORDS: dict[str, type[Record]] = {
    "image": ImageRecord,
    "annotation": AnnotationRecord,
    "category": CategoryRecord,
}


class SyncEntry(msgspec.Struct, frozen=True):
    """A sync that a mirror remembers; moments are milliseconds since 1970.

    ``state`` is reading, ready, applied, done or stopped.
    """

    sync: int
    mode: str
    state: str
    started: int
    finished: int | None
    counts: Counts
    certificate: Certificate | None = None


class Difference(msgspec.Struct, frozen=True):
    """A thing that changed: what it was, and what it is; None where it was or is not."""

    kind: Kind
    id: int
    before: Record | None
    after: Record | None

    @property
    def sign(self) -> str:
        """``+`` for what came, ``-`` for what went, ``*`` for what is different."""
        if self.before is None:
            return "+"
        return "-" if self.after is None else "*"

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Each field that differs, as it was and as it is."""
        if self.before is None or self.after is None:
            return {}
        pairs = (
            (name, (getattr(self.before, name), getattr(self.after, name)))
            for name in self.before.__struct_fields__
        )
        return {name: pair for name, pair in pairs if pair[0] != pair[1]}


def syncs(database: Database, *, limit: int | None = None) -> Generator[SyncEntry]:
    """Give the syncs, the newest first."""
    asked = (
        "SELECT id, mode, state, started, finished, counts, certificate FROM syncs "
        "ORDER BY id DESC LIMIT ?"
    )
    for number, mode, state, started, finished, counts, proof in database.rows(
        asked, (-1 if limit is None else limit,)
    ):
        yield SyncEntry(
            number,
            mode,
            state,
            started,
            finished,
            msgspec.json.decode(counts, type=Counts),
            None if proof is None else msgspec.json.decode(proof, type=Certificate),
        )


def entry(database: Database, sync: int) -> SyncEntry:
    """Give one sync.

    Raises:
        InvalidRequest: there was none of this number.

    """
    found = next((one for one in syncs(database) if one.sync == sync), None)
    if found is None:
        raise InvalidRequest(
            f"This mirror had no sync {sync}.", hint="`coir log DIR` lists its syncs."
        )
    return found


def net(database: Database, since: int) -> Generator[Difference]:
    """Give what is different from how it was after a sync; 0 is before the first.

    What came and went again in between is not there. Images come first, then annotations, then
    categories, each by id.

    Raises:
        InvalidRequest: there was no such sync.

    """
    if since:
        entry(database, since)
    # With min(), SQLite gives the other columns of the row that has it.
    asked = (
        "SELECT id, before, min(sync) FROM versions WHERE kind = ? AND sync > ? "
        "GROUP BY id ORDER BY id"
    )
    with database.reading():
        for kind in RECORDS:
            for number, before, _ in database.rows(asked, (kind, since)):
                yield from _difference(kind, number, before, _now(database, kind, number))


def changed_by(database: Database, sync: int) -> Generator[Difference]:
    """Give what one sync changed, in the order of `net`.

    Raises:
        InvalidRequest: there was no such sync.

    """
    entry(database, sync)
    asked = "SELECT id, before FROM versions WHERE kind = ? AND sync = ? ORDER BY id"
    later = (
        "SELECT before FROM versions WHERE kind = ? AND id = ? AND sync > ? ORDER BY sync LIMIT 1"
    )
    with database.reading():
        for kind in RECORDS:
            for number, before in database.rows(asked, (kind, sync)):
                found = next(database.rows(later, (kind, number, sync)), None)
                after = _now(database, kind, number) if found is None else _read(kind, found[0])
                yield from _difference(kind, number, before, after)


def _difference(
    kind: str, number: int, before: str | None, after: Record | None
) -> Iterator[Difference]:
    was = _read(kind, before)
    if was != after:
        # The database holds no other kinds.
        yield Difference(kind, number, was, after)  # type: ignore[arg-type]


def _read(kind: str, text: str | None) -> Record | None:
    return None if text is None else msgspec.json.decode(text, type=RECORDS[kind])


def _now(database: Database, kind: str, number: int) -> Record | None:
    if kind == "image":
        asked = f"SELECT {IMAGE_COLUMNS} FROM images WHERE id = ?"  # noqa: S608
        row = next(database.rows(asked, (number,)), None)
        return None if row is None else image_of(row)
    table = {"annotation": "annotations", "category": "categories"}[kind]
    asked = f"SELECT body FROM {table} WHERE id = ?"  # noqa: S608
    return _read(kind, database.value(asked, (number,)))
