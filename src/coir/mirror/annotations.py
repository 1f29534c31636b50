"""Fetches the annotations of images that are due, a few requests at a time.

There are three ways to them, with the same result: coir's own server gives those of many images in
one answer; the original gives an image's as COCO; and who may not download gets them from what the
annotation page loads. The mirror holds what is in COCO: what has an outline or keypoints, and a
category.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from coir.client.crew import each
from coir.client.operations import Annotator, DatasetCalls, Images
from coir.client.transport import Transport
from coir.errors import (
    CoirError,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
    UnexpectedAnswer,
)
from coir.mirror.counts import Counts
from coir.mirror.record import AnnotationRecord, annotation_record
from coir.mirror.report import Watch
from coir.mirror.store import Store
from coir.mirror.windows import grouped

__all__ = ["IN_VAIN", "Annotations"]

# Images whose annotations come in one answer, and those that are stored in one transaction.
TOGETHER = 500
BATCH = 200
# The longest that what was fetched waits to be stored: a kill takes back no more.
SECONDS = 1.0
# After so many answers in a row that cannot be read nothing else is tried: it is no such server.
IN_VAIN = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """The annotations of some images."""

    image_ids: Sequence[int]
    records: list[AnnotationRecord]


@dataclass
class Annotations:
    """Fetches annotations for one sync; ``is_gone`` finds out whether an image was deleted."""

    dataset: DatasetCalls[Transport]
    in_bulk: bool
    store: Store
    sync: int
    counts: Counts
    concurrency: int = 4
    watch: Watch | None = None
    may_download: bool = True
    is_gone: Callable[[int], bool] = lambda _: False
    _failed: set[int] = field(default_factory=set, init=False)
    _in_vain: int = field(default=0, init=False)

    def due(self) -> None:
        """Fetch those of all images that are due.

        Raises:
            CoirError: the server cannot be reached, or fails; what was stored stays.

        """
        total = self.store.number_due("annotations")
        self._fetch(self._groups(), total)

    def again(self, image_ids: Sequence[int], until: float = float("inf")) -> bool:
        """Fetch those of these images, until a moment of the monotonic clock.

        Says whether there was time for all of them.
        """

        def groups() -> Iterator[Sequence[int]]:
            for one in image_ids:
                if time.monotonic() >= until:
                    return
                if one not in self._failed:
                    yield [one]

        self._fetch(groups(), len(image_ids), again=True)
        return time.monotonic() < until

    def _groups(self) -> Iterator[Sequence[int]]:
        after = 0
        while found := self.store.due("annotations", after):
            after = found[-1]
            ids = [one for one in found if one not in self._failed]
            if self.in_bulk:
                for window in grouped(ids, widest=TOGETHER):
                    held = self.store.image_ids(window.start, window.stop)
                    # One that failed would let all fail with which it is asked for.
                    for failed, part in groupby(held, self._failed.__contains__):
                        if not failed:
                            yield list(part)
            else:
                for one in ids:
                    yield [one]

    def _fetch(self, groups: Iterator[Sequence[int]], total: int, *, again: bool = False) -> None:
        waiting: list[Fetched] = []
        apart: list[int] = []
        done, last = 0, time.monotonic()
        for end in each(self.fetched, groups, self.concurrency):
            done += len(end.item)
            if again and isinstance(end.error, InvalidRequest):
                continue  # nothing was due: it is gone meanwhile, and the next listing says so
            if end.error is not None:
                if self._ends(end.error):
                    self._store(waiting)
                    raise end.error
                self._store(waiting)  # what is asked of the server next may fail as well
                waiting, last = [], time.monotonic()
                apart += self._alone(end.item, end.error)
                continue
            self._in_vain = 0
            waiting.append(end.result)
            if self.watch is not None:
                self.watch("annotations", done, total)
            if len(waiting) >= BATCH or time.monotonic() - last > SECONDS:
                self._store(waiting)
                waiting, last = [], time.monotonic()
        self._store(waiting)
        if apart:
            self._fetch(([one] for one in apart), len(apart))

    def _ends(self, error: CoirError) -> bool:
        """Whether an error keeps all of them from coming, and not those of one image."""
        if isinstance(error, UnexpectedAnswer):
            self._in_vain += 1
            return self._in_vain >= IN_VAIN
        broken = isinstance(error, ServerFailed) and error.is_of_one
        return not (broken or isinstance(error, InvalidRequest))

    def _alone(self, image_ids: Sequence[int], error: CoirError) -> Sequence[int]:
        """Tell what keeps an image's from coming; of several, each is to be asked for alone."""
        if len(image_ids) > 1:
            return image_ids
        (image_id,) = image_ids
        self._failed.add(image_id)
        if not self.is_gone(image_id):
            self.counts.images_failed += 1
            self.store.trouble("annotations", image_id, error.message)
        return []

    def _store(self, fetched: Sequence[Fetched]) -> None:
        if fetched:
            ids = [one for part in fetched for one in part.image_ids]
            records = (one for part in fetched for one in part.records)
            self.store.put_annotations(self.sync, self.counts, ids, records)

    def fetched(self, image_ids: Sequence[int]) -> Fetched:
        """Fetch those of some images, and store nothing; threads may do so at the same time."""
        try:
            if self.in_bulk:
                told = self.dataset.coco(from_id=image_ids[0], below_id=image_ids[-1] + 1)
                return Fetched(image_ids, list(map(annotation_record, told.annotations)))
            if self.may_download:
                told = Images(self.dataset.transport).coco(image_ids[0])
                return Fetched(image_ids, list(map(annotation_record, told.annotations)))
        except PermissionDenied:
            self.may_download = self.in_bulk = False
        parts = [self._loaded(one) for one in image_ids]
        return Fetched(image_ids, [one for part in parts for one in part])

    def _loaded(self, image_id: int) -> list[AnnotationRecord]:
        page = Annotator(self.dataset.transport).load(image_id)
        return [
            annotation_record(one)
            for category in page.categories
            for one in category.annotations
            if one.segmentation or one.keypoints
        ]
