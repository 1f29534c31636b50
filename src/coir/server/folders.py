"""The files of datasets: nothing outside a dataset's directory can be listed, read or written.

The wire knows logical paths, ``/datasets/NAME/sub/x.jpg``; where they lie on disk is decided
here and never told. A path is taken apart into segments and every segment is checked; then the
real path, with all symbolic links resolved, must still lie in the dataset's real directory.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

LOGICAL_ROOT = "/datasets/"
# The limit of a name on the file systems in use.
MAX_NAME_BYTES = 255
_COPY_BYTES = 1024 * 1024
# Where the original keeps a dataset's exports; a scan passes over it.
EXPORTS = ".exports"
_HIDDEN = ".coir-"
# A small folder is always read again: what people see is what is there.
SLOW_SECONDS = 0.005
KEPT_SECONDS = 1.0
# Directories of datasets that were removed for good, by id, until somebody empties it. No dataset
# can have this name: it begins with a dot.
REMOVED = ".removed"


class OutsideError(ValueError):
    """A path that does not stay inside its dataset, or a name that cannot be one."""


def checked_name(name: str) -> str:
    """``name`` if it can name one file or folder: no separators, dots alone or control characters.

    Raises `OutsideError`.
    """
    control = any(character < " " or character == "\x7f" for character in name)
    if name in ("", ".", "..") or "/" in name or "\\" in name or control:
        raise OutsideError(f"{name!r} cannot be the name of a file or folder.")
    try:
        too_long = len(name.encode()) > MAX_NAME_BYTES
    except UnicodeEncodeError:
        raise OutsideError("A name must be valid Unicode.") from None
    if too_long:
        raise OutsideError("A name must be shorter than 256 bytes.")
    return name


def logical_directory(dataset_name: str) -> str:
    """The directory of a dataset as the wire shows it, ending in a slash."""
    return f"{LOGICAL_ROOT}{dataset_name}/"


def segments(folder: str) -> list[str]:
    """The checked segments of a relative path; one slash at either end does not matter."""
    trimmed = folder.removeprefix("/").removesuffix("/")
    return [checked_name(segment) for segment in trimmed.split("/")] if trimmed else []


class Folders:
    """The directories of the datasets below one root."""

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

    def remove(self, logical: str) -> None:
        """Remove a file by its name; of a link the link. A file that is not there is no mistake.

        Raises `OutsideError`.
        """
        name, *relative = segments(logical.removeprefix(LOGICAL_ROOT))
        folder = self._inside(name, self._base(name).joinpath(*relative[:-1]))
        with suppress(FileNotFoundError):
            (folder / relative[-1]).unlink()

    def retire(self, dataset_name: str, dataset_id: int) -> None:
        """Move a dataset's directory to where no dataset can be: a new one begins empty."""
        place = self._root / REMOVED
        place.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            self._base(dataset_name).rename(place / f"{dataset_id}")

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
            for file in self.directory(dataset_name, [EXPORTS]).glob(f"{_HIDDEN}*"):
                file.unlink()

    def _base(self, dataset_name: str) -> Path:
        return self._root / checked_name(dataset_name)

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


class Incoming:
    """A file on its way in: written under a hidden name, then given its own, never replacing one.

    The hidden name starts with a dot in the same directory: a scan does not see it, and giving
    the name is one atomic step.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._target = directory / name
        self._kept = False
        self._hidden = directory / f"{_HIDDEN}{secrets.token_hex(8)}"

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


def is_scanned_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a scan enters this folder: no link, no leading dot, a name in Unicode."""
    # The kind first: most entries are files, and it costs no system call.
    return (
        entry.is_dir(follow_symlinks=False)
        and not entry.name.startswith(".")
        and is_unicode(entry.name)
    )


def is_unicode(name: str) -> bool:
    """Whether the bytes of a name on disk are UTF-8 (others arrive as lone surrogates)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
