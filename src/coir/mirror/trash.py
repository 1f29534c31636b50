"""Where files go that are not wanted any more, until they are emptied: a folder for each sync.

``.coir/trash/SYNC/images/…`` has the files at the places that they had; ``.coir/trash/SYNC/index``
says, a line each, whose they were, so that an image that comes back takes its file from there.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec

from coir.client.failure import local_files
from coir.mirror.lines import append, lines
from coir.mirror.record import FileRecord
from coir.mirror.tree import Tree

__all__ = ["IMAGES", "Emptied", "Trash", "Trashed"]

IMAGES = "images"
BIN = ".coir/trash"


class Trashed(msgspec.Struct, frozen=True):
    """A file in the trash: what it was, and where it lies now, below the mirror's folder."""

    file: FileRecord
    at: str


@dataclass(frozen=True, slots=True)
class Emptied:
    """How many files were removed for good, and how many bytes that freed."""

    files: int
    bytes: int


class Trash:
    """The trash of a mirror, by the folder of the mirror."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._known: dict[int, list[Trashed]] | None = None

    def take(self, sync: int, files: Sequence[FileRecord]) -> None:
        """Put files there; those that are gone already are passed over.

        Raises:
            CoirError: a file cannot be moved.

        """
        with local_files():
            found = [one for one in files if self.tree.file(f"{IMAGES}/{one.place}") is not None]
            for one in found:
                trashed = Trashed(one, self._free(sync, one.place))
                # Said first: of what says nothing nobody would know whose it was.
                self._note(sync, trashed)
                self.tree.move(f"{IMAGES}/{one.place}", trashed.at)
            for one in found:
                self.tree.prune(f"{IMAGES}/{one.place}", IMAGES)

    def stray(self, sync: int, place: str) -> None:
        """Put there whatever lies at a place and is in the way: a file, a folder or a link."""
        with local_files():
            self.tree.move(place, self._free(sync, place.removeprefix(f"{IMAGES}/")))

    def of(self, image_id: int) -> list[Trashed]:
        """Give the files that the image had, the newest first."""
        if self._known is None:
            self._known = self._read()
        return self._known.get(image_id, [])

    def folders(self) -> list[str]:
        """Give the names of its folders: the syncs that put things there."""
        with local_files():
            return [entry.name for entry in self.tree.names(BIN)]

    def empty(self, folders: Container[str] | None = None) -> Emptied:
        """Remove what is there for good; all of it, or some folders.

        Raises:
            CoirError: it cannot be removed.

        """
        files = freed = 0
        with local_files():
            for entry in list(self.tree.names(BIN)):
                if folders is not None and entry.name not in folders:
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    Path(entry.path).unlink()
                    continue
                sizes = list(_sizes(entry.path))
                shutil.rmtree(entry.path)
                files, freed = files + len(sizes), freed + sum(sizes)
        self._known = None
        return Emptied(files, freed)

    def _free(self, sync: int, place: str) -> str:
        """Give a place in the folder of a sync; each of several versions has its own."""
        for number in count(1):
            folder = IMAGES if number == 1 else f"{IMAGES}~{number}"
            free = f"{BIN}/{sync}/{folder}/{place}"
            # Below the trash's own folders only: what blocks those is an error to be told.
            if not self._is_blocked(f"{BIN}/{sync}/{folder}", place) and not self.tree.is_taken(
                free
            ):
                return free
        raise AssertionError

    def _is_blocked(self, folder: str, place: str) -> bool:
        blocked = self.tree.obstacle(f"{folder}/{place}")
        return blocked is not None and blocked.startswith(f"{folder}/")

    def _note(self, sync: int, trashed: Trashed) -> None:
        with self.tree.append(f"{BIN}/{sync}/index") as index:
            append(index, trashed)
        if self._known is not None:
            self._known[trashed.file.image_id].insert(0, trashed)

    def _read(self) -> dict[int, list[Trashed]]:
        known: dict[int, list[Trashed]] = defaultdict(list)
        with local_files():
            syncs = sorted(int(one.name) for one in self.tree.names(BIN) if one.name.isdecimal())
            for sync in syncs:
                index = f"{BIN}/{sync}/index"
                if self.tree.file(index) is None:
                    continue
                with self.tree.open(index) as file:
                    for trashed in lines(file, Trashed):
                        known[trashed.file.image_id].insert(0, trashed)
        return known


def _sizes(folder: str) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            found = (Path(place) / name).lstat()
            if stat.S_ISREG(found.st_mode) and not (place == folder and name == "index"):
                yield found.st_size
