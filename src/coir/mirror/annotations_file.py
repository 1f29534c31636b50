"""``annotations.json`` in the folder of a mirror: written when it is not what it would be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from coir.errors import CoirError
from coir.files import opened_whole
from coir.mirror.database import Database, keep
from coir.mirror.instant import Instant
from coir.version import __version__

__all__ = ["AnnotationsFile", "opened"]

KEY = "annotations_file"


@contextmanager
def opened(out: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Give the file to write into: one that appears when it is whole, or the one that is open.

    Raises:
        CoirError: it cannot be written.

    """
    if not isinstance(out, (str, os.PathLike)):
        yield out
        return
    try:
        with opened_whole(Path(out)) as file:
            yield file
    except OSError as error:
        raise CoirError(f"{out} could not be written: {error.strerror or error}.") from error


class AnnotationsFile:
    """The COCO file of a mirror.

    What it was made of is remembered: the number of what changed and the last sync in which
    something did, where each file is, and the size and moment of the file itself.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "annotations.json"

    def write(self, database: Database, export: Callable[[str, Path], Any]) -> bool:
        """Write it, unless it is there as it would be; gives whether it was written."""
        with Instant(self._home) as instant:
            made_of = _state(instant)
        if database.setting(KEY) == [*made_of, *self._file()]:
            return False
        export("coco", self._path)
        with database.write() as connection:
            keep(connection, KEY, [*made_of, *self._file()])
        return True

    def _file(self) -> list[int]:
        try:
            found = self._path.stat()
        except OSError:
            return []
        return [found.st_size, found.st_mtime_ns]


def _state(instant: Instant) -> list[Any]:
    """What the file is made of, as far as it can change."""
    known = next(instant.rows("SELECT count(*), max(sync) FROM versions"))
    places = hashlib.sha256()
    for row in instant.rows("SELECT id, place FROM images ORDER BY id"):
        places.update(repr(row).encode())
    due = instant.value("SELECT count(*) FROM images")
    return [__version__, *known, due, places.hexdigest()]
