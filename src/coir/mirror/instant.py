"""What a mirror holds at one instant, whatever a sync does meanwhile.

It has a connection of its own, which cannot write, and which any thread may read through.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from coir.client.closing import Closing
from coir.errors import InvalidRequest
from coir.mirror.database import connected, translated
from coir.mirror.place import local_place
from coir.mirror.record import CategoryRecord
from coir.mirror.settings import Settings

__all__ = ["ImageRow", "Instant"]

IMAGES = (
    "SELECT id, file_name, path, width, height, annotated, num_annotations, place, size, sha256 "
    "FROM images ORDER BY id"
)
ANNOTATIONS = "SELECT image_id, body FROM annotations ORDER BY image_id, id"


class ImageRow(NamedTuple):
    """An image, with its file: ``place`` below the folder of images, None where it is not here."""

    id: int
    file_name: str
    path: str | None
    width: int | None
    height: int | None
    annotated: bool
    num_annotations: int
    place: str | None
    size: int | None
    sha256: str | None

    def where(self, directory: str) -> str:
        """Give where its file is below the folder of images, or would be."""
        return self.place or local_place(self.path or self.file_name, directory)


class Instant(Closing):
    """A mirror at one instant; a context manager that closes itself.

    Args:
        home: the folder of the mirror.

    Raises:
        InvalidRequest: nothing was synced yet.
        CoirError: the database cannot be read.

    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._path = home / "coir.db"
        with translated(self._path):
            self._connection, self._frozen = connected(
                self._path,
                mode="?mode=ro",
                check_same_thread=False,  # SQLite itself lets one thread in after the other
            )
        self._connection.execute("BEGIN")
        # The first reading makes the instant.
        text = self.value("SELECT value FROM mirror WHERE key = 'settings'")
        if text is None:
            self.close()
            raise InvalidRequest(
                f"The mirror in {home} is empty.", hint="Sync it: coir sync DATASET DIR"
            )
        self.settings = msgspec.json.decode(text, type=Settings)
        rows = self.rows("SELECT body FROM categories ORDER BY id")
        self.categories = [msgspec.json.decode(body, type=CategoryRecord) for (body,) in rows]

    def rows(self, sql: str, parameters: Any = ()) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a query, as they are read."""
        with translated(self._path):
            yield from self._connection.execute(sql, parameters)
        if self._frozen is not None:
            self._frozen.check()

    def value(self, sql: str) -> Any:
        """Give the first value of the first row; None where there is none."""
        return next(self.rows(sql), (None,))[0]

    def images(self) -> Iterator[ImageRow]:
        """Give the images, ascending by id."""
        return map(ImageRow._make, self.rows(IMAGES))

    def annotations(self) -> Iterator[tuple[int, str]]:
        """Give the annotations as the id of their image and their text, by image and by id."""
        return self.rows(ANNOTATIONS)

    def close(self) -> None:
        """Let the instant go."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self
