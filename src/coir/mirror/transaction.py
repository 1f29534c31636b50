"""What one sync changes within one transaction: rows, with what they were before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, groupby

import msgspec

from coir.mirror.counts import Counts
from coir.mirror.first_list import Step, Turned, turn
from coir.mirror.plan import Add, Adds, Change, Look, Remove
from coir.mirror.record import (
    IMAGE_COLUMNS,
    AnnotationRecord,
    FileRecord,
    ImageRecord,
    image_columns,
    image_of,
)
from coir.mirror.settings import FILES_KEPT
from coir.model import Image

__all__ = ["Transaction", "note_counts"]

encode = msgspec.json.encode

# What a row of `images` says of its addition, where `changes` is to have it.
ADDED = (
    "INSERT OR IGNORE INTO changes "
    "SELECT 'image', id, added, NULL FROM images WHERE id = ? AND added IS NOT NULL"
)

# Many rows in one statement: Python's driver lets other threads run before each row of several,
# and the thread that writes then waits for those that decode what comes from the server.
ROWS = 500
# How many values a row has, and where behind the sync the first one says whether it is annotated.
WIDTH = IMAGE_COLUMNS.count(",") + 1
ANNOTATED = 1 + IMAGE_COLUMNS.split(", ").index("annotated")


@cache
def _added(number: int) -> str:
    """Give the statement that adds so many images; the sync comes before their columns."""
    columns = [f"column{one}" for one in range(1, WIDTH + 1)]
    annotated, num_annotations = columns[-2:]
    rows = ", ".join([f"({', '.join('?' * WIDTH)})"] * number)
    return (
        f"INSERT INTO images ({IMAGE_COLUMNS}, annotations_due, file_due, added) "  # noqa: S608
        f"SELECT {', '.join(columns)}, {annotated} OR {num_annotations} > 0, {FILES_KEPT}, ? "
        f"FROM (VALUES {rows})"
    )


class Transaction:
    """Changes of one sync within one transaction."""

    def __init__(self, connection: sqlite3.Connection, sync: int, counts: Counts) -> None:
        self._connection = connection
        self._sync = sync
        self._counts = counts
        self.files: list[FileRecord] = []

    def act(self, actions: Iterable[Step]) -> None:
        """Carry out actions; one that finds what it wants is carried out already."""
        for kind, run in groupby(actions, type):
            if kind is Add:
                self._add([action.image for action in run if isinstance(action, Add)])
            else:
                for action in run:
                    self._single(action)

    def _single(self, action: Step) -> None:
        match action:
            case Adds(rows):
                self._add(rows)
            case Change(image):
                self._change(image)
            case Remove(image_id):
                self._remove(image_id)
            case Turned(page):
                turn(self._connection, page)
            case Look(image_id, annotations, file):
                self._connection.execute(
                    "UPDATE images SET annotations_due = annotations_due OR ?, "  # noqa: S608
                    f"file_due = file_due OR (? AND {FILES_KEPT}) WHERE id = ?",
                    (annotations, file, image_id),
                )

    def version(self, kind: str, number: int, before: bytes | None) -> None:
        """Remember what something was before this sync; what is known already stays."""
        if kind == "image":
            self._connection.execute(ADDED, (number,))
            self._connection.execute("UPDATE images SET added = NULL WHERE id = ?", (number,))
        self._connection.execute(
            "INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?)",
            (kind, number, self._sync, None if before is None else before.decode()),
        )
        self._connection.execute("DELETE FROM tombstones WHERE kind = ? AND id = ?", (kind, number))

    def bury(self, kind: str, number: int, body: str) -> None:
        """Remember something that is gone."""
        self.version(kind, number, body.encode())
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

    def _add(self, images: Sequence[ImageRecord] | Sequence[Image]) -> None:
        """Add images, many at once: the first sync of a dataset is nothing else."""
        ids = [one.id for one in images]
        asked = "SELECT id FROM images WHERE id BETWEEN ? AND ?"
        held = {row[0] for row in self._connection.execute(asked, (min(ids), max(ids)))}
        new = [one for one in images if one.id not in held]
        for start in range(0, len(new), ROWS):
            part = new[start : start + ROWS]
            values = [self._sync, *chain.from_iterable(map(image_columns, part))]
            # Python's driver looks for a way to adapt a truth, for longer than its row takes.
            values[ANNOTATED::WIDTH] = map(int, values[ANNOTATED::WIDTH])
            self._connection.execute(_added(len(part)), values)
        # One that comes back may have gone within this sync.
        asked = "SELECT id FROM tombstones WHERE kind = 'image' AND id BETWEEN ? AND ?"
        buried = {row[0] for row in self._connection.execute(asked, (min(ids), max(ids)))}
        for image_id in buried.intersection(ids):
            self.version("image", image_id, None)
            # It may have annotations that its row does not show.
            due = "UPDATE images SET annotations_due = 1 WHERE id = ?"
            self._connection.execute(due, (image_id,))
        self._counts.images_added += len(new)

    def _change(self, image: ImageRecord) -> None:
        before = self._held(image.id)
        if before is None or before == image:
            return
        self.version("image", image.id, encode(before))
        file = (before.path, before.width, before.height) != (image.path, image.width, image.height)
        self._connection.execute(
            "UPDATE images SET file_name = ?, path = ?, width = ?, height = ?, annotated = ?, "  # noqa: S608
            "num_annotations = ?, annotations_due = 1, "
            f"file_due = file_due OR (? AND {FILES_KEPT}) WHERE id = ?",
            (*image_columns(image)[1:], file, image.id),
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
        # One that came and went within this sync leaves no trace.
        if self._added_by(image_id) != self._sync:
            self.bury("image", image_id, encode(before).decode())
        self._connection.execute("DELETE FROM images WHERE id = ?", (image_id,))
        self._counts.images_removed += 1

    def _added_by(self, image_id: int) -> int | None:
        asked = "SELECT added FROM images WHERE id = ?"
        found: int | None = self._connection.execute(asked, (image_id,)).fetchone()[0]
        return found

    def _held(self, image_id: int) -> ImageRecord | None:
        asked = f"SELECT {IMAGE_COLUMNS} FROM images WHERE id = ?"  # noqa: S608
        row = self._connection.execute(asked, (image_id,)).fetchone()
        return None if row is None else image_of(row)


def note_counts(connection: sqlite3.Connection, sync: int, counts: Counts) -> None:
    """Write the counts of the sync under way, within a transaction."""
    connection.execute("UPDATE syncs SET counts = ? WHERE id = ?", (encode(counts).decode(), sync))
