"""What a mirror holds, and how it changes: rows, with what they were before.

Each method that writes is one transaction, or part of one; the counts of the sync under way are
written with it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby, islice
from typing import Any

import msgspec

from coir.mirror.counts import Counts
from coir.mirror.database import Database, keep
from coir.mirror.plan import Action, Add, Change, Look, Remove
from coir.mirror.record import AnnotationRecord, CategoryRecord, FileRecord, ImageRecord
from coir.scan import Certificate
from coir.scan.prices import Prices

__all__ = ["IMAGE_COLUMNS", "Store", "image_of", "note_counts"]

# Actions in one transaction: enough that the disk's flush does not count, few enough that a kill
# takes back less than a second's work.
BATCH = 2_000
# Rows read at a time: what is written in between is not seen through an open query.
PAGE = 5_000
LARGEST = 2**63 - 1
IMAGE_COLUMNS = "id, file_name, path, width, height, annotated, num_annotations"

# A category that is gone takes its annotations along, and no row of an image shows that; one that
# comes brings back what the images' own counts say is missing here.
LABELLED_DUE = (
    "UPDATE images SET annotations_due = 1 "
    "WHERE id IN (SELECT image_id FROM annotations WHERE category_id = ?)"
)
HIDDEN_DUE = (
    "UPDATE images SET annotations_due = 1 WHERE num_annotations > "
    "(SELECT count(*) FROM annotations WHERE annotations.image_id = images.id)"
)

encode = msgspec.json.encode


class Store:
    """The rows of a mirror.

    Args:
        database: where they are.
        discard: puts away the files of removed images; called before the transaction that
            forgets them ends.

    """

    def __init__(
        self,
        database: Database,
        discard: Callable[[int, Sequence[FileRecord]], None] | None = None,
    ) -> None:
        self.database = database
        self._discard = discard

    # -- reading ------------------------------------------------------------------------

    def images(self, start: int = 0, stop: int | None = None) -> Iterator[ImageRecord]:
        """Give the images with ids from ``start`` up to, and without, ``stop``, ascending."""
        asked = (
            f"SELECT {IMAGE_COLUMNS} FROM images WHERE id >= ? AND id < ? "  # noqa: S608
            "ORDER BY id LIMIT ?"
        )
        end = LARGEST if stop is None else stop
        while rows := list(self.database.rows(asked, (start, end, PAGE))):
            yield from map(image_of, rows)
            start = rows[-1][0] + 1

    def image_ids(self, start: int = 0, stop: int | None = None) -> list[int]:
        """Give the ids in a stretch, ascending."""
        asked = "SELECT id FROM images WHERE id >= ? AND id < ? ORDER BY id"
        end = LARGEST if stop is None else stop
        return [row[0] for row in self.database.rows(asked, (start, end))]

    def held_in(self, start: int, stop: int) -> int:
        """Count the images in a stretch."""
        asked = "SELECT count(*) FROM images WHERE id >= ? AND id < ?"
        return int(self.database.value(asked, (start, stop)))

    def image(self, image_id: int) -> ImageRecord | None:
        """Give one image; None where it is not held."""
        return next(self.images(image_id, image_id + 1), None)

    def held(self) -> int:
        """Count the images."""
        return int(self.database.value("SELECT count(*) FROM images"))

    def newest(self) -> int:
        """Give the largest id; 0 where no image is held."""
        return int(self.database.value("SELECT max(id) FROM images") or 0)

    def categories(self) -> list[CategoryRecord]:
        """Give the categories, by id."""
        rows = self.database.rows("SELECT body FROM categories ORDER BY id")
        return [msgspec.json.decode(text, type=CategoryRecord) for (text,) in rows]

    def due(self, what: str, after: int = 0, limit: int = BATCH) -> list[int]:
        """Give ids of images whose ``annotations`` or ``file`` are due, above one, ascending."""
        asked = f"SELECT id FROM images WHERE {what}_due AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
        return [row[0] for row in self.database.rows(asked, (after, limit))]

    def number_due(self, what: str) -> int:
        """Count the images whose ``annotations`` or ``file`` are due."""
        asked = f"SELECT count(*) FROM images WHERE {what}_due"  # noqa: S608
        return int(self.database.value(asked))

    # -- a plan -------------------------------------------------------------------------

    def note(self, actions: Iterable[Action]) -> None:
        """Add actions to the plan."""
        waiting = iter(actions)
        while batch := [(encode(one).decode(),) for one in islice(waiting, BATCH)]:
            with self.database.write() as connection:
                connection.executemany("INSERT INTO plan (action) VALUES (?)", batch)

    def planned_number(self) -> int:
        """Count the actions of the plan that are not carried out yet."""
        return int(self.database.value("SELECT count(*) FROM plan"))

    def planned(self) -> Iterator[Action]:
        """Give the actions of the plan that are not carried out yet."""
        for (text,) in self.database.rows("SELECT action FROM plan ORDER BY id"):
            yield msgspec.json.decode(text, type=Action)

    def carry_out(self, sync: int, counts: Counts) -> int:
        """Carry out the next actions of the plan, and cross them off; gives how many."""
        asked = "SELECT id, action FROM plan ORDER BY id LIMIT ?"
        batch = list(self.database.rows(asked, (BATCH,)))
        if not batch:
            return 0
        actions = [msgspec.json.decode(text, type=Action) for _, text in batch]
        with self.database.write() as connection:
            self._act(connection, sync, counts, actions)
            connection.execute("DELETE FROM plan WHERE id <= ?", (batch[-1][0],))
        return len(batch)

    def act(self, sync: int, counts: Counts, actions: Iterable[Action]) -> None:
        """Carry out actions as they come, without a plan: where there is nothing to lose."""
        waiting = iter(actions)
        while batch := list(islice(waiting, BATCH)):
            with self.database.write() as connection:
                self._act(connection, sync, counts, batch)

    def _act(
        self, connection: sqlite3.Connection, sync: int, counts: Counts, batch: Sequence[Action]
    ) -> None:
        change = _Change(connection, sync, counts)
        change.act(batch)
        note_counts(connection, sync, counts)
        if self._discard is not None and change.files:
            self._discard(sync, change.files)

    # -- what the server told beside the plan -------------------------------------------

    def put_categories(self, sync: int, counts: Counts, told: Sequence[CategoryRecord]) -> None:
        """Hold these categories and no others."""
        held = {one.id: one for one in self.categories()}
        wanted = {one.id: one for one in told}
        if held == wanted:
            return
        with self.database.write() as connection:
            change = _Change(connection, sync, counts)
            if wanted.keys() - held.keys():
                connection.execute(HIDDEN_DUE)
            for gone in held.keys() - wanted.keys():
                connection.execute("DELETE FROM categories WHERE id = ?", (gone,))
                connection.execute(LABELLED_DUE, (gone,))
                change.bury("category", gone, encode(held[gone]).decode())
                counts.categories_removed += 1
            for one in told:
                if held.get(one.id) == one:
                    continue
                before = held.get(one.id)
                change.version("category", one.id, None if before is None else encode(before))
                counts.categories_added += before is None
                counts.categories_changed += before is not None
                body = encode(one).decode()
                connection.execute(
                    "INSERT OR REPLACE INTO categories VALUES (?, ?, ?)", (one.id, one.name, body)
                )
            note_counts(connection, sync, counts)

    def put_annotations(
        self,
        sync: int,
        counts: Counts,
        image_ids: Sequence[int],
        told: Iterable[AnnotationRecord],
    ) -> None:
        """Hold, of these images, these annotations and no others; they are due no more."""
        wanted = {one.id: one for one in told}
        with self.database.write() as connection:
            change = _Change(connection, sync, counts)
            held: dict[int, str] = {}
            for image_id in image_ids:
                asked = "SELECT id, body FROM annotations WHERE image_id = ?"
                held.update(connection.execute(asked, (image_id,)))
            change.annotations(held, wanted)
            connection.executemany(
                "UPDATE images SET annotations_due = 0, annotations_at = ?, trouble = NULL "
                "WHERE id = ?",
                [(sync, image_id) for image_id in image_ids],
            )
            counts.images_looked_into += len(image_ids)
            note_counts(connection, sync, counts)

    def trouble(self, image_id: int, words: str) -> None:
        """Remember why the annotations or the file of an image could not be fetched."""
        with self.database.write() as connection:
            connection.execute("UPDATE images SET trouble = ? WHERE id = ?", (words, image_id))

    def look_into_all(self, sync: int) -> None:
        """Make the annotations of all images due, but for those fetched since this was asked."""
        since = self.database.setting("full_since", int) or sync
        with self.database.write() as connection:
            keep(connection, "full_since", since)
            connection.execute(
                "UPDATE images SET annotations_due = 1 WHERE annotations_at < ?", (since,)
            )

    def longest_ago(self, sync: int, number: int) -> list[int]:
        """Give so many images, those first whose annotations were fetched longest ago."""
        asked = "SELECT id FROM images WHERE annotations_at < ? ORDER BY annotations_at, id LIMIT ?"
        return [row[0] for row in self.database.rows(asked, (sync, number))]

    # -- syncs --------------------------------------------------------------------------

    def begin(self, mode: str) -> int:
        """Enter a new sync, with an empty plan; gives its number."""
        with self.database.write() as connection:
            connection.execute("DELETE FROM plan")
            connection.execute("DELETE FROM syncs WHERE state = 'reading'")
            made = connection.execute(
                "INSERT INTO syncs (mode, state, started) VALUES (?, 'reading', ?)", (mode, now())
            )
        return int(made.lastrowid or 0)

    def ready(
        self,
        sync: int,
        mode: str,
        cursor: str | None,
        counts: Counts,
        certificate: Certificate | None,
    ) -> None:
        """Enter that the plan is whole, and may be carried out."""
        proof = None if certificate is None else encode(certificate).decode()
        with self.database.write() as connection:
            connection.execute(
                "UPDATE syncs SET state = 'ready', mode = ?, cursor = ?, certificate = ? "
                "WHERE id = ?",
                (mode, cursor, proof, sync),
            )
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
            connection.execute(
                "UPDATE syncs SET state = 'done', finished = ? WHERE id = ?", (now(), sync)
            )

    def stopped(self, sync: int) -> None:
        """Enter that a plan is not allowed, and drop it."""
        with self.database.write() as connection:
            connection.execute("DELETE FROM plan")
            connection.execute(
                "UPDATE syncs SET state = 'stopped', finished = ? WHERE id = ?", (now(), sync)
            )

    def unfinished(self) -> tuple[int, str, Counts] | None:
        """Give the sync whose plan is to be carried out; None where there is none."""
        asked = "SELECT id, mode, counts FROM syncs WHERE state = 'ready' ORDER BY id DESC LIMIT 1"
        for number, mode, counts in self.database.rows(asked):
            return number, mode, msgspec.json.decode(counts, type=Counts)
        return None

    def last_sync(self) -> int:
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

    def last_certificate(self) -> Certificate | None:
        """Give the certificate of the last listing that was carried out."""
        text = self.database.value(
            "SELECT certificate FROM syncs WHERE state IN ('applied', 'done') "
            "AND certificate IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        return None if text is None else msgspec.json.decode(text, type=Certificate)

    def _enter(self, sync: int, what: str) -> None:
        with self.database.write() as connection:
            connection.execute(f"UPDATE syncs SET {what} WHERE id = ?", (sync,))  # noqa: S608


class _Change:
    """Changes of one sync within one transaction."""

    def __init__(self, connection: sqlite3.Connection, sync: int, counts: Counts) -> None:
        self._connection = connection
        self._sync = sync
        self._counts = counts
        self.files: list[FileRecord] = []

    def act(self, actions: Iterable[Action]) -> None:
        """Carry out actions; one that finds what it wants is carried out already."""
        for kind, run in groupby(actions, type):
            if kind is Add:
                self._add([action.image for action in run if isinstance(action, Add)])
            else:
                for action in run:
                    self._single(action)

    def _single(self, action: Action) -> None:
        match action:
            case Change(image):
                self._change(image)
            case Remove(image_id):
                self._remove(image_id)
            case Look(image_id, annotations, file):
                self._connection.execute(
                    "UPDATE images SET annotations_due = annotations_due OR ?, "
                    "file_due = file_due OR ? WHERE id = ?",
                    (annotations, file, image_id),
                )

    def version(self, kind: str, number: int, before: bytes | None) -> None:
        """Remember what something was before this sync; what is known already stays."""
        self._connection.execute(
            "INSERT OR IGNORE INTO versions VALUES (?, ?, ?, ?)",
            (kind, number, self._sync, None if before is None else before.decode()),
        )
        self._connection.execute("DELETE FROM tombstones WHERE kind = ? AND id = ?", (kind, number))

    def bury(self, kind: str, number: int, body: str) -> None:
        """Remember something that is gone."""
        self.version(kind, number, body.encode())
        self._any_buried = True
        self._connection.execute(
            "INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?)",
            (kind, number, self._sync, body),
        )

    def annotations(self, held: dict[int, str], wanted: dict[int, AnnotationRecord]) -> None:
        """Make the annotations held, by id, the wanted ones."""
        for gone in held.keys() - wanted.keys():
            self._connection.execute("DELETE FROM annotations WHERE id = ?", (gone,))
            self.bury("annotation", gone, held[gone])
            self._counts.annotations_removed += 1
        for number, record in wanted.items():
            body, before = encode(record).decode(), held.get(number)
            if body == before:
                continue
            self.version("annotation", number, None if before is None else before.encode())
            self._counts.annotations_added += before is None
            self._counts.annotations_changed += before is not None
            self._connection.execute(
                "INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?)",
                (number, record.image_id, record.category_id, body),
            )

    def _add(self, images: Sequence[ImageRecord]) -> None:
        """Add images, many at once: the first sync of a dataset is nothing else."""
        held = {one.id for one in images if self._held(one.id)} if self._any_held else set()
        new = [one for one in images if one.id not in held]
        self._connection.executemany(
            f"INSERT INTO images ({IMAGE_COLUMNS}, annotations_due, file_due) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            [(*_columns(one), one.annotated or one.num_annotations > 0) for one in new],
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO versions VALUES ('image', ?, ?, NULL)",
            [(one.id, self._sync) for one in new],
        )
        if self._any_buried:
            self._connection.executemany(
                "DELETE FROM tombstones WHERE kind = 'image' AND id = ?", [(one.id,) for one in new]
            )
        self._counts.images_added += len(new)

    @cached_property
    def _any_held(self) -> bool:
        return self._connection.execute("SELECT 1 FROM images LIMIT 1").fetchone() is not None

    @cached_property
    def _any_buried(self) -> bool:
        return self._connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone() is not None

    def _change(self, image: ImageRecord) -> None:
        before = self._held(image.id)
        if before is None or before == image:
            return
        self.version("image", image.id, encode(before))
        labels = (before.annotated, before.num_annotations) != (
            image.annotated,
            image.num_annotations,
        )
        file = (before.path, before.width, before.height) != (image.path, image.width, image.height)
        self._connection.execute(
            "UPDATE images SET file_name = ?, path = ?, width = ?, height = ?, annotated = ?, "
            "num_annotations = ?, annotations_due = annotations_due OR ?, "
            "file_due = file_due OR ? WHERE id = ?",
            (*_columns(image)[1:], labels, file, image.id),
        )
        self._counts.images_changed += 1

    def _remove(self, image_id: int) -> None:
        before = self._held(image_id)
        if before is None:
            return
        asked = "SELECT id, body FROM annotations WHERE image_id = ?"
        self.annotations(dict(self._connection.execute(asked, (image_id,))), {})
        asked = (
            "SELECT id, place, size, sha256, etag FROM images WHERE id = ? AND place IS NOT NULL"
        )
        self.files += [FileRecord(*row) for row in self._connection.execute(asked, (image_id,))]
        self._connection.execute("DELETE FROM images WHERE id = ?", (image_id,))
        self.bury("image", image_id, encode(before).decode())
        self._counts.images_removed += 1

    def _held(self, image_id: int) -> ImageRecord | None:
        asked = f"SELECT {IMAGE_COLUMNS} FROM images WHERE id = ?"  # noqa: S608
        row = self._connection.execute(asked, (image_id,)).fetchone()
        return None if row is None else image_of(row)


def image_of(row: Sequence[Any]) -> ImageRecord:
    """Give the record of a row of `IMAGE_COLUMNS`."""
    number, file_name, path, width, height, annotated, num_annotations = row
    return ImageRecord(number, file_name, path, width, height, bool(annotated), num_annotations)


def now() -> int:
    """Give the moment, in milliseconds since 1970."""
    return int(time.time() * 1000)


def _columns(image: ImageRecord) -> tuple[Any, ...]:
    return (
        image.id,
        image.file_name,
        image.path,
        image.width,
        image.height,
        image.annotated,
        image.num_annotations,
    )


def note_counts(connection: sqlite3.Connection, sync: int, counts: Counts) -> None:
    """Write the counts of the sync under way, within a transaction."""
    connection.execute("UPDATE syncs SET counts = ? WHERE id = ?", (encode(counts).decode(), sync))
