"""What the database of a mirror says of files: whose they are, where they lie, which are due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from coir.mirror.counts import Counts
from coir.mirror.database import keep
from coir.mirror.place import key
from coir.mirror.record import FileRecord
from coir.mirror.settings import FILES_KEPT
from coir.mirror.store import Store
from coir.mirror.transaction import note_counts

__all__ = ["Due", "Holdings"]

# Rows read at a time; so many places are chosen before the files of those images are asked for,
# which takes a sixth of a second.
PAGE = 2_000
# For which way of keeping files those that are held were fetched.
KEPT = "images_kept"
COLUMNS = "id, path, file_name, place, size, sha256, etag"
FILE = "id, place, size, sha256, etag"


@dataclass(frozen=True, slots=True)
class Due:
    """An image whose file is to be fetched or asked after; ``file`` is what is held of it."""

    image_id: int
    path: str
    file: FileRecord | None


class Holdings:
    """The files of a mirror, as its database knows them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.database = store.database

    @property
    def kept(self) -> str | None:
        """How the files that are held were asked for; None where there are none yet."""
        kept: str | None = self.database.setting(KEPT, str)
        return kept

    def keep(self, images: str) -> None:
        """Set how files are asked for from now on: what kept others from coming is past."""
        before = self.kept
        with self.database.write() as connection:
            keep(connection, KEPT, images)
            if before is not None:
                connection.execute(
                    "UPDATE images SET file_trouble = NULL WHERE file_trouble IS NOT NULL"
                )

    def unsettled(self) -> Iterator[list[Due]]:
        """Give those whose place may have to be another: that are due, or were numbered.

        They come some at a time, ascending by id, each time as they are by then.
        """
        # Each half by an index of its own; an OR would read them all.
        asked = (
            f"SELECT {COLUMNS} FROM images WHERE file_due AND id > ? UNION "  # noqa: S608
            f"SELECT {COLUMNS} FROM images WHERE instr(place, '~' || id) AND id > ? "
            "ORDER BY id LIMIT ?"
        )
        after = 0
        while page := list(map(_due, self.database.rows(asked, (after, after, PAGE)))):
            yield page
            after = page[-1].image_id

    def due(self, first: int, last: int) -> list[Due]:
        """Give the images whose files are due, from one to another, ascending by id."""
        asked = f"SELECT {COLUMNS} FROM images WHERE file_due AND id BETWEEN ? AND ? ORDER BY id"  # noqa: S608
        return list(map(_due, self.database.rows(asked, (first, last))))

    def one(self, image_id: int) -> Due | None:
        """Give an image; None where it is not held."""
        asked = f"SELECT {COLUMNS} FROM images WHERE id = ?"  # noqa: S608
        return next(map(_due, self.database.rows(asked, (image_id,))), None)

    def files(self, after: int = 0) -> list[FileRecord]:
        """Give the next files that are held, of images above one."""
        asked = f"SELECT {FILE} FROM images WHERE place IS NOT NULL AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
        return [FileRecord(*row) for row in self.database.rows(asked, (after, PAGE))]

    def owner(self, place_key: str) -> int | None:
        """Give the image whose file has a place."""
        found: int | None = self.database.value(
            "SELECT id FROM images WHERE place_key = ?", (place_key,)
        )
        return found

    def below(self, folder_key: str) -> Iterator[int]:
        """Give the images whose files lie in a folder."""
        # "0" is the sign after "/".
        asked = "SELECT id FROM images WHERE place_key > ? AND place_key < ?"
        for (image_id,) in self.database.rows(asked, (f"{folder_key}/", f"{folder_key}0")):
            yield image_id

    # -- writing ------------------------------------------------------------------------

    def put(self, sync: int, counts: Counts, files: Iterable[FileRecord], *, due: bool) -> None:
        """Hold these files; with ``due`` they are to be asked after."""
        with self.database.write() as connection:
            connection.executemany(
                "UPDATE images SET file_due = ?, place = ?, place_key = ?, size = ?, sha256 = ?, "
                "etag = ?, file_trouble = NULL WHERE id = ?",
                [
                    (due, one.place, key(one.place), one.size, one.sha256, one.etag, one.image_id)
                    for one in files
                ],
            )
            note_counts(connection, sync, counts)

    def place(self, places: Sequence[tuple[int, str]]) -> None:
        """Give files other places, also those of each other."""
        with self.database.write() as connection:
            connection.executemany(
                "UPDATE images SET place_key = NULL WHERE id = ?", [(one,) for one, _ in places]
            )
            connection.executemany(
                "UPDATE images SET place = ?, place_key = ? WHERE id = ?",
                [(place, key(place), image_id) for image_id, place in places],
            )

    def forget(self, image_ids: Sequence[int]) -> None:
        """Hold the files of these images no more; they are due, where files are kept."""
        with self.database.write() as connection:
            connection.executemany(
                f"UPDATE images SET file_due = {FILES_KEPT}, place = NULL, place_key = NULL, "  # noqa: S608
                "size = NULL, sha256 = NULL, etag = NULL WHERE id = ?",
                [(one,) for one in image_ids],
            )


def _due(row: tuple[int, str | None, str, str | None, int, str, str | None]) -> Due:
    image_id, path, file_name, place, size, sha256, etag = row
    file = None if place is None else FileRecord(image_id, place, size, sha256, etag)
    return Due(image_id, path or file_name, file)
