"""Settles where files lie: which image has which place, and moves those that have another.

Of images that want the same place the one with the smallest id has it, and the others' are
numbered. Files that swap their places, or move to where another just left, are first all taken
out (to ``.coir/moving/ID``), then their rows are written, and then they are put in: whatever a
kill leaves, a file that lies there belongs where its row says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    chosen: dict[int, str] = field(default_factory=dict)
    _reserved: dict[str, int] = field(default_factory=dict)
    _folders: dict[str, int] = field(default_factory=dict)
    _leaving: set[int] = field(default_factory=set)

    def moves(self) -> list[tuple[Due, str]]:
        """Give the images whose files have another place than they should, with that place."""
        if not self.holdings.any():
            return []
        waiting = {one.image_id: one for one in self.holdings.unsettled()}
        for one in list(waiting.values()):
            owner = self.holdings.owner(key(self._wanted(one)))
            if owner is not None and owner > one.image_id and owner not in waiting:
                found = self.holdings.one(owner)
                if found is not None:
                    waiting[owner] = found
        self._leaving = {image_id for image_id, one in waiting.items() if one.file is not None}
        chosen = [(one, self.choose(one)) for _, one in sorted(waiting.items())]
        return [(one, to) for one, to in chosen if one.file is not None and one.file.place != to]

    def moved(self) -> None:
        """The rows of what was moved are written."""
        self._leaving.clear()

    def choose(self, image: Due) -> str:
        """Give the place of an image."""
        if image.image_id in self.chosen:
            return self.chosen[image.image_id]
        place = self._wanted(image)
        while (taken := self._taken(place, image.image_id)) is not None:
            place = numbered(taken, image.image_id) + place[len(taken) :]
        self._reserved[key(place)] = image.image_id
        for folder in folders(place):
            self._folders.setdefault(key(folder), image.image_id)
        self.chosen[image.image_id] = place
        return place

    def stored(self, image_id: int) -> None:
        """The row of an image says now where its file is."""
        place = self.chosen.pop(image_id, None)
        if place is not None:
            self._reserved.pop(key(place), None)

    def _wanted(self, image: Due) -> str:
        place = local_place(image.path, self.directory)
        return as_jpeg(place) if self.jpegs else place

    def _taken(self, place: str, image_id: int) -> str | None:
        """Give what of a place another image has: the whole, or a folder that is its file."""
        for folder in folders(place):
            if self._has_file(key(folder), image_id):
                return folder
        wanted = key(place)
        in_the_way = self._has_file(wanted, image_id) or self._is_folder(wanted, image_id)
        return place if in_the_way else None

    def _has_file(self, wanted: str, image_id: int) -> bool:
        if self._reserved.get(wanted, image_id) != image_id:
            return True
        owner = self.holdings.owner(wanted)
        return owner not in (None, image_id) and owner not in self._leaving

    def _is_folder(self, wanted: str, image_id: int) -> bool:
        if self._folders.get(wanted, image_id) != image_id:
            return True
        return any(
            one != image_id and one not in self._leaving for one in self.holdings.below(wanted)
        )


@dataclass
class Settling:
    """Moves the files of a mirror to their places."""

    tree: Tree
    holdings: Holdings
    trash: Trash
    sync: int

    def finish(self) -> None:
        """Put in what was taken out by a sync that was killed."""
        with local_files():
            for entry in list(self.tree.names(MOVING)):
                image = self.holdings.one(int(entry.name)) if entry.name.isdecimal() else None
                if image is None or image.file is None:
                    self.trash.stray(self.sync, f"{MOVING}/{entry.name}")
                else:
                    self._put_in(image.image_id, image.file.place)

    def carry_out(self, moves: list[tuple[Due, str]]) -> None:
        """Move files.

        Raises:
            CoirError: the disk refuses it; the next sync goes on.

        """
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

    def clear(self, place: str) -> None:
        """Put into the trash what is in the way of a file, and is no image's."""
        while (blocked := self.tree.obstacle(f"{IMAGES}/{place}")) is not None:
            if blocked in (IMAGES, ".coir"):
                self.tree.made(f"{IMAGES}/{place}")  # which says what is wrong
            self.trash.stray(self.sync, blocked)
        if self.tree.is_taken(f"{IMAGES}/{place}"):
            self.trash.stray(self.sync, f"{IMAGES}/{place}")

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
