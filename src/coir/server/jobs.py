"""Jobs: slow work in a background thread, visible as rows of the table `tasks`."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, false, insert, select, update

from coir.server.claims import Claims
from coir.server.store.engine import Store, now_ms
from coir.server.store.tables import task_logs, tasks

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the start of a job answers."""

    celery_id: str
    id: int
    name: str


class JobStopped(Exception):
    """The server ends while a job runs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, as its listeners are told."""

    id: int
    progress: float
    errors: int
    warnings: int


Listener = Callable[[Progress], None]


class Job:
    """One running job. Its log is kept in memory until `save` puts it beside the job's work."""

    def __init__(
        self, store: Store, task_id: int, stopping: threading.Event, listener: Listener
    ) -> None:
        self._store = store
        self._stopping = stopping
        self._listener = listener
        self._lines: list[dict[str, object]] = []
        self.task_id = task_id
        self.errors = 0
        self.warnings = 0

    def info(self, line: str) -> None:
        """Log a line."""
        self._log("INFO", line)

    def warning(self, line: str) -> None:
        """Log something that was left out, and count it."""
        self.warnings += 1
        self._log("WARNING", line)

    def error(self, line: str) -> None:
        """Log a failure, and count it."""
        self.errors += 1
        self._log("ERROR", line)

    def save(self, connection: Connection, progress: float, *, completed: bool = False) -> None:
        """Write the log and the progress in the transaction of the work they speak of.

        The listener is told at once, though work in one transaction is not committed yet; but
        not of the end, which `finish` tells.
        """
        self._write(connection, progress, completed=completed)
        if not completed:
            self._tell(progress)

    def _write(self, connection: Connection, progress: float, *, completed: bool) -> None:
        if self._lines:
            connection.execute(insert(task_logs), self._lines)
        connection.execute(
            update(tasks)
            .where(tasks.c.id == self.task_id)
            .values(
                progress=progress,
                errors=self.errors,
                warnings=self.warnings,
                completed=completed,
            )
        )
        self._lines = []

    def check(self) -> None:
        """Raise `JobStopped` when the server is ending."""
        if self._stopping.is_set():
            raise JobStopped

    def finish(self) -> None:
        """Mark the job as completed."""
        with self._store.write() as connection:
            self._write(connection, 100.0, completed=True)
        self._tell(100.0)  # whoever asks now for what was made finds it

    def _tell(self, progress: float) -> None:
        self._listener(Progress(self.task_id, progress, self.errors, self.warnings))

    def _log(self, level: str, line: str) -> None:
        self._lines.append({"task_id": self.task_id, "at": now_ms(), "level": level, "line": line})


Work = Callable[[Job], None]


class Jobs:
    """Runs jobs one after the other: they write, and there is one writer."""

    def __init__(self, store: Store, claims: Claims, listener: Listener) -> None:
        self._store = store
        self._claims = claims
        self._listener = listener
        self._queue: queue.SimpleQueue[tuple[int, str, Work] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="coir-jobs")

    def open(self) -> None:
        """Report the jobs that an earlier end interrupted, and begin to work.

        Those of another process that is alive go on.
        """
        with self._store.write() as connection:
            for task_id, key in connection.execute(
                select(tasks.c.id, tasks.c.key).where(tasks.c.completed == false())
            ).all():
                if not self._claims.held(key):
                    self._interrupted(connection, task_id)
        self._thread.start()

    def stop(self) -> None:
        """Stop at the next safe point; what waits is reported at the next start."""
        self._stopping.set()

    def close(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        self._queue.put(None)
        self._thread.join()

    def begin(
        self,
        group: str,
        name: str,
        dataset_id: int | None,
        creator_id: int,
        work: Work,
        *,
        join: bool = True,
    ) -> Ticket:
        """Queue a job; while one of the same group runs on the dataset, give that one instead.

        Unless it must not ``join`` another: two exports are not of the same categories, two
        imports not of the same file.
        """
        key = str(uuid.uuid4())
        with self._store.write() as connection:
            running = connection.execute(
                select(tasks.c.key, tasks.c.id, tasks.c.name).where(
                    tasks.c.completed == false(),
                    tasks.c.dataset_id == dataset_id,
                    tasks.c.group == group,
                )
            ).first()
            if join and running is not None:
                if self._claims.held(running.key):
                    return Ticket(running.key, running.id, running.name)
                self._interrupted(connection, running.id)
            self._claims.hold(key)  # before others can see the job
            task_id: int = connection.execute(
                insert(tasks)
                .values(
                    key=key,
                    group=group,
                    name=name,
                    dataset_id=dataset_id,
                    creator_id=creator_id,
                    created_at=now_ms(),
                )
                .returning(tasks.c.id)
            ).scalar_one()
        self._queue.put((task_id, key, work))
        return Ticket(key, task_id, name)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None and not self._stopping.is_set():
            task_id, key, work = item
            job = Job(self._store, task_id, self._stopping, self._listener)
            try:
                self._do(work, job)
            finally:
                self._claims.release(key)

    def _do(self, work: Work, job: Job) -> None:
        try:
            work(job)
        except JobStopped:
            with self._store.write() as connection:
                self._interrupted(connection, job.task_id)
            return
        except Exception as error:
            log.exception("job %d failed", job.task_id)
            job.error(f"The job failed: {type(error).__name__}; see the server's log.")
        job.finish()

    def _interrupted(self, connection: Connection, task_id: int) -> None:
        line = "The server ended while this job ran: start it again."
        connection.execute(
            insert(task_logs).values(task_id=task_id, at=now_ms(), level="ERROR", line=line)
        )
        connection.execute(
            update(tasks)
            .where(tasks.c.id == task_id)
            .values(completed=True, errors=tasks.c.errors + 1)
        )
