"""GET /api/dataset/{id}/ids: every image id of one instant in a single answer."""

from __future__ import annotations

from collections.abc import Generator

import msgspec
from fastapi import APIRouter, Request, Response

from coir.server.access import SignedIn
from coir.server.answers import invalid, refused
from coir.server.filters import Condition, FilterError, parse
from coir.server.parameters import MAX_INTEGER, query
from coir.server.selection import Selection
from coir.server.sessions import Caller
from coir.server.state import ServerState, state_of
from coir.server.store import listing
from coir.server.stream import Stream

router = APIRouter(prefix="/api/dataset")

# What `/data` takes beside the folder and the filters.
NOT_HERE = ("page", "limit", "order", "fields", "cursor")
# While one reads, the database cannot fold its log into its file. A million ids take a quarter
# of a second to make; who takes them slower than a page after page can read windows instead.
SECONDS = 60.0


@router.get("/{dataset_id:id}/ids")
def ids(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """``{"total": N, "query": {…}, "ids": […]}``: all that match, ascending, of one instant.

    The query is repeated, so that a client sees when a proxy dropped a part of it.
    """
    given = query(request)
    asked = msgspec.json.encode(given)
    if wrong := [name for name in NOT_HERE if name in given]:
        message = "does not belong here: the answer holds every id that matches, ascending"
        raise invalid(dict.fromkeys(wrong, message))
    folder = given.pop("folder", "")
    try:
        conditions = parse(given)
    except FilterError as error:
        raise invalid(error.errors) from None
    pieces = _pieces(state_of(request), caller, dataset_id, folder, conditions, asked)
    first = next(pieces)  # here a refusal is still an answer
    return Stream(_all(first, pieces), SECONDS)


def _all(first: bytes, rest: Generator[bytes]) -> Generator[bytes]:
    try:
        yield first
        yield from rest
    finally:
        rest.close()


def _pieces(
    state: ServerState,
    caller: Caller,
    dataset_id: int,
    folder: str,
    conditions: tuple[Condition, ...],
    asked: bytes,
) -> Generator[bytes]:
    """The text of the answer, made within one read transaction that ends with it."""
    if not state.snapshots.acquire(blocking=False):
        raise refused("Too many lists of ids are being read; ask again, or read /data.", 503)
    try:
        with state.store.read() as connection:
            selected = Selection.of(state, connection, caller, dataset_id, folder, conditions)
            after, others = _lower_bound(conditions)
            texts = listing.ids(connection, selected.meeting(others), after)
            text, number = next(texts, (b"", 0))
            if number < listing.IDS_IN_TEXT and selected.kept_total is None:
                total = number  # these are all: no need to count them again
            else:
                total = selected.total(connection)
            yield b'{"total":%d,"query":%b,"ids":[%b' % (total, asked, text)
            for text, more in texts:
                yield b",%b" % text
                number += more
            if number != total:
                # The kept count is wrong: half an answer breaks off, and is never taken for one.
                raise RuntimeError(f"dataset {dataset_id} has {number} images, not {total}")
            yield b"]}"
    finally:
        state.snapshots.release()


def _lower_bound(conditions: tuple[Condition, ...]) -> tuple[int, list[Condition]]:
    """The largest id that the conditions leave out from below, and the other conditions."""
    after, others = -MAX_INTEGER - 1, []
    for one in conditions:
        if one.field == "id" and one.operator in ("gt", "gte"):
            after = max(after, one.value - (one.operator == "gte"))
        else:
            others.append(one)
    return after, others
