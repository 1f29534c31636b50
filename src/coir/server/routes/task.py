"""Jobs: what runs, what ran, and what each said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, Row, delete, select

from coir.server.access import SignedIn, visible_tasks
from coir.server.answers import answer, refused
from coir.server.jobs.book import cancel
from coir.server.one_thread import OneThread
from coir.server.sessions import Caller
from coir.server.state import state_of
from coir.server.store.tables import task_logs, tasks

router = APIRouter(prefix="/api/tasks", route_class=OneThread)


@router.get("/")
def listed(request: Request, caller: SignedIn) -> Response:
    """The jobs that the caller may see, oldest first."""
    shown = select(
        tasks.c.id,
        tasks.c.group,
        tasks.c.name,
        tasks.c.completed,
        tasks.c.progress,
        tasks.c.errors,
        tasks.c.warnings,
    )
    with state_of(request).store.read() as connection:
        rows = connection.execute(shown.where(visible_tasks(caller)).order_by(tasks.c.id)).all()
    return answer([dict(row._mapping) for row in rows])  # noqa: SLF001 - SQLAlchemy's public name


@router.get("/{task_id:id}/logs")
def logs(request: Request, task_id: int, caller: SignedIn) -> Response:
    """The lines that a job has logged."""
    with state_of(request).store.read() as connection:
        _visible(connection, caller, task_id)
        asked = select(task_logs).where(task_logs.c.task_id == task_id).order_by(task_logs.c.id)
        lines = [_line(row) for row in connection.execute(asked)]
    return answer({"logs": lines})


@router.delete("/{task_id:id}")
def remove(request: Request, task_id: int, caller: SignedIn) -> Response:
    """Forget a completed job."""
    with state_of(request).store.write() as connection:
        row = _visible(connection, caller, task_id)
        if not row.completed:
            raise refused("Task is not completed")
        connection.execute(delete(tasks).where(tasks.c.id == task_id))
    return answer({"success": True})


@router.post("/{task_id:id}/cancel")
def end(request: Request, task_id: int, caller: SignedIn) -> Response:
    """Cancel a job: at once if it waits; one that runs ends soon, and keeps what it has done."""
    state = state_of(request)
    with state.store.write() as connection:
        row = _visible(connection, caller, task_id)
        if row.completed:
            raise refused("Task is completed already")
        if row.kind is not None and not state.jobs.cancellable(row.kind):
            raise refused("This task cannot be cancelled")
        cancel(connection, task_id)
    return answer({"success": True})


def _visible(connection: Connection, caller: Caller, task_id: int) -> Row[Any]:
    asked = select(tasks).where(tasks.c.id == task_id, visible_tasks(caller))
    row = connection.execute(asked).first()
    if row is None:
        raise refused("Invalid task id")
    return row


def _line(row: Row[Any]) -> str:
    at = datetime.fromtimestamp(row.at / 1000, UTC)
    return f"[{at:%d-%m-%Y %H:%M:%S}] [{row.level}] {row.line}"
