"""GET /api/dataset/{id}/changes: what changed in a dataset, in the order of the commits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool

from coir.server.access import SignedIn, visible_dataset
from coir.server.answers import answer, invalid, refused
from coir.server.cursors import Cursor
from coir.server.one_thread import OneThread
from coir.server.parameters import parsed_integer, query
from coir.server.selection import NO_DATASET
from coir.server.sessions import Caller
from coir.server.state import ServerState, state_of
from coir.server.store import changes as feed
from coir.server.store.changes import Place

router = APIRouter(prefix="/api/dataset", route_class=OneThread)

DEFAULT_LIMIT, MOST = 1000, 10_000
# Proxies commonly cut a connection that is silent for longer.
MOST_SECONDS = 60
EXPIRED = (
    "This cursor has expired: the changes behind it are not kept any more. Read everything again, "
    "with a new cursor taken before."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for changes asks."""

    since: Cursor | None
    limit: int
    wait: int

    @classmethod
    def of(cls, given: dict[str, str], dataset_id: int) -> Asked:
        """What these parameters ask. Refuses any other: a cursor under a wrong name was lost."""
        if unknown := [name for name in given if name not in ("since", "limit", "wait")]:
            message = "there is no such parameter here; there are since, limit, wait"
            raise invalid(dict.fromkeys(unknown, message))
        limit = parsed_integer("limit", given.get("limit", str(DEFAULT_LIMIT)))
        if not 1 <= limit <= MOST:
            raise invalid({"limit": f"limit must be between 1 and {MOST}"})
        wait = parsed_integer("wait", given.get("wait", "0"))
        if not 0 <= wait <= MOST_SECONDS:
            raise invalid({"wait": f"wait must be between 0 and {MOST_SECONDS} seconds"})
        since = given.get("since")
        return cls(None if since is None else Cursor.of(since, dataset_id), limit, wait)


@dataclass(frozen=True, slots=True)
class Found:
    """The entries behind a cursor, and the cursor behind them."""

    entries: Sequence[Row[Any]]
    cursor: Cursor
    more: bool

    def shown(self, given: dict[str, str]) -> dict[str, Any]:
        """The answer to a request with these parameters.

        They are repeated: without its cursor, which a proxy may drop, a request finds nothing new.
        """
        entries = [_shown(row) for row in self.entries]
        return {
            "changes": entries,
            "query": given,
            "cursor": str(self.cursor),
            "more": self.more,
        }


@router.get("/{dataset_id:id}/changes")
async def changes(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """The entries behind the cursor `since`; without it none, and the cursor of now.

    With `wait` an answer without entries comes only after so many seconds.
    """
    state = state_of(request)
    given = query(request)
    asked = Asked.of(given, dataset_id)
    deadline = time.monotonic() + asked.wait
    found = await run_in_threadpool(_found, state, caller, dataset_id, asked.since, asked.limit)
    while asked.since is not None and not found.entries:
        left = deadline - time.monotonic()
        if left <= 0 or not await state.followers.wait(dataset_id, found.cursor.place, left):
            break
        found = await run_in_threadpool(
            _found, state, caller, dataset_id, found.cursor, asked.limit
        )
    return answer(found.shown(given))


def _found(
    state: ServerState, caller: Caller, dataset_id: int, since: Cursor | None, limit: int
) -> Found:
    with state.store.read() as connection:
        visible_dataset(connection, caller, dataset_id, NO_DATASET, 404)
        key, start, end = feed.extent(connection)
        present = Cursor(key, dataset_id, end)
        if since is None:
            return Found((), present, more=False)
        if since.key != key or not start <= since.place <= end:
            raise refused(EXPIRED, 410)
        rows = feed.between(connection, dataset_id, since.place, end, limit + 1)
    if len(rows) <= limit:  # up to where all was looked at, so that a quiet one does not expire
        return Found(rows, present, more=False)
    last = Place(rows[limit - 1].xid, rows[limit - 1].seq)
    return Found(rows[:limit], Cursor(key, dataset_id, last), more=True)


def _shown(row: Row[Any]) -> dict[str, Any]:
    shown = {"kind": row.kind, "id": row.item_id, "change": row.change, "at": {"$date": row.at}}
    return shown if row.image_id is None else shown | {"image_id": row.image_id}
