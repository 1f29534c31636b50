"""Where the files of datasets are kept: the one interface through which the server reaches them.

`directories.Directories` keeps them in directories below one root. Another implementation, for
object storage, answers the same calls: it walks by listing keys, and gives a file from a local copy
that it keeps. Files are named by logical paths, ``/datasets/NAME/sub/x.jpg``, or by the segments
below a dataset. What is not inside its dataset raises `folders.OutsideError`, what is not there
FileNotFoundError, and what cannot be reached another OSError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells, without reading a file, that it is as it was: bytes, and when it was written."""

    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is named as a picture; ``name`` is its path below the dataset."""

    name: str
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Passed:
    """What a walk passed over: a file, or a folder (then the name ends in a slash), and why.

    Where it is ``unknown`` whether files are there, none of them can be said to be gone.
    """

    name: str
    reason: str
    unknown: bool = False


class Incoming(Protocol):
    """A file on its way in: nobody sees it until it is kept."""

    def write(self, content: BinaryIO) -> None:
        """Copy the content and see it stored."""

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces as they come, and see them stored."""

    def stamp(self) -> Stamp:
        """The stamp of what was written, which it keeps."""

    def keep(self) -> None:
        """Give the file its name. Raises FileExistsError when the name is taken."""

    def keep_again(self) -> None:
        """Give the file a name that is its own, also when a killed attempt gave it before."""

    def undo(self) -> None:
        """Take the name back, if it was given."""

    def discard(self) -> None:
        """Leave nothing of it, unless it was kept."""


class Storage(Protocol):
    """The files of all datasets."""

    def create(self, dataset_name: str) -> None:
        """Make a place for a dataset's files; those that are there are kept."""

    def retire(self, dataset_name: str, dataset_id: int) -> None:
        """Put a dataset's files aside: a new one of its name begins empty."""

    def reinstate(self, dataset_name: str, dataset_id: int) -> None:
        """Bring back what was put aside by a removal that did not come to its end."""

    def subdirectories(self, dataset_name: str, relative: list[str]) -> list[str]:
        """The names of the folders in a folder that a walk would enter, sorted."""

    def walk(self, dataset_name: str) -> Iterator[Found | Passed]:
        """The files that are named as pictures, folder by folder, sorted within each."""

    def file(self, logical: str) -> Path:
        """A file of this machine that has the content, to be sent."""

    def open(self, logical: str) -> BinaryIO:
        """The content, to be read in any order; only of a regular file."""

    def exists(self, logical: str) -> bool:
        """Whether a walk could find the file; also when it cannot be told."""

    def reserve(self, dataset_name: str, relative: list[str]) -> Incoming:
        """A place for a new file, in a folder that is made when it is not there."""

    def remove(self, logical: str) -> None:
        """Remove a file. One that is not there is no mistake."""

    def hide(self, logical: str, key: int) -> None:
        """Put a file aside under a key: no walk finds it. One that is not there is no mistake."""

    def unhide(self, logical: str, key: int) -> None:
        """Give a file that was put aside its name again, unless another one has it.

        Nothing was put aside where a path leads out of its dataset: that is no mistake here.
        """

    def remove_hidden(self, logical: str, key: int) -> None:
        """Remove a file that was put aside. One that is not there is no mistake."""

    def sweep_exports(self, dataset_name: str) -> None:
        """Remove what exports that were killed left half-written. Only while none is written."""
