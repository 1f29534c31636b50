"""Datasets in directories below one root: nothing outside a dataset can be listed, read or written.

The real path, with all symbolic links resolved, must lie in the dataset's real directory.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from coir.server.folders import (
    EXPORTS,
    HIDDEN,
    LOGICAL_ROOT,
    OutsideError,
    checked_name,
    segments,
)
from coir.server.storage import Found, Passed, Stamp
from coir.server.walk import is_scanned_folder, walk

_COPY_BYTES = 1024 * 1024
# A small folder is always read again: what people see is what is there.
SLOW_SECONDS = 0.005
KEPT_SECONDS = 1.0
# Directories of datasets that were removed for good, by id, until somebody empties it. No dataset
# can have this name: it begins with a dot.
REMOVED = ".removed"
# Nothing waits for a pipe that somebody put there, and no link is followed once the real path is
# known. Windows has neither.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


class Directories:
    """The directories of the datasets below one root; a `Storage`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._slow: dict[Path, tuple[float, list[str]]] = {}

    def create(self, dataset_name: str) -> None:
        """Make a dataset's directory; one that is there (with images to scan) is kept."""
        path = self._root / checked_name(dataset_name)
        path.mkdir(parents=True, exist_ok=True)
        self._inside(dataset_name, path)

    def directory(self, dataset_name: str, relative: list[str] | None = None) -> Path:
        """The real directory of a dataset, or of a folder inside it.

        Raises `OutsideError`, or FileNotFoundError when it is not there.
        """
        path = self._inside(dataset_name, self._base(dataset_name).joinpath(*(relative or [])))
        if not path.is_dir():
            raise FileNotFoundError(path)
        return path

    def file(self, logical: str) -> Path:
        """The real file of a logical path. Raises as `directory` does."""
        name, *relative = segments(logical.removeprefix(LOGICAL_ROOT))
        path = self._inside(name, self._base(name).joinpath(*relative))
        if not path.is_file():
            raise FileNotFoundError(path)
        return path

    def open(self, logical: str) -> BinaryIO:
        """The content of a regular file. Raises as `file` does."""
        path = self.file(logical)
        handle = os.open(path, _READING)
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # since the look at it
            os.close(handle)
            raise FileNotFoundError(path)
        return os.fdopen(handle, "rb")

    def exists(self, logical: str) -> bool:
        """Whether there is such a file; also when it cannot be told."""
        try:
            self.file(logical)
        except (OutsideError, FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def walk(self, dataset_name: str) -> Iterator[Found | Passed]:
        """The files that are named as pictures. Raises as `directory` does, before the first."""
        return walk(self.directory(dataset_name))

    def remove(self, logical: str) -> None:
        """Remove a file by its name; of a link the link. A file that is not there is no mistake.

        Raises `OutsideError`.
        """
        with suppress(FileNotFoundError):
            self._named(logical).unlink()

    def hide(self, logical: str, key: int) -> None:
        """Rename a file to a hidden name in its folder; of a link the link."""
        place = self._named(logical)
        with suppress(FileNotFoundError):
            place.rename(_hidden(place, key))

    def unhide(self, logical: str, key: int) -> None:
        """Rename it back, unless the name is taken. Where a path leads out, nothing was hidden."""
        with suppress(FileNotFoundError, OutsideError):
            place = self._named(logical)
            if not os.path.lexists(place):
                _hidden(place, key).rename(place)

    def remove_hidden(self, logical: str, key: int) -> None:
        """Remove a file by its hidden name."""
        with suppress(FileNotFoundError):
            _hidden(self._named(logical), key).unlink()

    def retire(self, dataset_name: str, dataset_id: int) -> None:
        """Move a dataset's directory to where no dataset can be: a new one begins empty."""
        place = self._root / REMOVED
        place.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            self._base(dataset_name).rename(place / f"{dataset_id}")

    def reinstate(self, dataset_name: str, dataset_id: int) -> None:
        """Move it back, unless the name is taken."""
        place = self._base(dataset_name)
        with suppress(FileNotFoundError):
            if not os.path.lexists(place):
                (self._root / REMOVED / f"{dataset_id}").rename(place)

    def subdirectories(self, dataset_name: str, relative: list[str]) -> list[str]:
        """The names of the folders in a folder that a scan would enter, sorted.

        Every page of a dataset shows them. A folder that takes long to read (100,000 files: 60 ms)
        is read once a second at most.
        """
        directory = self.directory(dataset_name, relative)
        started = time.monotonic()
        until, names = self._slow.get(directory, (0.0, []))
        if started < until:
            return names
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if is_scanned_folder(entry))
        if time.monotonic() - started > SLOW_SECONDS:
            self._slow[directory] = (time.monotonic() + KEPT_SECONDS, names)
        return names

    def reserve(self, dataset_name: str, relative: list[str]) -> Incoming:
        """A place for a new file in a folder that is made when it is not there."""
        *folder, name = relative
        base = self._base(dataset_name)
        directory = self._inside(dataset_name, base)
        for segment in folder:  # one by one: a link must be noticed before it is followed
            directory = self._inside(dataset_name, directory / segment)
            if not directory.is_dir():
                directory.mkdir(exist_ok=True)
                self._slow.clear()  # of this process's own folders the next page must know
        return Incoming(directory, name)

    def sweep_exports(self, dataset_name: str) -> None:
        """Remove what exports that were killed left half-written. Only while none is written."""
        with suppress(FileNotFoundError):
            for file in self.directory(dataset_name, [EXPORTS]).glob(f"{HIDDEN}*"):
                file.unlink()

    def _base(self, dataset_name: str) -> Path:
        return self._root / checked_name(dataset_name)

    def _named(self, logical: str) -> Path:
        """The place of a file: its folder's real path, and its own name, which may be a link's."""
        name, *relative = segments(logical.removeprefix(LOGICAL_ROOT))
        return self._inside(name, self._base(name).joinpath(*relative[:-1])) / relative[-1]

    def _inside(self, dataset_name: str, path: Path) -> Path:
        """The real path, if it lies in the dataset's directory, which itself is no link."""
        base = self._root.resolve() / dataset_name
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL
            raise OutsideError("The path cannot be followed.") from None
        if real != base and base not in real.parents:
            raise OutsideError("The path leads out of the dataset.")
        return real


