"""Which files are sent, and under which names: a rule that can be said in two sentences.

A file that is named goes under its own name. Of a folder go the pictures below it, with the
paths they have in that folder; what is hidden, and links to folders, are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coir.client.local_file import PathLike
from coir.errors import InvalidRequest

__all__ = ["Choice", "Chosen", "choice"]

# What COCO-Annotator takes for pictures when it looks through a folder.
PICTURES = frozenset({".gif", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True, order=True)
class Chosen:
    """A file, and its place in the dataset: folders and file name, with ``/`` between them."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Choice:
    """The files to send, by name, and how many in their folders were passed over."""

    files: tuple[Chosen, ...]
    passed_over: int


def choice(paths: Iterable[PathLike], into: str = "") -> Choice:
    """Choose the files that are meant by ``paths``; ``into`` is a folder of the dataset.

    Raises:
        InvalidRequest: a path is not there, there is nothing to send, or two files would
            have the same place.

    """
    below = PurePosixPath(into.strip("/"))
    found: dict[str, Chosen] = {}
    passed_over = 0
    for given in map(Path, paths):
        for name, path in _below(given) if given.is_dir() else _alone(given):
            if name is None:
                passed_over += 1
                continue
            one = Chosen(str(below / name), path)
            before = found.setdefault(one.name, one)
            if before.path.resolve() != path.resolve():
                raise InvalidRequest(
                    f"{before.path} and {path} would both become {one.name}.",
                    hint="Give the folder above them, or upload them into two folders.",
                )
    if not found:
        raise InvalidRequest(
            "There is nothing to upload.",
            hint=f"Of a folder, files ending in {', '.join(sorted(PICTURES))} are sent.",
        )
    return Choice(tuple(sorted(found.values())), passed_over)


def _alone(path: Path) -> Iterator[tuple[str | None, Path]]:
    if not path.is_file():
        what = "is no file" if path.exists() else "is not there"
        raise InvalidRequest(f"{path} {what}.", hint="Nothing was sent.")
    yield path.name, path


def _below(folder: Path) -> Iterator[tuple[str | None, Path]]:
    """Give the pictures below a folder with their names, and the other files with None."""

    def unreadable(error: OSError) -> None:
        raise InvalidRequest(
            f"{error.filename} cannot be read: {error.strerror}.", hint="Nothing was sent."
        ) from error

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            wanted = not file.startswith(".") and path.suffix.lower() in PICTURES
            yield path.relative_to(folder).as_posix() if wanted else None, path
