"""The queue: tells the processes over one data directory that there is a job to run.

It is huey's (docs/adr/0012). What it holds are numbers of jobs; whoever takes one looks into the
book whether the job may begin. It may be deleted while nothing runs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from huey import Huey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import PostgresStorage, SqliteStorage

log = logging.getLogger(__name__)

# Between two looks into an empty queue: a query of some ten microseconds. On PostgreSQL huey
# listens instead, and this is how long it does so before it sees that the process ends.
POLL_SECONDS = 0.1
LISTEN_SECONDS = 0.5


class Queue:
    """A queue of jobs, in a SQLite file of its own or in tables of a PostgreSQL."""

    def __init__(self, where: Path | str, run: Callable[[int], None]) -> None:
        # A copy of the database must not be able to run code, as pickles can.
        options: dict[str, Any] = {"results": False, "serializer": _Json()}
        if isinstance(where, Path):
            where.touch(mode=0o600)
            options |= {"storage_class": SqliteStorage, "filename": str(where)}
        else:
            options |= {"storage_class": PostgresStorage, "dsn": where}
            options |= {"table_prefix": "coir_queue", "read_timeout": LISTEN_SECONDS}
        self._huey = Huey("coir", **options)
        self._put = self._huey.task(name="run")(run)
        # The connection on which a thread of the consumer listens is closed in that thread only.
        self._huey.on_shutdown("close")(self._huey.storage.close)
        # One at a time: jobs write, and there is one writer.
        self._consumer = _Consumer(
            self._huey,
            workers=1,
            periodic=False,
            initial_delay=POLL_SECONDS,
            max_delay=POLL_SECONDS,
            scheduler_interval=60,  # nothing is ever scheduled
        )
        self._started = False

    @property
    def stopping(self) -> threading.Event:
        """Set when this process takes no more jobs."""
        event: threading.Event = self._consumer.stop_flag
        return event

    def put(self, tasks: Sequence[int]) -> None:
        """Ask for jobs to be run. What is lost here the book finds again."""
        try:
            for task_id in tasks:
                self._put(task_id)
        except Exception:
            log.exception("the queue of jobs cannot be written: jobs begin late")

    def idle(self) -> bool:
        """Whether nothing is asked for."""
        return bool(self._huey.storage.queue_size() == 0)

    def start(self) -> None:
        """Begin to run what is asked for, in a thread of this process."""
        self._consumer.start()
        self._started = True

    def stop(self) -> None:
        """Take no more jobs, and wait for the end of the one that runs."""
        self.stopping.set()
        if self._started:
            self._consumer.stop(graceful=True)

    def close(self) -> None:
        """Close the connection to the queue."""
        self._huey.storage.close()


class _Consumer(Consumer):  # type: ignore[misc]
    """A consumer inside a process that has handlers of its own for signals."""

    def _set_signal_handlers(self) -> None:
        """Leave them as they are."""


class _Json(Serializer):  # type: ignore[misc]
    """Messages as JSON; none is ever scheduled, so that none holds a moment."""

    def _serialize(self, data: Any) -> bytes:
        return msgspec.json.encode(tuple(data))

    def _deserialize(self, data: bytes) -> Any:
        return Message(*msgspec.json.decode(data))
