"""The queue: tells the processes over one data directory that there is a job to run.

It is huey's (docs/adr/0012). What it holds are numbers of jobs; whoever takes one looks into the
book whether the job may begin. It may be deleted while nothing runs.
"""

from __future__ import annotations

import logging
import threading
import time
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
            options |= {"storage_class": _Listening, "dsn": where}
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
        for task_id in tasks:
            try:
                self._put(task_id)
            except Exception:
                # PostgreSQL was restarted; of a connection that was cut the first use tells.
                self._try_again(task_id)

    def idle(self) -> bool:
        """Whether nothing is asked for."""
        return bool(self._huey.storage.queue_size() == 0)

    def _try_again(self, task_id: int) -> None:
        try:
            self._put(task_id)
        except Exception as error:
            log.warning("job %d begins late, the queue cannot be written: %r", task_id, error)

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


# To the type checker the classes of huey, which has no types, are anything.
class _Listening(PostgresStorage):  # type: ignore[misc]
    """The queue in a PostgreSQL, which may be restarted."""

    def dequeue(self) -> bytes | None:
        """What comes next, if something does in time."""
        import psycopg

        try:
            data: bytes | None = super().dequeue()
        except psycopg.OperationalError as error:
            log.warning("the queue of jobs cannot be read: %r", error)
            time.sleep(LISTEN_SECONDS)
            return None
        return data


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
