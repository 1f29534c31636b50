"""The folder of a mirror on the disk: the only way to its files, which leads nowhere else.

Places have ``/`` between folders. A link in the place of a folder is never followed: whoever put
it there would have the server's files written elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, cast

from coir.errors import CoirError
from coir.mirror.place import folders

__all__ = ["Tree", "hash_of"]

PIECE = 1024 * 1024
# Where a system has no such flag, the check before the opening has to do.
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Tree:
    """A folder; what lies below it is named by places."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, place: str) -> Path:
        """Give the path of a place.

        Raises:
            CoirError: it is none below this folder.

        """
        if any(one in ("", ".", "..") or "\\" in one for one in place.split("/")):
            raise CoirError(f"{place!r} is no place in {self.root}.")
        return self.root / place

    def obstacle(self, place: str) -> str | None:
        """Give what lies where a folder of this place has to be, and is none; None for nothing."""
        for folder in folders(place):
            try:
                mode = os.lstat(self.at(folder)).st_mode
            except FileNotFoundError:
                return None
            if not stat.S_ISDIR(mode):
                return folder
        return None

    def made(self, place: str) -> Path:
        """Give the path of a place, with the folders on the way to it.

        Raises:
            CoirError: something else is in the place of one of them.

        """
        path = self._safe(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def own(self, place: str) -> Path:
        """Give the path of a file that is written in place, with the folders on the way to it.

        Raises:
            CoirError: a link is there, or something else in the place of a folder.

        """
        path = self.made(place)
        if path.is_symlink():
            raise CoirError(
                f"{path} is a link, and is not followed.",
                hint="Move it away; the mirror writes nothing outside of its folder.",
            )
        return path

    def append(self, place: str) -> FileIO:
        """Open a file for writing at its end, without a buffer; it is made where there is none.

        Raises:
            OSError, CoirError: it is a link, or cannot be written.

        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_LINK
        return FileIO(os.open(self.own(place), flags, 0o666), "ab")

    def file(self, place: str) -> os.stat_result | None:
        """Give what is known of the file at a place; None where there is no ordinary file."""
        if self.obstacle(place) is not None:
            return None
        try:
            found = os.lstat(self.at(place))
        except FileNotFoundError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def is_taken(self, place: str) -> bool:
        """Whether anything lies at a place: a file, a folder or a link."""
        return self.obstacle(place) is None and os.path.lexists(self.at(place))

    def open(self, place: str) -> BinaryIO:
        """Open the file at a place for reading.

        Raises:
            OSError, CoirError: it is not there, or a link.

        """
        return os.fdopen(os.open(self._safe(place), os.O_RDONLY | NO_LINK), "rb")

    def create(self, place: str) -> BinaryIO:
        """Open a new file for writing.

        Raises:
            OSError, CoirError: something is there already, or it cannot be written.

        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK
        return os.fdopen(os.open(self.made(place), flags, 0o666), "w+b")

    def move(self, source: str, target: str) -> None:
        """Move what is at a place to another, where nothing is."""
        self._safe(source).rename(self.made(target))

    def names(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """Give what is in a folder; nothing where there is none."""
        self._safe(f"{folder}/x")
        try:
            with os.scandir(self.at(folder)) as entries:
                yield from entries
        except FileNotFoundError:
            return

    def prune(self, place: str, keep: str) -> None:
        """Remove the folders that a file has left empty, up to, and without, ``keep``."""
        for folder in reversed(folders(place)):
            if folder == keep or not folder.startswith(f"{keep}/"):
                return
            try:
                self.at(folder).rmdir()
            except OSError:
                return  # it is not empty, or gone already

    def sync_folder(self, folder: str) -> None:
        """Let the names in a folder outlast a power failure, where the system can."""
        if os.name != "posix":
            return
        handle = os.open(self.at(folder), os.O_RDONLY | NO_LINK)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _safe(self, place: str) -> Path:
        path = self.at(place)
        blocked = self.obstacle(place)
        if blocked is not None:
            raise CoirError(
                f"{self.root / blocked} is no folder, and what is below it cannot be reached.",
                hint="Move it away; a link to a folder elsewhere is not followed.",
            )
        return path


def hash_of(file: BinaryIO) -> str:
    """Give the SHA-256 of an open file's content."""
    return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()
