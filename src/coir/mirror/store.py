"""What a mirror holds, and how it changes: rows, with what they were before.

Each method that writes is one transaction, or part of one; the counts of the sync under way are
written with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from coir.mirror.counts import Counts
from coir.mirror.database import Database, keep
from coir.mirror.first_list import Step
from coir.mirror.plan import Action, Adds
from coir.mirror.record import (
    IMAGE_COLUMNS,
    AnnotationRecord,
    CategoryRecord,
    FileRecord,
    ImageRecord,
    image_of,
)
from coir.mirror.syncs import Syncs
from coir.mirror.transaction import Transaction, note_counts

__all__ = ["Store"]

# Actions in one transaction: enough that the disk's flush does not count, few enough that a kill
# takes back less than a second's work.
BATCH = 2_000
# Rows read at a time: what is written in between is not seen through an open query.
PAGE = 5_000
LARGEST = 2**63 - 1

# A category that is gone takes its annotations along, and no row of an image shows that; one that
# comes brings back what the images' own counts say is missing here.
LABELLED_DUE = (
    "UPDATE images SET annotations_due = 1 "
    "WHERE id IN (SELECT image_id FROM annotations WHERE category_id = ?)"
)
HIDDEN_DUE = (
    "UPDATE images SET annotations_due = 1 WHERE num_annotations > "
    "(SELECT count(*) FROM annotations WHERE annotations.image_id = images.id) "
    "AND annotations_at < ?"  # what this sync fetched has it already
)
# Of those that programs posted the images' own counts say nothing: what was held says it.
BURIED_DUE = (
    "UPDATE images SET annotations_due = 1 WHERE id IN (SELECT json_extract(body, '$.image_id') "
    "FROM tombstones WHERE kind = 'annotation' "
    "AND json_extract(body, '$.category_id') IN (SELECT value FROM json_each(?)))"
)

# From each category to the next one, by the index: of a million annotations DISTINCT reads all.
USED_CATEGORIES = """
    WITH RECURSIVE used (id) AS (
        SELECT min(category_id) FROM annotations
        UNION ALL
        SELECT (SELECT min(category_id) FROM annotations WHERE category_id > used.id)
        FROM used WHERE used.id IS NOT NULL
    )
    SELECT id FROM used WHERE id IS NOT NULL
"""

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
        self.syncs = Syncs(database)
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

    def newest_annotation(self) -> int:
        """Give the largest id of an annotation; 0 where none is held."""
        return int(self.database.value("SELECT max(id) FROM annotations") or 0)

    def annotation_ids(self, start: int, stop: int) -> set[int]:
        """Give the ids of the annotations in a stretch."""
        asked = "SELECT id FROM annotations WHERE id >= ? AND id < ?"
        return {row[0] for row in self.database.rows(asked, (start, stop))}

    def annotations_in(self, start: int, stop: int) -> int:
        """Count the annotations in a stretch of ids."""
        asked = "SELECT count(*) FROM annotations WHERE id >= ? AND id < ?"
        return int(self.database.value(asked, (start, stop)))

    def used_categories(self) -> set[int]:
        """Give the ids of the categories that annotations have."""
        return {row[0] for row in self.database.rows(USED_CATEGORIES)}

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
        while batch := list(islice(waiting, BATCH)):
            with self.database.write() as connection:
                # In one statement, as in `transaction`.
                asked = "INSERT INTO plan (action) SELECT value FROM json_each(?)"
                connection.execute(asked, (encode(batch).decode(),))

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

    def act(self, sync: int, counts: Counts, actions: Iterable[Step]) -> None:
        """Carry out actions as they come, without a plan: where there is nothing to lose."""
        for batch in _batches(actions):
            with self.database.write() as connection:
                self._act(connection, sync, counts, batch)

    def _act(
        self,
        connection: sqlite3.Connection,
        sync: int,
        counts: Counts,
        batch: Sequence[Step],
    ) -> None:
        change = Transaction(connection, sync, counts)
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
            change = Transaction(connection, sync, counts)
            if wanted.keys() - held.keys():
                connection.execute(HIDDEN_DUE, (sync,))
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
        asked_for = set(image_ids)
        # An answer for a stretch of ids has those of images, too, that the mirror does not hold.
        wanted = {one.id: one for one in told if one.image_id in asked_for}
        with self.database.write() as connection:
            change = Transaction(connection, sync, counts)
            held: dict[int, str] = {}
            for image_id in image_ids:
                asked = "SELECT id, body FROM annotations WHERE image_id = ?"
                held.update(connection.execute(asked, (image_id,)))
            change.annotations(held, wanted)
            connection.executemany(
                "UPDATE images SET annotations_due = 0, annotations_at = ?, "
                "annotations_trouble = NULL WHERE id = ?",
                [(sync, image_id) for image_id in image_ids],
            )
            counts.images_looked_into += len(image_ids)
            note_counts(connection, sync, counts)

    def trouble(self, what: str, image_id: int, words: str) -> None:
        """Remember why the annotations, or the file, of an image could not be fetched: it is due.

        ``what`` is ``annotations`` or ``file``, as in `due`.
        """
        with self.database.write() as connection:
            connection.execute(
                f"UPDATE images SET {what}_trouble = ?, {what}_due = 1 WHERE id = ?",  # noqa: S608
                (words, image_id),
            )

    def look_into_all(self, sync: int) -> None:
        """Make the annotations of all images due, but for those fetched since this was asked.

        What syncs that were interrupted have fetched counts for a day.
        """
        since = self.syncs.of_a_day(self.database.setting("full_since", int) or sync, sync)
        with self.database.write() as connection:
            keep(connection, "full_since", since)
            connection.execute(
                "UPDATE images SET annotations_due = 1 WHERE annotations_at < ?", (since,)
            )

    def longest_ago(self, sync: int, number: int = LARGEST) -> list[int]:
        """Give so many images, those first whose annotations were fetched longest ago.

        Those that a sync, or one after it, has fetched are not among them.
        """
        asked = "SELECT id FROM images WHERE annotations_at < ? ORDER BY annotations_at, id LIMIT ?"
        return [row[0] for row in self.database.rows(asked, (sync, number))]


def _batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Give steps in lists; all of one list change some `BATCH` rows."""
    batch: list[Step] = []
    rows = 0
    for step in steps:
        batch.append(step)
        rows += len(step.rows) if isinstance(step, Adds) else 1
        if rows >= BATCH:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
