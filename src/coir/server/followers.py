"""Who waits for changes: they hold neither a thread nor a connection to the database.

One look a moment, for all of them together, tells whose datasets have changed; while nobody
waits, nobody looks. A thread of its own removes old entries.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from coir.server.store import changes
from coir.server.store.changes import Place
from coir.server.store.engine import Store

log = logging.getLogger(__name__)

# Between two looks, of two queries at most: two milliseconds on SQLite, five on PostgreSQL
# (medians, beside other work). A change is told after half of it on average, also one that
# another process makes.
LOOK_SECONDS = 0.25
# After a look that failed; the database may be starting again.
FAILED_SECONDS = 2.0
# Each is a connection of a client and a few kilobytes; more are answered at once.
MOST_WAITING = 1000
PRUNE_SECONDS = 3600.0


@dataclass(eq=False, slots=True)
class Waiting:
    """One who waits for what comes behind a place."""

    dataset_id: int
    place: Place
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Followers:
    """Those who wait, in this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: set[Waiting] = set()
        self._looking: asyncio.Task[None] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._prune, name="coir-changes")

    def open(self) -> None:
        """Begin to remove old entries."""
        self._thread.start()

    def end_waiting(self) -> None:
        """Answer all who wait, now and from now on: the server ends."""
        self._ended.set()
        for one in self._waiting:
            one.woken.set()

    def close(self) -> None:
        """End what runs."""
        self.end_waiting()
        if self._looking is not None:
            self._looking.cancel()
        if self._thread.is_alive():
            self._thread.join()

    async def wait(self, dataset_id: int, place: Place, seconds: float) -> bool:
        """Wait until the dataset may have an entry behind the place; False when it has none."""
        if self._ended.is_set() or len(self._waiting) >= MOST_WAITING:
            return False
        one = Waiting(dataset_id, place)
        self._waiting.add(one)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await one.woken.wait()
            return one.woken.is_set() and not self._ended.is_set()
        finally:
            self._waiting.discard(one)

    async def _look(self) -> None:
        while self._waiting:
            try:
                await asyncio.sleep(LOOK_SECONDS)
                waiting = list(self._waiting)
                found = await run_in_threadpool(self._changed, waiting)
            except SQLAlchemyError:
                log.warning("Changes cannot be looked for.", exc_info=True)
                await asyncio.sleep(FAILED_SECONDS)
                continue
            for one in waiting:
                if one.dataset_id in found:
                    one.woken.set()

    def _changed(self, waiting: list[Waiting]) -> set[int]:
        if not waiting:
            return set()
        start = min(one.place for one in waiting)
        with self._store.read() as connection:
            end = changes.extent(connection).end
            if end <= start:
                return set()
            return changes.changed(connection, {one.dataset_id for one in waiting}, start, end)

    def _prune(self) -> None:
        while True:
            try:
                changes.prune(self._store)
            except SQLAlchemyError:
                log.warning("Old changes were not removed.", exc_info=True)
            if self._ended.wait(PRUNE_SECONDS):
                return
