"""Fetches one file, unless the server says that it is one that is here; threads may share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore

from coir.client.failure import local_files
from coir.client.operations import Images
from coir.client.transport import Transport
from coir.errors import ConnectionFailed
from coir.mirror.arrivals import Arrival, Arrivals
from coir.mirror.holdings import Due
from coir.mirror.record import FileRecord
from coir.mirror.trash import IMAGES, Trashed
from coir.mirror.tree import Tree, hash_of

__all__ = ["Ask", "Fetched", "Fetching", "is_whole"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A file to be fetched, unless the server says that it is one of those there are already."""

    image: Due
    place: str
    trashed: Sequence[Trashed] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of it: a file that came over, or the one that it is already."""

    arrival: Arrival | None = None
    kept: FileRecord | None = None
    back: Trashed | None = None


@dataclass
class Fetching:
    """Fetches files of one server; threads may share it.

    Args:
        images: what reaches the server.
        tree: the mirror's folder.
        arrivals: where files are written.
        size: the width and height into which pictures are made to fit; nothing for the bytes
            that the server has.
        conditional: whether the server gives a picture only if it has another ETag.
        concurrency: requests under way at the same time, at most.

    """

    images: Images[Transport]
    tree: Tree
    arrivals: Arrivals
    size: dict[str, int]
    conditional: bool = False
    concurrency: int = 4
    _turn: BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turn = BoundedSemaphore(self.concurrency)

    def one(self, ask: Ask) -> Fetched:
        """Fetch a file, unless it is there."""
        there = self._there(ask)
        image_id = ask.image.image_id
        if there is not None and not self.conditional:
            with self._turn:
                etag = self.images.etag(image_id)
            if etag == _file(there).etag:
                return _same(there)
            there = None
        known = None if there is None else _file(there).etag
        with local_files(), self.arrivals.begun() as arriving:
            with self._turn:
                told = self.images.receive(
                    image_id, arriving, known=known, original=not self.size, **self.size
                )
            if told is None and there is not None:
                return _same(there)
            if told is None or told.length not in (None, arriving.size):
                raise ConnectionFailed(
                    f"The file of image {image_id} was cut on its way.",
                    hint="Run it again; if it stays, look at proxies on the way.",
                )
            arrival = arriving.whole(image_id, ask.place, told.etag)
        return Fetched(arrival)

    def _there(self, ask: Ask) -> FileRecord | Trashed | None:
        """Give a file that may be the one that the server has: whole, and with an ETag."""
        held = ask.image.file
        if held is not None and is_whole(self.tree, held, f"{IMAGES}/{held.place}"):
            return held if held.etag is not None else None
        for trashed in ask.trashed:
            if trashed.file.etag is not None and is_whole(self.tree, trashed.file, trashed.at):
                return trashed
        return None


def is_whole(tree: Tree, file: FileRecord, place: str) -> bool:
    """Whether a file lies at a place as it came: with its size and its hash."""
    found = tree.file(place)
    if found is None or found.st_size != file.size:
        return False
    with local_files(), tree.open(place) as content:
        return hash_of(content) == file.sha256


def _file(there: FileRecord | Trashed) -> FileRecord:
    return there if isinstance(there, FileRecord) else there.file


def _same(there: FileRecord | Trashed) -> Fetched:
    if isinstance(there, FileRecord):
        return Fetched(kept=there)
    return Fetched(back=there)
