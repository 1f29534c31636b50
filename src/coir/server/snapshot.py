"""A list of one instant in a single streamed answer: ``{"total": N, "query": {…}, NAME: […]}``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass

import msgspec
from fastapi import Request, Response
from sqlalchemy import Connection

from coir.server.answers import invalid, refused
from coir.server.filters import Condition, FilterError, parse
from coir.server.parameters import MAX_INTEGER, query
from coir.server.selection import Selection
from coir.server.sessions import Caller
from coir.server.state import ServerState, state_of
from coir.server.store.listing import Texts
from coir.server.stream import Stream

How = Callable[[Connection, Selection], Texts]

# While one reads, the database cannot fold its log into its file. A million ids take a quarter
# of a second to make, and as many rows two; who takes them slower than a page after page can
# read windows instead.
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for a list selects; `given` are its parameters as they came."""

    folder: str
    conditions: tuple[Condition, ...]
    given: Mapping[str, str]

    @classmethod
    def of(cls, request: Request, out_of_place: Collection[str]) -> Asked:
        """The selection of a request; `out_of_place` are parameters that pages take."""
        given = query(request)
        if wrong := [name for name in out_of_place if name in given]:
            message = "does not belong here: the answer holds all that match, by ascending id"
            raise invalid(dict.fromkeys(wrong, message))
        rest = {name: text for name, text in given.items() if name not in ("folder", "fields")}
        try:
            return cls(given.get("folder", ""), parse(rest), given)
        except FilterError as error:
            raise invalid(error.errors) from None


def answered(
    request: Request, caller: Caller, dataset_id: int, asked: Asked, name: str, how: How
) -> Response:
    """All that match, of one instant, written as `how` says once it has the selection.

    The query is repeated, so that a client sees when a proxy dropped a part of it.
    """
    pieces = _pieces(state_of(request), caller, dataset_id, asked, name, how)
    return Stream.begun(pieces, SECONDS)


def _pieces(
    state: ServerState, caller: Caller, dataset_id: int, asked: Asked, name: str, how: How
) -> Generator[bytes]:
    """The text of the answer, made within one read transaction that ends with it."""
    if not state.snapshots.acquire(blocking=False):
        raise refused("Too many whole lists are being read; ask again, or read /data.", 503)
    try:
        with state.store.read() as connection:
            selected = Selection.of(
                state, connection, caller, dataset_id, asked.folder, asked.conditions
            )
            after, others = _lower_bound(asked.conditions)
            texts = how(connection, selected)
            made = texts.written(connection, selected.meeting(others), after)
            text, number = next(made, (b"", 0))
            if number < texts.size and selected.kept_total is None:
                total = number  # these are all: no need to count them again
            else:
                total = selected.total(connection)
            given = msgspec.json.encode(asked.given)
            yield b'{"total":%d,"query":%b,"%b":[%b' % (total, given, name.encode(), text)
            for text, more in made:
                yield texts.between.encode() + text
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
