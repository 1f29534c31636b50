"""A job that runs: its log, its progress, and whether it may go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from coir.server.store.engine import Store, now_ms
from coir.server.store.tables import task_logs, tasks


class JobEnded(Exception):
    """A job does not go on: raised where it is safe to leave it."""


class JobStopped(JobEnded):
    """The process ends; the job goes on at the next start, or in another process."""


class JobCancelled(JobEnded):
    """Somebody does not want it any more."""


class JobLost(JobEnded):
    """The process was away for longer than its lease: another one has the job."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job: what its row says."""

    task_id: int
    key: str
    kind: str
    arguments: Mapping[str, Any]
    dataset_id: int | None
    creator_id: int
    created_at: int
    attempt: int
    runner: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; what the wire calls ``taskProgress``."""

    id: int
    progress: float
    errors: int
    warnings: int
    completed: bool


class Job:
    """One running job. Its log is kept in memory until `write` puts it beside the job's work."""

    def __init__(
        self,
        store: Store,
        run: Run,
        stopping: threading.Event,
        tell: Callable[[Progress], None],
    ) -> None:
        self._store = store
        self._stopping = stopping
        self._tell = tell
        # What is logged and not yet written.
        self.lines: list[dict[str, object]] = []
        self.run = run
        self.errors = 0
        self.warnings = 0
        self.completed = False
        # Set by whoever looks after the lease.
        self.cancelled = threading.Event()
        self.lost = threading.Event()

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

    def check(self) -> None:
        """Raise `JobEnded` when the job must not go on: a safe point."""
        if self.lost.is_set():
            raise JobLost
        if self.cancelled.is_set():
            raise JobCancelled
        if self._stopping.is_set():
            raise JobStopped

    @contextmanager
    def write(self, progress: float, *, completed: bool = False) -> Iterator[Connection]:
        """A transaction of the job's work; the log and the progress are written with it.

        Only while the job is this process's and wanted, which nobody can change meanwhile: what
        a job that was cancelled, or taken over, has not committed is never written. Raises
        `JobEnded`.
        """
        with self._store.write() as connection:
            self._hold(connection)
            yield connection
            self._save(connection, progress, completed)
        self.lines = []
        self.completed = completed
        self._tell(Progress(self.run.task_id, progress, self.errors, self.warnings, completed))

    def note(self, progress: float) -> None:
        """Write the log and the progress alone."""
        with self.write(progress):
            pass

    def finish(self) -> None:
        """Mark the job as completed, unless its last transaction did."""
        if not self.completed:
            with self.write(100.0, completed=True):
                pass

    def _hold(self, connection: Connection) -> None:
        asked = select(tasks.c.runner, tasks.c.cancelled).where(tasks.c.id == self.run.task_id)
        row = connection.execute(asked).first()
        if row is None or row.runner != self.run.runner:
            raise JobLost
        if row.cancelled:
            raise JobCancelled

    def _save(self, connection: Connection, progress: float, completed: bool) -> None:
        if self.lines:
            connection.execute(insert(task_logs), self.lines)
        values: dict[str, Any] = {
            "progress": progress,
            "errors": self.errors,
            "warnings": self.warnings,
            "completed": completed,
        }
        if completed:
            values |= {"runner": None, "leased_until": None}
        connection.execute(update(tasks).where(tasks.c.id == self.run.task_id).values(values))

    def _log(self, level: str, line: str) -> None:
        self.lines.append(log_line(self.run.task_id, level, line))


def log_line(task_id: int, level: str, line: str) -> dict[str, object]:
    """A row of `task_logs`, of now."""
    return {"task_id": task_id, "at": now_ms(), "level": level, "line": line}


Work = Callable[[Job], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the jobs of one kind do, and whether they can be cancelled once they have begun."""

    work: Callable[[Run], Work]
    cancellable: bool = True
