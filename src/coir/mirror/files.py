"""Fetches the files of images that are due, and puts away those that are not wanted any more.

A file that is held, or lies in the trash, is asked after by its ETag; what has to be fetched is
written elsewhere and takes its place when it is whole (`arrivals.py`); then come the rows, those of
about a second in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from coir.client.crew import each
from coir.client.failure import local_files
from coir.client.operations import Images
from coir.client.transport import Transport
from coir.errors import (
    CoirError,
    ConnectionFailed,
    InvalidRequest,
    ServerFailed,
    UnexpectedAnswer,
)
from coir.mirror.arrivals import Arrival, Arrivals
from coir.mirror.counts import Counts
from coir.mirror.fetching import Ask, Fetched, Fetching, is_whole
from coir.mirror.holdings import Holdings
from coir.mirror.options import box
from coir.mirror.record import FileRecord
from coir.mirror.report import Watch
from coir.mirror.settling import Places, Settling
from coir.mirror.store import Store
from coir.mirror.trash import IMAGES, Trash, Trashed
from coir.mirror.tree import Tree

__all__ = ["Files"]

# Files whose rows are written together, and the longest that they wait for it.
BATCH = 500
# Threads for each request that may be under way: the others wait for the disk, which takes longer
# to let a file outlast a power failure than the server takes to send it (measured: 14 ms of 50).
FLUSHING = 3
SECONDS = 1.0
# After so many files in a row that did not come over nothing else is tried: the server is away.
IN_VAIN = 3


@dataclass
class Files:
    """Fetches files for one sync.

    Args:
        images: what reaches the server.
        tree: the mirror's folder.
        directory: the dataset's own, as the server names it.
        kept: which files are kept, as ``Options.images`` says it.
        conditional: whether the server gives a picture only if it has another ETag.
        is_gone: finds out whether an image was deleted meanwhile.

    """

    images: Images[Transport]
    store: Store
    tree: Tree
    directory: str
    sync: int
    counts: Counts
    kept: str = "original"
    conditional: bool = False
    concurrency: int = 4
    watch: Watch | None = None
    is_gone: Callable[[int], bool] = lambda _: False
    _waiting: list[FileRecord] = field(default_factory=list, init=False)
    _in_vain: list[CoirError] = field(default_factory=list, init=False)
    _fatal: CoirError | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.holdings = Holdings(self.store)
        self.trash = Trash(self.tree)
        self.arrivals = Arrivals(self.tree)
        self.places = Places(self.holdings, self.directory, jpegs=self.kept != "original")
        self.settling = Settling(self.tree, self.holdings, self.trash, self.places, self.sync)
        self.fetching = Fetching(
            self.images,
            self.tree,
            self.arrivals,
            box(self.kept),
            self.conditional,
            self.concurrency,
        )

    def due(self) -> None:
        """Fetch those of all images that are due, after what an earlier sync left is put right.

        Raises:
            CoirError: the disk or the server refuses it; what was stored stays.

        """
        self.settling.finish()
        self._recover()
        before = self.holdings.kept
        if before != self.kept:
            if before is not None:
                self._put_away()
            self.holdings.keep(self.kept)
        if self.kept == "none":
            return
        try:
            self._fetch()
        except BaseException:
            self.arrivals.sweep(listed=False)
            raise
        self.arrivals.sweep()

    # -- before -------------------------------------------------------------------------

    def _recover(self) -> None:
        """Know again the files that took their places, or were whole, when a sync was killed."""
        found = []
        for arrival in self.arrivals.left():
            file = arrival.file
            image = self.holdings.one(file.image_id)
            if image is None and arrival.is_at(self.tree, f"{IMAGES}/{file.place}"):
                self.trash.take(self.sync, [file])  # its image went before its row knew of it
            if image is None or (image.file is not None and image.file.place != file.place):
                continue
            if arrival.is_at(self.tree, arrival.at):
                self.settling.clear(file.place)
                self.tree.move(arrival.at, f"{IMAGES}/{file.place}")
            elif not arrival.is_at(self.tree, f"{IMAGES}/{file.place}"):
                continue
            found.append(file)
        if found:
            self.holdings.put(self.sync, self.counts, found, due=True)
        self.arrivals.sweep()

    def _put_away(self) -> None:
        """Put the files into the trash: they were kept in another way."""
        while files := self.holdings.files():
            self.trash.take(self.sync, files)
            self.holdings.forget([one.image_id for one in files])

    # -- fetching -----------------------------------------------------------------------

    def _fetch(self) -> None:
        total, last = self.store.number_due("file"), time.monotonic()
        came = 0
        work = each(self.fetching.one, self._asks(), FLUSHING * self.concurrency)
        for done, end in enumerate(work, 1):
            if end.error is not None:
                self._failed(end.item, end.error)
            else:
                self._in_vain.clear()
                self._settle(end.item, end.result)
                came += 1
            if self.watch is not None:
                self.watch("files", done, total)
            if len(self._waiting) >= BATCH or time.monotonic() - last > SECONDS:
                self._store()
                last = time.monotonic()
        self._store()
        if self._fatal is None and self._in_vain and not came:
            self._fatal = self._in_vain[0]
        if self._fatal is not None:
            raise self._fatal

    def _asks(self) -> Iterator[Ask]:
        for image, place in self.settling.due():
            if self._fatal is not None:
                return  # what is under way comes to its end
            yield Ask(image, place, self.trash.of(image.image_id))

    def _failed(self, ask: Ask, error: CoirError) -> None:
        """Tell what keeps one file from coming; or end, where it keeps all of them."""
        broken = isinstance(error, ServerFailed) and error.is_of_one
        away = isinstance(error, ConnectionFailed | UnexpectedAnswer)
        if not (broken or away or isinstance(error, InvalidRequest)):
            self._fatal = self._fatal or error
            return
        if away:
            self._in_vain.append(error)
            if len(self._in_vain) >= IN_VAIN:
                self._fatal = self._fatal or self._in_vain[0]
        if away or not self.is_gone(ask.image.image_id):
            self.counts.files_failed += 1
            self.store.trouble("file", ask.image.image_id, error.message)

    # -- afterwards ---------------------------------------------------------------------

    def _settle(self, ask: Ask, fetched: Fetched) -> None:
        """Let a file take its place; its row follows with those of others."""
        if fetched.kept is not None:
            self.counts.files_kept += 1
            self._waiting.append(fetched.kept)
            return
        with local_files():
            if fetched.back is not None:
                self._take_back(ask, fetched.back)
            elif fetched.arrival is not None:
                self._arrived(ask, fetched.arrival)

    def _arrived(self, ask: Ask, arrival: Arrival) -> None:
        held, file = ask.image.file, arrival.file
        self.counts.bytes_fetched += file.size
        if (
            held is not None
            and held.sha256 == file.sha256
            and is_whole(self.tree, held, f"{IMAGES}/{held.place}")
        ):
            self.tree.at(arrival.at).unlink()
            self.counts.files_kept += 1
        else:
            self._make_room(ask)
            self.arrivals.settle(arrival)
            self.counts.files_fetched += 1
        self._waiting.append(file)

    def _take_back(self, ask: Ask, trashed: Trashed) -> None:
        found = self.tree.file(trashed.at)
        if found is None:
            raise CoirError(f"{trashed.at} has vanished.", hint="Run it again.")
        file = FileRecord(
            ask.image.image_id, ask.place, trashed.file.size, trashed.file.sha256, trashed.file.etag
        )
        self._make_room(ask)
        self.arrivals.settle(Arrival(file, trashed.at, found.st_ino, found.st_mtime_ns))
        self.counts.files_kept += 1
        self._waiting.append(file)

    def _make_room(self, ask: Ask) -> None:
        if ask.image.file is not None:
            self.trash.take(self.sync, [ask.image.file])
        self.settling.clear(ask.place)

    def _store(self) -> None:
        if not self._waiting:
            return
        files, self._waiting = self._waiting, []
        with local_files():
            for folder in {one.place.rpartition("/")[0] for one in files}:
                self.tree.sync_folder(f"{IMAGES}/{folder}".rstrip("/"))
        self.holdings.put(self.sync, self.counts, files, due=False)
        self.arrivals.stored()
        for one in files:
            self.places.stored(one.image_id)
