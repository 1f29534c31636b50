"""What was deleted: listing it, bringing it back, removing it for good."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, Row, Table, func, select, update

from coir.server import counters, removal, removing
from coir.server.access import SignedIn, removable, restorable
from coir.server.ago import ago
from coir.server.answers import answer, invalid, refused
from coir.server.one_thread import OneThread
from coir.server.parameters import (
    ANYWHERE,
    Values,
    integer,
    parsed_integer,
    query,
    required_text,
)
from coir.server.sessions import Caller
from coir.server.state import state_of
from coir.server.store.tables import annotations, categories, datasets, images

router = APIRouter(prefix="/api/undo", route_class=OneThread)

KINDS: dict[str, Table] = {
    "category": categories,
    "annotation": annotations,
    "image": images,
    "dataset": datasets,
}
MOST = 1000  # recorded
DEFAULT_LIMIT = 50


class Target:
    """The deleted thing that a request names."""

    def __init__(self, given: Values) -> None:
        number = integer(given, "id")
        if number is None:
            raise invalid({"id": f"Missing required parameter in {ANYWHERE}"})
        self.id = number
        self.kind = required_text(given, "instance", ANYWHERE)
        if self.kind not in KINDS:
            raise refused("Instance not found")
        self.table = KINDS[self.kind]

    def row(self, connection: Connection, condition: Any) -> Row[Any]:
        """Its row, or the refusal that does not tell whether it exists."""
        asked = select(self.table).where(self.table.c.id == self.id, condition)
        row = connection.execute(asked).first()
        if row is None:
            raise refused("Invalid id")
        return row


Named = Annotated[Target, Depends()]


@router.get("/list/")
def listed(request: Request, caller: SignedIn) -> Response:
    """What was deleted and the caller may bring back, newest first; `type` and `limit` select."""
    given = query(request)
    asked = parsed_integer("limit", given.get("limit", str(DEFAULT_LIMIT)))
    limit = max(1, min(asked, MOST))
    wanted = given.get("type", "all")
    names = KINDS if wanted == "all" else [name for name in KINDS if name == wanted]
    found: list[tuple[int, dict[str, Any]]] = []
    with state_of(request).store.read() as connection:
        for kind in names:
            found += _deleted(connection, caller, kind, limit)
    found.sort(key=lambda one: -one[0])
    return answer([shown for _, shown in found[:limit]])


@router.post("/")
def restore(request: Request, caller: SignedIn, target: Named) -> Response:
    """Bring a deleted thing back."""
    state = state_of(request)
    folders = state.folders
    with state.store.write() as connection:
        row = target.row(connection, restorable(caller, target.table))
        connection.execute(
            update(target.table)
            .where(target.table.c.id == row.id)
            .values(deleted=False, deleted_date=None)
        )
        # What a removal had put aside that was killed before its end, or could not be written down.
        if target.table is annotations:
            counters.refresh(connection, row.image_id)
        elif target.table is images:
            folders.unhide(row.path, row.id)
        elif target.table is datasets:
            folders.reinstate(row.name, row.id)
    return answer({"success": True})


@router.delete("/")
def remove(request: Request, caller: SignedIn, target: Named) -> Response:
    """Remove a deleted thing for good: an image with its file; a dataset in a job that it starts.

    The dataset is gone for everybody at once; its rows are removed by the job.
    """
    state, begun = state_of(request), None
    with state.store.write() as connection:
        row = target.row(connection, removable(caller, target.table))
        if target.table is datasets:
            begun = removing.begin(connection, state.jobs, state.folders, row, caller.id)
        else:
            removal.REMOVE[target.kind](connection, state.folders, row)
    if target.table is images:
        state.folders.remove_hidden(row.path, row.id)
    if begun is not None:
        state.jobs.call(begun)
    return answer({"success": True})


def _deleted(
    connection: Connection, caller: Caller, kind: str, limit: int
) -> list[tuple[int, dict[str, Any]]]:
    """The newest of one kind, each with the moment of its deletion."""
    table = KINDS[kind]
    # What another program marked as deleted may lack the moment.
    moment = func.coalesce(table.c.deleted_date, 0).label("moment")
    asked = select(table, moment).where(restorable(caller, table))
    rows = connection.execute(asked.order_by(moment.desc(), table.c.id).limit(limit))
    return [
        (
            row.moment,
            {
                "id": row.id,
                "name": getattr(row, "name", getattr(row, "file_name", "-")),
                "instance": kind,
                "ago": ago(row.moment),
                "date": f"{datetime.fromtimestamp(row.moment / 1000, UTC):%Y-%m-%d %T.%f}",
            },
        )
        for row in rows
    ]
