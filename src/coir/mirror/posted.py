"""Finds the annotations that programs posted to the original, which no row of an image shows.

``POST /api/annotation/`` leaves the mark and the number of an image as they were. But the original
numbers the annotations of all its datasets in one sequence, and gives each by its id, deleted ones
too, to an administrator. So each sync looks how far the sequence goes, before it reads the rows;
the ids that are new since, and that the mirror then does not hold, are asked for: where one is of
an image of the mirror, its annotations are fetched. Where fewer images were not looked into since
than there are such ids, those images are looked into instead.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import msgspec

from coir.client import routes
from coir.client.crew import each
from coir.client.exchange import Operation, Request
from coir.client.reply import decoded
from coir.client.transport import Transport
from coir.errors import (
    CoirError,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
    UnexpectedAnswer,
)
from coir.mirror.annotations import IN_VAIN, Annotations
from coir.mirror.database import keep
from coir.mirror.report import Watch
from coir.mirror.store import Store

__all__ = ["Posted", "newest"]

KEY = "posted"
# Ids asked for before what is known of them is written: about a second's.
BATCH = 200
# Ids read at a time.
PAGE = 10_000
# The original takes as long for the annotations of an image as for so many single ones (measured
# with 200,000 images and 2,000 annotations: 18 ms and 5 ms).
IMAGE = 4
# So far behind the last id that was found another one is looked for: where annotations were
# removed for good, ids are missing.
FARTHEST = 4_096
# So many of the next ids are looked at one by one.
NEAR = 8
# Of so many the server may fail to tell: they are asked for again in each sync. With more it is in
# trouble, and what is left waits for the next one.
UNTOLD = 100


class Placed(msgspec.Struct, frozen=True):
    """On which image an annotation is."""

    image_id: int
    deleted: bool = False


class Reach(msgspec.Struct, frozen=True):
    """How far it is known whose the annotations are: up to the id ``known``.

    It is to be known up to ``goal``, which was the last one before sync ``since`` read its rows.
    Of those in ``untold`` the server failed to tell it.
    """

    known: int = 0
    goal: int = 0
    since: int = 0
    untold: list[int] = []


def single(annotation_id: int) -> Operation[Placed | None]:
    """Ask on which image an annotation is: ``GET /api/annotation/{id}``; None where none is."""
    request = Request("GET", f"/api/annotation/{annotation_id}")
    try:
        return decoded(request, (yield request), Placed)
    except InvalidRequest:
        return None


def is_of_one(error: CoirError | None) -> bool:
    """Whether an error may be that of one annotation alone, where a number is NaN, for example."""
    broken = isinstance(error, ServerFailed) and error.is_of_one
    return broken or isinstance(error, UnexpectedAnswer)


def newest(known: int) -> Generator[int, bool, int]:
    """Plan the search for the last id of a sequence, above one that is known.

    Gives ids, takes whether each is there, and returns the last. Where ids are missing it may be
    an earlier one; the next search goes on from there.
    """
    step = 1
    while (yield known + step):
        known += step
        step *= 2
    last = None
    while last != known:
        last, step = known, max(step, FARTHEST)
        while step:
            if (yield known + step):
                known += step
            step = step // 2 if step > NEAR else step - 1
    return known


@dataclass
class Posted:
    """Finds them for one sync."""

    transport: Transport
    store: Store
    concurrency: int = 4
    watch: Watch | None = None

    @property
    def reach(self) -> Reach:
        """How far it is known."""
        return self.store.database.setting(KEY, Reach) or Reach()

    def begin(self, sync: int) -> None:
        """Look how far the sequence goes; the rows are to be read afterwards."""
        reach = self.reach
        if reach.known < reach.goal and self._images() is not None:
            return  # those that were looked into since would have to be again
        try:
            if not self.transport.run(routes.me()).is_admin:
                return  # to others it has gaps, which tell nothing
            goal = self._newest(max(reach.goal, self.store.newest_annotation()))
        except (PermissionDenied, UnexpectedAnswer):
            return  # a fork may not give single ones
        if goal > reach.goal:
            self._keep(msgspec.structs.replace(reach, goal=goal, since=sync))

    def _newest(self, known: int) -> int:
        searching = newest(known)
        asked, in_vain = next(searching), 0
        while True:
            there = False
            try:
                there = self._ask(asked) is not None
                in_vain = 0
            except (ServerFailed, UnexpectedAnswer) as error:
                in_vain += isinstance(error, UnexpectedAnswer)
                if not is_of_one(error) or in_vain >= IN_VAIN:
                    raise
            try:
                asked = searching.send(there)
            except StopIteration as stop:
                return int(stop.value)

    def number(self) -> int:
        """Count the annotations of which it is not known whose they are."""
        reach = self.reach
        held = self.store.annotations_in(reach.known + 1, reach.goal + 1)
        return len(reach.untold) + reach.goal - reach.known - held

    def _images(self) -> list[int] | None:
        """Give the images that are to be looked into instead, where these are fewer."""
        images = self.store.longest_ago(self.reach.since)
        return images if IMAGE * len(images) < self.number() else None

    def look(self, fetch: Annotations, until: float) -> None:
        """Fetch those of this dataset, until a moment of the monotonic clock.

        What is due is to be fetched before. The next sync goes on.
        """
        reach, number, untold = self.reach, self.number(), []
        if number:
            images = self._images()
            if images is None:
                over = self._asked(number, until)
                untold = self.reach.untold
            else:
                over = fetch.again(images, until)
            if not over:
                return
        if (known := Reach(reach.goal, reach.goal, reach.since, untold)) != reach:
            self._keep(known)

    def _asked(self, number: int, until: float) -> bool:
        """Ask for those that are not held; says whether for all."""
        reach, done = self.reach, 0
        untold = set(reach.untold)
        waiting = chain(reach.untold, self._lacking(reach.known + 1, reach.goal + 1))
        while ids := list(islice(waiting, BATCH)):
            if time.monotonic() >= until:
                return False
            image_ids = set()
            for end in each(self._ask, ids, self.concurrency):
                if is_of_one(end.error):
                    untold.add(end.item)
                else:
                    untold.discard(end.item)
                    one = end.result
                    if one is not None and not one.deleted:
                        image_ids.add(one.image_id)
                done += 1
                if self.watch is not None:
                    self.watch("looking", done, number)
            if len(untold) > UNTOLD:
                return False
            known = max(reach.known, ids[-1])
            with self.store.database.write() as connection:
                connection.executemany(
                    "UPDATE images SET annotations_due = 1 WHERE id = ?",
                    [(one,) for one in sorted(image_ids)],
                )
                keep(connection, KEY, Reach(known, reach.goal, reach.since, sorted(untold)))
        return True

    def _lacking(self, start: int, stop: int) -> Iterator[int]:
        for first in range(start, stop, PAGE):
            below = min(first + PAGE, stop)
            held = self.store.annotation_ids(first, below)
            yield from (one for one in range(first, below) if one not in held)

    def _ask(self, annotation_id: int) -> Placed | None:
        return self.transport.run(single(annotation_id))

    def _keep(self, reach: Reach) -> None:
        with self.store.database.write() as connection:
            keep(connection, KEY, reach)
