"""Fetches the files of images that are due, and puts away those that are not wanted any more."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coir.client.crew import each
from coir.client.operations import Images
from coir.client.transport import Transport
from coir.errors import InvalidRequest
from coir.mirror.counts import Counts
from coir.mirror.place import key, local_place, numbered
from coir.mirror.store import Store

__all__ = ["Files"]

BATCH = 100
SECONDS = 1.0

Watch = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched."""

    image_id: int
    place: str
    size: int
    sha256: str


@dataclass
class Files:
    """Fetches files for one sync.

    Args:
        images: what reaches the server.
        home: the folder that the places are below.
        directory: the dataset's own, as the server names it.
        size: the width and height into which pictures are made to fit; None for the bytes that
            the server has.

    """

    images: Images[Transport]
    store: Store
    home: Path
    directory: str
    sync: int
    counts: Counts
    size: tuple[int, int] | None = None
    concurrency: int = 4
    watch: Watch | None = None

    def due(self) -> None:
        """Fetch those of all images that are due."""
        total, done, last = self.store.number_due("file"), 0, time.monotonic()
        waiting: list[Fetched] = []
        for end in each(self._one, self._places(), self.concurrency):
            done += 1
            self.counts.requests += 1
            if isinstance(end.error, InvalidRequest):
                self.counts.files_failed += 1
                self.store.trouble(end.item[0], end.error.message)
                continue
            waiting.append(end.result)
            if self.watch is not None:
                self.watch("files", done, total)
            if len(waiting) >= BATCH or time.monotonic() - last > SECONDS:
                self._store(waiting)
                waiting, last = [], time.monotonic()
        self._store(waiting)

    def _places(self) -> Iterator[tuple[int, str]]:
        after = 0
        while ids := self.store.due("file", after):
            for image_id in ids:
                image = self.store.image(image_id)
                if image is not None:
                    place = local_place(image.path or image.file_name, self.directory, image_id)
                    yield image_id, self._free(place, image_id)
            after = ids[-1]

    def _free(self, place: str, image_id: int) -> str:
        asked = "SELECT id FROM images WHERE place_key = ?"
        owner = self.store.database.value(asked, (key(place),))
        return place if owner in (None, image_id) else numbered(place, image_id)

    def _one(self, ask: tuple[int, str]) -> Fetched:
        image_id, place = ask
        target = self.home / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.size is None:
            self.images.download(image_id, target)
        else:
            width, height = self.size
            self.images.download(image_id, target, original=False, width=width, height=height)
        content = target.read_bytes()
        return Fetched(image_id, place, len(content), hashlib.sha256(content).hexdigest())

    def _store(self, fetched: Sequence[Fetched]) -> None:
        if not fetched:
            return
        self.counts.files_fetched += len(fetched)
        self.counts.bytes_fetched += sum(one.size for one in fetched)
        with self.store.database.write() as connection:
            connection.executemany(
                "UPDATE images SET file_due = 0, place = ?, place_key = ?, size = ?, sha256 = ?, "
                "trouble = NULL WHERE id = ?",
                [
                    (one.place, key(one.place), one.size, one.sha256, one.image_id)
                    for one in fetched
                ],
            )
