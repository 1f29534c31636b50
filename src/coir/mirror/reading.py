"""How a sync looks at the server: the whole listing, counts of ranges, or the change feed.

Each way only decides where to look. What differs there is decided by `plan.compare`, the same for
all, so that a mirror holds the same whichever way it was kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from msgspec import UNSET, structs

from coir.client import Dataset, routes
from coir.client.crew import each
from coir.client.transport import Transport
from coir.mirror.first_list import Step
from coir.mirror.missing import Asking
from coir.mirror.plan import Action, Add, Adds, Change, Remove, Tally, compare
from coir.mirror.ranges import search
from coir.mirror.record import ImageRecord, image_record
from coir.mirror.report import Watch
from coir.mirror.store import Store
from coir.mirror.windows import WIDEST, count, grouped, rows
from coir.model import Image
from coir.scan import Certificate, Filter, Progress, Scan
from coir.scan.ask import Window
from coir.scan.details import Filler
from coir.scan.filter import Compiled
from coir.scan.offset_plan import OffsetPlan
from coir.scan.prices import Prices

__all__ = ["FIELDS", "OVERLAPPING", "Reader"]

# What a mirror wants to know beyond the listing's own columns.
FIELDS = ("path", "width", "height")
# The claims of a certificate by which what is not listed is not there.
PROVEN = {"S3", "S6"}
# The strategy of a scan whose filters did not reach the server.
OVERLAPPING = OffsetPlan.strategy
# Images whose further fields are filled in together.
BATCH = 2_000


@dataclass
class Reader:
    """Reads one dataset for one mirror; ``seconds`` and ``certificate`` are of the listing."""

    dataset: Dataset
    where: Filter
    compiled: Compiled
    transport: Transport
    store: Store
    tally: Tally
    prices: Prices
    concurrency: int = 4
    max_rps: float | None = None
    watch: Watch | None = None
    certificate: Certificate | None = None
    seconds: float = 0.0
    _expected: int = field(default=0, init=False)
    _went: int = field(default=0, init=False)

    # -- everything ---------------------------------------------------------------------

    def listing(self, progress: Path | None) -> Iterator[Step]:
        """Compare every image, by a scan that keeps its progress in a file.

        The file stays: what follows the scan may take long, and a plan has to be made of it.

        Raises:
            IncompleteScan: there is no proof that the listing is whole.

        """
        started = time.monotonic()
        held = self.store.held()
        told = FIELDS if "fields" in self.dataset.server.info.features else ()
        scan = self.scan(told, progress, keep=True)
        gone: list[int] = []
        with scan:
            if held:
                there = map(image_record, scan)
                steps: Iterator[Step] = self._whole(
                    compare(self.store.images(), there, self.tally), held
                )
            else:
                steps = self._all(scan)
            for step in steps:
                if isinstance(step, Remove):
                    gone.append(step.id)
                else:
                    yield step
        self.certificate = structs.replace(scan.certificate, details_missing=self._went)
        self.prices.take(scan.prices)
        self.seconds = time.monotonic() - started
        yield from self._gone(gone, proven=bool(PROVEN & set(scan.certificate.claims)))

    def _all(self, scan: Scan) -> Iterator[Step]:
        """Add whatever is listed: nothing is held to compare it with."""
        for listed in scan.batches(BATCH):
            self.tally.added += len(listed)
            untold = [
                row.path is UNSET or row.width is UNSET or row.height is UNSET for row in listed
            ]
            if any(untold):
                yield from self._whole((Add(image_record(row)) for row in listed), 0)
            else:
                yield Adds(listed)

    def _gone(self, ids: Sequence[int], *, proven: bool) -> Iterator[Action]:
        """Remove what the listing did not have; where that proves little, after a second look."""
        if proven:
            yield from map(Remove, ids)
            return
        self.tally.removed -= len(ids)
        if self.certificate is not None and self.certificate.strategy == OVERLAPPING:
            there = self.asking().still_there(ids)
            yield from compare(self.held(ids), list(there), self.tally)
            return
        looked = Reader.within(replace(self, tally=Tally()), grouped(ids))
        wanted = set(ids)
        for action in looked:
            if action.id in wanted and not isinstance(action, Add):
                self.tally.count(action)
                yield action

    def asking(self) -> Asking:
        """Give what asks for images by themselves."""
        return Asking(
            self.dataset,
            self.compiled,
            self.transport,
            self.prices.lists,
            self.concurrency,
            self.watch,
        )

    def scan(
        self, fields: Sequence[str] = (), progress: Path | None = None, *, keep: bool = False
    ) -> Scan:
        """Give a scan of the images that are wanted."""
        return Scan(
            self.dataset,
            self.where,
            fields=fields,
            concurrency=self.concurrency,
            max_rps=self.max_rps,
            resume=progress,
            keep=keep,
            watch=self._progress,
        )

    def held(self, ids: Iterable[int]) -> Iterator[ImageRecord]:
        """Give those of some images that the mirror holds."""
        return (one for image_id in ids if (one := self.store.image(image_id)) is not None)

    def _progress(self, now: Progress) -> None:
        self._expected = now.expected or 0
        if self.watch is not None:
            self.watch(now.phase.value, now.read, now.expected)

    def _whole(self, actions: Iterator[Action], held: int) -> Iterator[Action]:
        """Fill in what the rows of new images do not tell; those that are gone are left out."""
        filler = Filler(self.dataset.info.id, FIELDS, self.prices.lists)
        while batch := list(islice(actions, BATCH)):
            lacking = [
                one.image for one in batch if isinstance(one, Add | Change) and _is_lacking(one)
            ]
            if not lacking:
                yield from batch
                continue
            expected = max(len(lacking), self._expected - held)
            filled = self.transport.run(filler.filled([_row(one) for one in lacking], expected))
            known = {row.id: image_record(row) for row in filled}
            for one in batch:
                if not (isinstance(one, Add | Change) and one.id in known):
                    yield one
                elif known[one.id].path is not None:
                    yield structs.replace(one, image=known[one.id])
                elif isinstance(one, Change):
                    yield one
                else:
                    self.tally.added -= 1
                    self._went += 1

    # -- what counts show ---------------------------------------------------------------

    def quick(self) -> Iterator[Action]:
        """Compare new images, and the ranges whose counts say that something is gone."""
        newest, total = self.highest()
        held, last = self.store.held(), max(self.store.newest(), self.compiled.after_id)
        known = Window(self.compiled.after_id + 1, last + 1)
        # The total is that of all ids: it is what is asked for only where no id is left out.
        whole = newest <= last and not self.compiled.after_id
        below = total if whole else self._count(known) if known.width else 0
        windows: list[Window] = []
        if below != held:
            windows += self._differing(known, below)
        if newest > last:
            windows += _pieces(Window(last + 1, newest + 1), total)
        yield from self._whole(self.within(sorted(windows)), held)
        self.tally.unchanged = held - self.tally.removed - self.tally.changed

    def highest(self) -> tuple[int, int]:
        """Ask for the largest id, and how many images there are."""
        started = time.monotonic()
        params = {**self.compiled.params, "page": "1", "limit": "1", "order": "-id"}
        page = self.transport.run(routes.images(self.dataset.info.id, params, Image))
        self.prices.counted(page.total, time.monotonic() - started)
        return (page.images[0].id if page.images else 0), page.total

    def _count(self, window: Window) -> int:
        started = time.monotonic()
        number = self.transport.run(count(self.dataset.info.id, self.compiled, window))
        self.prices.counted(number, time.monotonic() - started)
        return number

    def _differing(self, window: Window, counted: int) -> list[Window]:
        searching = search(self.store.image_ids(), window, counted, self.prices)
        answer: int | None = None
        with closing(searching):
            try:
                while True:
                    asked = next(searching) if answer is None else searching.send(answer)
                    answer = self._count(asked)
            except StopIteration as stop:
                found: list[Window] = stop.value
        return [
            piece
            for one in found
            for piece in _pieces(one, self.store.held_in(one.start, one.stop))
        ]

    # -- windows ------------------------------------------------------------------------

    def within(self, windows: Iterable[Window]) -> Iterator[Action]:
        """Compare some windows, which ascend; the answers are all there before the first action."""
        asked = list(windows)
        there: dict[Window, list[Image]] = {}
        waiting = iter(asked)
        wanted = next(waiting, None)
        for done in each(self._rows, asked, self.concurrency):
            there[done.item] = done.result
            while wanted is not None and wanted in there:
                here = self.store.images(wanted.start, wanted.stop)
                yield from compare(here, map(image_record, there.pop(wanted)), self.tally)
                wanted = next(waiting, None)

    def _rows(self, window: Window) -> list[Image]:
        return self.transport.run(rows(self.dataset.info.id, self.compiled, window))


def _is_lacking(action: Add | Change) -> bool:
    """Whether the path is not known, or is that of another file name than the row tells."""
    path, name = action.image.path, action.image.file_name
    if isinstance(action, Add):
        return path is None
    return path is not None and path.rpartition("/")[2] != name


def _row(image: ImageRecord) -> Image:
    return Image(image.id, image.file_name, image.annotated, (), image.num_annotations)


def _pieces(window: Window, images: int) -> Iterator[Window]:
    """Cut a window with so many images; stretches without any cost nothing."""
    width = max(WIDEST, window.width * WIDEST // max(1, images))
    rest: Window | None = window
    while rest is not None:
        piece, rest = rest.cut(width)
        yield piece
