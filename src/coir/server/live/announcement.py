"""What is told to those who may see it; routes and jobs hand it over from any thread."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from coir.server.jobs.job import Progress
from coir.server.live.sending import Sending

log = logging.getLogger(__name__)

# Some seconds of a busy server; beyond, events are lost rather than memory.
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event, and to whom: those who see the dataset, or the job."""

    event: str
    data: Mapping[str, Any]
    dataset_id: int | None = None
    task_id: int | None = None
    # The connection it came from, where that is not told.
    without_connection: str | None = None
    # The session whose pages know already: what `session_of` gives.
    without_session: str | None = None

    def written(self) -> str:
        """The text that another process makes it of again; connections are of one process only."""
        told = {
            "event": self.event,
            "data": dict(self.data),
            "dataset_id": self.dataset_id,
            "task_id": self.task_id,
            "without_session": self.without_session,
        }
        return json.dumps(told)


def read(text: str) -> Announcement:
    """What another process has written."""
    return Announcement(**json.loads(text))


class Announcements:
    """The way from any thread to the event loop, and to the other processes.

    What is told while nobody listens is gone.
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[Announcement] = asyncio.Queue(MAX_WAITING)

    def open(self) -> None:
        """Begin to take announcements, in the loop that will read them."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Take no more."""
        self._loop = None

    def tell(self, announcement: Announcement) -> None:
        """Hand an announcement over, in the same order to all; never waits for any of them."""
        written = announcement.written()
        with self._turn:
            loop = self._loop
            if loop is not None:
                # A loop that ended meanwhile has nobody left to tell.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._put, announcement)
            self._sending.put(written)

    def progress(self, progress: Progress) -> None:
        """Tell how far a job is."""
        data = {
            "id": progress.id,
            "progress": progress.progress,
            "errors": progress.errors,
            "warnings": progress.warnings,
        }
        self.tell(Announcement("taskProgress", data, task_id=progress.id))

    async def next(self) -> Announcement:
        """The next one, in the order in which they were told."""
        return await self._queue.get()

    def _put(self, announcement: Announcement) -> None:
        try:
            self._queue.put_nowait(announcement)
        except asyncio.QueueFull:
            log.warning("An event of the kind %r was lost: too many wait.", announcement.event)
