"""Files on their way into the mirror: under other names until they are whole.

What is being written lies in ``.coir/arriving``. Before a whole file takes its place a line in
``.coir/arriving/list`` says which it is and where it goes: a kill before its row is written leaves
a file that the next sync knows again, by its number on the disk, and does not fetch again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import count
from typing import BinaryIO

import msgspec

from coir.client.failure import local_files
from coir.mirror.lines import append, lines
from coir.mirror.record import FileRecord
from coir.mirror.trash import IMAGES
from coir.mirror.tree import Tree

__all__ = ["Arrival", "Arrivals", "Arriving"]

FOLDER = ".coir/arriving"
LIST = f"{FOLDER}/list"


class Arrival(msgspec.Struct, frozen=True):
    """A whole file: what it is, where it lies, and its number and time on the disk."""

    file: FileRecord
    at: str
    inode: int
    modified_ns: int

    def is_at(self, tree: Tree, place: str) -> bool:
        """Whether it is this very file that lies at a place."""
        found = tree.file(place)
        return found is not None and (found.st_ino, found.st_size, found.st_mtime_ns) == (
            self.inode,
            self.file.size,
            self.modified_ns,
        )


class Arriving:
    """A file that is being written; size and hash are known when it is whole.

    What takes the pieces is opened with the first of them, so that an answer without any
    costs nothing.
    """

    def __init__(self, tree: Tree, at: str) -> None:
        self.at = at
        self.size = 0
        self._tree = tree
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None

    def seek(self, offset: int, /) -> int:
        """Go to the beginning, which is the only place that is ever asked for."""
        return self._opened.seek(offset)

    def truncate(self) -> int:
        """Begin anew."""
        self.size, self._hash = 0, hashlib.sha256()
        return self._opened.truncate()

    def write(self, piece: bytes, /) -> int:
        """Take a piece."""
        self._hash.update(piece)
        self.size += len(piece)
        return self._opened.write(piece)

    def whole(self, image_id: int, place: str, etag: str | None) -> Arrival:
        """Let it outlast a power failure, and say what it is."""
        with local_files():
            self._opened.flush()
            os.fsync(self._opened.fileno())
            found = os.fstat(self._opened.fileno())
        file = FileRecord(image_id, place, self.size, self._hash.hexdigest(), etag)
        return Arrival(file, self.at, found.st_ino, found.st_mtime_ns)

    def close(self) -> None:
        """Close it."""
        if self._file is not None:
            with suppress(OSError):  # of a full disk, which was told already
                self._file.close()

    def drop(self) -> None:
        """Remove it."""
        if self._file is not None:
            self._tree.at(self.at).unlink(missing_ok=True)

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._tree.create(self.at)
        return self._file


class Arrivals:
    """The files on their way into one mirror."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._numbers = count(1)
        self._list: FileIO | None = None

    @contextmanager
    def begun(self) -> Iterator[Arriving]:
        """Give a new file; it is removed when the block does not end well."""
        arriving = Arriving(self.tree, f"{FOLDER}/{next(self._numbers)}")
        try:
            yield arriving
        except BaseException:
            arriving.close()
            arriving.drop()
            raise
        arriving.close()

    def settle(self, arrival: Arrival) -> None:
        """Let a file take its place, where nothing is; its row has to follow."""
        with local_files():
            if self._list is None:
                self._list = self.tree.append(LIST)
            append(self._list, arrival)
            self.tree.move(arrival.at, f"{IMAGES}/{arrival.file.place}")

    def stored(self) -> None:
        """The rows of all that took their places are written."""
        if self._list is not None:
            with local_files():
                self._list.truncate(0)

    def left(self) -> list[Arrival]:
        """Give the files that took their places, or were about to, before a sync was killed."""
        with local_files():
            if self.tree.file(LIST) is None:
                return []
            with self.tree.open(LIST) as file:
                return list(lines(file, Arrival))

    def sweep(self, *, listed: bool = True) -> None:
        """Remove whatever is under way: nobody waits for it.

        Without ``listed`` the next sync still learns which whole files have no row yet.
        """
        if self._list is not None:
            self._list.close()
            self._list = None
        with local_files():
            for entry in list(self.tree.names(FOLDER)):
                kept = not listed and entry.name == LIST.rpartition("/")[2]
                if not (kept or entry.is_dir(follow_symlinks=False)):
                    os.unlink(entry.path)  # noqa: PTH108 - an entry is no Path
