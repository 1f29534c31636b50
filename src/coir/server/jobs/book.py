"""The book of jobs: which there are, which may begin, and who has which."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    false,
    insert,
    or_,
    select,
    update,
)

from coir.server.jobs.job import Job, JobEnded, JobLost, JobStopped, Run, log_line
from coir.server.store.engine import Store, now_ms
from coir.server.store.tables import task_logs, tasks

# How long a job stays with a process that is not heard of. It waits that long after a kill; a
# process that was only slow finds that the job is not its own any more, and writes nothing.
LEASE_MS = 10_000
# A job that is interrupted again and again may be what kills the process.
MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Order:
    """A job to be done. The arguments are JSON: any process can run it."""

    kind: str
    group: str
    name: str
    dataset_id: int | None
    creator_id: int
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the start of a job answers."""

    celery_id: str
    id: int
    name: str


class Book:
    """The jobs in the table `tasks`, for all processes over one database.

    The jobs of a dataset run in the order in which they were begun, one at a time.
    """

    def __init__(self, store: Store, kinds: Collection[str]) -> None:
        self._store = store
        self._kinds = kinds

    def ready(self) -> list[int]:
        """The jobs that may begin, oldest first."""
        with self._store.read() as connection:
            asked = select(tasks.c.id).where(self._may_begin()).order_by(tasks.c.id)
            return list(connection.execute(asked).scalars())

    def claim(self, task_id: int) -> Run | None:
        """Take a job for a new attempt; None when it may not begin, or is at its end."""
        with self._store.write() as connection:
            asked = select(tasks).where(tasks.c.id == task_id, self._may_begin())
            row = connection.execute(asked).first()
            if row is None:
                return None
            if row.cancelled:
                end(connection, task_id, "WARNING", "Cancelled.")
                return None
            if row.attempts >= MOST_ATTEMPTS:
                line = f"The job was interrupted {row.attempts} times, and is not tried again."
                end(connection, task_id, "ERROR", line)
                return None
            runner = str(uuid.uuid4())
            taken = {
                "runner": runner,
                "leased_until": now_ms() + LEASE_MS,
                "attempts": row.attempts + 1,
                "progress": 0,
                "errors": 0,
                "warnings": 0,
            }
            connection.execute(update(tasks).where(tasks.c.id == task_id).values(taken))
            if row.attempts:
                line = f"The job was interrupted: attempt {row.attempts + 1} of {MOST_ATTEMPTS}"
                connection.execute(insert(task_logs), [log_line(task_id, "INFO", line)])
        return Run(
            task_id=task_id,
            key=row.key,
            kind=row.kind,
            arguments=row.arguments,
            dataset_id=row.dataset_id,
            creator_id=row.creator_id,
            created_at=row.created_at,
            attempt=row.attempts + 1,
            runner=runner,
        )

    def renew(self, run: Run) -> None:
        """Keep a job for another while. Raises `JobLost` when it is another's by now."""
        with self._store.write() as connection:
            kept = update(tasks).where(_held(run)).values(leased_until=now_ms() + LEASE_MS)
            if connection.execute(kept).rowcount == 0:
                raise JobLost

    def cancelled(self, run: Run) -> bool:
        """Whether somebody has cancelled the job."""
        with self._store.read() as connection:
            asked = select(tasks.c.cancelled).where(_held(run))
            return bool(connection.execute(asked).scalar())

    def close(self, job: Job, ended: JobEnded) -> None:
        """Write how a job was left: to begin again another time, or cancelled."""
        run = job.run
        with self._store.write() as connection:
            asked = select(tasks.c.id).where(_held(run))
            if connection.execute(asked).first() is None:
                return
            if job.lines:
                connection.execute(insert(task_logs), job.lines)
            if not isinstance(ended, JobStopped):
                end(connection, run.task_id, "WARNING", "Cancelled.")
                return
            # An end that leaves it in order is no attempt that failed.
            free = {"runner": None, "leased_until": None, "attempts": run.attempt - 1}
            connection.execute(update(tasks).where(tasks.c.id == run.task_id).values(free))
            line = "The process that ran this job ends; the job begins again in the next one."
            connection.execute(insert(task_logs), [log_line(run.task_id, "INFO", line)])

    def _may_begin(self) -> ColumnElement[bool]:
        """Not completed, nobody's, and no older job of its dataset is unfinished."""
        older = tasks.alias()
        waits = exists().where(
            older.c.dataset_id == tasks.c.dataset_id,
            older.c.id < tasks.c.id,
            older.c.completed == false(),
            older.c.kind.is_not(None),
        )
        return and_(tasks.c.completed == false(), tasks.c.kind.in_(self._kinds), _free(), ~waits)


def enter(connection: Connection, order: Order, *, join: bool) -> Ticket:
    """Write a job down; or, if it may ``join``, give the unfinished one of its group."""
    if join:
        asked = select(tasks.c.key, tasks.c.id, tasks.c.name).where(
            tasks.c.completed == false(),
            tasks.c.cancelled == false(),
            tasks.c.dataset_id == order.dataset_id,
            tasks.c.group == order.group,
        )
        if (row := connection.execute(asked).first()) is not None:
            return Ticket(row.key, row.id, row.name)
    key = str(uuid.uuid4())
    values = {
        "key": key,
        "kind": order.kind,
        "arguments": dict(order.arguments),
        "group": order.group,
        "name": order.name,
        "dataset_id": order.dataset_id,
        "creator_id": order.creator_id,
        "created_at": now_ms(),
    }
    made = insert(tasks).values(values).returning(tasks.c.id)
    task_id: int = connection.execute(made).scalar_one()
    return Ticket(key, task_id, order.name)


def _free() -> ColumnElement[bool]:
    return or_(tasks.c.leased_until.is_(None), tasks.c.leased_until < now_ms())


def _held(run: Run) -> ColumnElement[bool]:
    return and_(tasks.c.id == run.task_id, tasks.c.runner == run.runner)


def is_waited_for(connection: Connection, run: Run) -> bool:
    """Whether a job of another kind could run in the place of this one."""
    older = tasks.alias()
    waits = exists().where(
        older.c.dataset_id == tasks.c.dataset_id,
        older.c.id < tasks.c.id,
        older.c.id != run.task_id,
        older.c.completed == false(),
        older.c.kind.is_not(None),
    )
    other = and_(tasks.c.completed == false(), tasks.c.kind != run.kind, _free(), ~waits)
    return bool(connection.execute(select(exists().where(other))).scalar_one())


def cancel(connection: Connection, task_id: int) -> None:
    """Cancel an unfinished job: at once if it has not begun, else at its next safe point."""
    flagged = update(tasks).where(tasks.c.id == task_id).values(cancelled=True)
    connection.execute(flagged)
    asked = select(tasks.c.id).where(tasks.c.id == task_id, _free())
    if connection.execute(asked).first() is not None:
        end(connection, task_id, "WARNING", "Cancelled.")


def end(connection: Connection, task_id: int, level: str, line: str) -> None:
    """Complete a job with a line in its log, and count it as an error or a warning."""
    connection.execute(insert(task_logs), [log_line(task_id, level, line)])
    column = tasks.c.errors if level == "ERROR" else tasks.c.warnings
    done = {column: column + 1, tasks.c.completed: True}
    done |= {tasks.c.runner: None, tasks.c.leased_until: None}
    connection.execute(update(tasks).where(tasks.c.id == task_id).values(done))
