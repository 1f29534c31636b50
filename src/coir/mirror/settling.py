"""Settles where files lie: which image has which place, and moves those that have another.

Of images that want the same place, or one as a file and others as a folder, the one with the
smallest id has it, and the others' are numbered. They are taken ascending by id, some at a time:
whoever is in the way and has a larger id moves, and is looked at again when it is its turn.

Files that swap their places, or move to where another just left, are first all taken out (to
``.coir/moving/ID``), then their rows are written, and then they are put in: whatever a kill leaves,
a file that lies there belongs where its row says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from coir.client.failure import local_files
from coir.mirror.holdings import Due, Holdings
from coir.mirror.place import as_jpeg, folders, key, local_place, numbered
from coir.mirror.trash import IMAGES, Trash
from coir.mirror.tree import Tree

__all__ = ["Places", "Settling"]

MOVING = ".coir/moving"


@dataclass
class Places:
    """Chooses places; each that was chosen is reserved until its row is written.

    Args:
        holdings: what has places already.
        directory: the dataset's, as the server names it.
        jpegs: whether the files are JPEGs that were made of the pictures.

    """

    holdings: Holdings
    directory: str
    jpegs: bool = False
    _chosen: dict[int, str] = field(default_factory=dict)
    _reserved: dict[str, int] = field(default_factory=dict)
    _folders: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _waiting: dict[int, Due] = field(default_factory=dict)

    def moves(self, images: Iterable[Due]) -> list[tuple[Due, str]]:
        """Choose the places of images, and give whose files have to move, and where to.

        All with smaller ids have theirs. Files of larger ids that are in the way move, too.
        """
        self._waiting = {one.image_id: one for one in images}
        queue, moves = sorted(self._waiting), []
        while queue:
            image = self._waiting[heappop(queue)]
            place, others = self._choice(image)
            self._reserve(image.image_id, place)
            for other in filter(None, map(self.holdings.one, others)):
                self._waiting[other.image_id] = other
                heappush(queue, other.image_id)
            if image.file is not None and image.file.place != place:
                moves.append((image, place))
        return moves

    def moved(self) -> None:
        """The rows of what was moved are written: they say now where each file is."""
        for image in self._waiting.values():
            if image.file is not None:
                self.stored(image.image_id)
        self._waiting.clear()

    def of(self, image: Due) -> str:
        """Give the place of an image, once it is chosen."""
        return self._chosen[image.image_id] if image.file is None else image.file.place

    def stored(self, image_id: int) -> None:
        """The row of an image says now where its file is."""
        place = self._chosen.pop(image_id, None)
        if place is None:
            return
        del self._reserved[key(place)]
        for folder in map(key, folders(place)):
            self._folders[folder].remove(image_id)
            if not self._folders[folder]:
                del self._folders[folder]

    def _wanted(self, image: Due) -> str:
        place = local_place(image.path, self.directory)
        return as_jpeg(place) if self.jpegs else place

    def _choice(self, image: Due) -> tuple[str, set[int]]:
        """Give the place of an image, and those with larger ids that are in its way."""
        place = self._wanted(image)
        while True:
            others = set()
            for part, other in self._in_the_way(place):
                if other < image.image_id:
                    place = numbered(part, image.image_id) + place[len(part) :]
                    break
                others.add(other)
            else:
                return place, others

    def _reserve(self, image_id: int, place: str) -> None:
        self._chosen[image_id] = place
        self._reserved[key(place)] = image_id
        for folder in map(key, folders(place)):
            self._folders[folder].add(image_id)

    def _in_the_way(self, place: str) -> Iterator[tuple[str, int]]:
        """Give what of a place others have: a folder that is their file, or the whole."""
        for part in [*folders(place), place]:
            owner = self._owner(key(part))
            if owner is not None:
                yield part, owner
        for other in self._below(key(place)):
            yield place, other

    def _owner(self, wanted: str) -> int | None:
        """Give who has a place, or will have it."""
        if wanted in self._reserved:
            return self._reserved[wanted]
        owner = self.holdings.owner(wanted)
        return None if owner in self._waiting else owner

    def _below(self, wanted: str) -> Iterator[int]:
        """Give whose files lie, or will lie, in a folder."""
        yield from self._folders.get(wanted, ())
        for other in self.holdings.below(wanted):
            if other not in self._waiting:
                yield other


@dataclass
class Settling:
    """Moves the files of a mirror to their places."""

    tree: Tree
    holdings: Holdings
    trash: Trash
    places: Places
    sync: int

    def due(self) -> Iterator[tuple[Due, str]]:
        """Give the images whose files are due, ascending by id, and where each is to lie.

        Before an image comes, all files with smaller ids, and its own, are at their places, and
        nobody else's is at this one.

        Raises:
            CoirError: the disk refuses it; the next sync goes on.

        """
        for page in self.holdings.unsettled():
            self._move(self.places.moves(page))
            self.places.moved()
            for image in self.holdings.due(page[0].image_id, page[-1].image_id):
                yield image, self.places.of(image)

    def finish(self) -> None:
        """Put in what was taken out by a sync that was killed."""
        with local_files():
            for entry in list(self.tree.names(MOVING)):
                image = self.holdings.one(int(entry.name)) if entry.name.isdecimal() else None
                if image is None or image.file is None:
                    self.trash.stray(self.sync, f"{MOVING}/{entry.name}")
                else:
                    self._put_in(image.image_id, image.file.place)

    def clear(self, place: str) -> None:
        """Put into the trash what is in the way of a file, and is no image's."""
        while (blocked := self.tree.obstacle(f"{IMAGES}/{place}")) is not None:
            if blocked in (IMAGES, ".coir"):
                self.tree.made(f"{IMAGES}/{place}")  # which says what is wrong
            self.trash.stray(self.sync, blocked)
        if self.tree.is_taken(f"{IMAGES}/{place}"):
            self.trash.stray(self.sync, f"{IMAGES}/{place}")

    def _move(self, moves: list[tuple[Due, str]]) -> None:
        if not moves:
            return
        with local_files():
            for image, _ in moves:
                if image.file is not None:
                    self._take_out(image.image_id, image.file.place)
            self.holdings.place([(image.image_id, place) for image, place in moves])
            for image, place in moves:
                self._put_in(image.image_id, place)
            for folder in {place.rpartition("/")[0] for _, place in moves}:
                where = f"{IMAGES}/{folder}".rstrip("/")
                if self.tree.is_taken(where):  # of a file that was lost there is no folder
                    self.tree.sync_folder(where)

    def _take_out(self, image_id: int, place: str) -> None:
        source = f"{IMAGES}/{place}"
        if self.tree.file(source) is not None:
            self.tree.move(source, f"{MOVING}/{image_id}")
            self.tree.prune(source, IMAGES)

    def _put_in(self, image_id: int, place: str) -> None:
        source = f"{MOVING}/{image_id}"
        if self.tree.file(source) is not None:
            self.clear(place)
            self.tree.move(source, f"{IMAGES}/{place}")