def _hidden(place: Path, key: int) -> Path:
    return place.with_name(f"{HIDDEN}removed-{key}")


class Incoming:
    """A file on its way in: written under a hidden name, then given its own, never replacing one.

    The hidden name starts with a dot in the same directory: a scan does not see it, and giving
    the name is one atomic step.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._target = directory / name
        self._kept = False
        self._hidden = directory / f"{HIDDEN}{secrets.token_hex(8)}"

    @property
    def place(self) -> Path:
        """Where it lies before it has its name."""
        return self._hidden

    def write(self, content: BinaryIO) -> None:
        """Copy the content and see it on disk."""
        self.write_pieces(iter(lambda: content.read(_COPY_BYTES), b""))

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces as they come, and see them on disk."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._hidden, flags, 0o644), "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def stamp(self) -> Stamp:
        """The stamp of what was written; the name that it gets does not change it."""
        found = self._hidden.stat()
        return Stamp(found.st_size, found.st_mtime_ns)

    def keep(self) -> None:
        """Give the file its name. Raises FileExistsError when the name is taken."""
        os.link(self._hidden, self._target)
        self._kept = True

    def keep_again(self) -> None:
        """Give the file a name that is its own, also when a killed attempt gave it before."""
        self._hidden.replace(self._target)
        self._kept = True

    def undo(self) -> None:
        """Take the name back, if it was given."""
        if self._kept:
            self._target.unlink()

    def discard(self) -> None:
        """Remove the hidden name; nothing is left unless the file was kept."""
        with suppress(FileNotFoundError):
            self._hidden.unlink()
