"""GET /api/dataset/{id}/data: the images of a dataset, page by page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, false, select

from coir.server import wire
from coir.server.access import SignedIn
from coir.server.answers import answer, invalid
from coir.server.filters import Condition, FilterError, parse
from coir.server.folders import logical_directory
from coir.server.keyset import Course
from coir.server.live.presence import annotating
from coir.server.one_thread import OneThread
from coir.server.pagination import DEFAULT_LIMIT, page_count
from coir.server.parameters import MAX_INTEGER, parsed_integer, query
from coir.server.selection import Selection
from coir.server.state import ServerState, state_of
from coir.server.store import listing, places
from coir.server.store.listing import Order
from coir.server.store.milestones import Whole
from coir.server.store.tables import categories

router = APIRouter(prefix="/api/dataset", route_class=OneThread)

DEFAULT_ORDER = "file_name"


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a request for a page asks."""

    page: int
    limit: int
    folder: str
    order: Order
    conditions: tuple[Condition, ...]
    fields: tuple[str, ...]
    cursor: str | None  # empty for the first page of those that cursors lead through

    @property
    def size(self) -> int:
        """How many images are shown; recorded: a negative limit is its absolute value."""
        return abs(self.limit)

    @classmethod
    def of(cls, given: dict[str, str]) -> PageQuery:
        """The query of these parameters: whatever is not one of ours is a filter."""
        rest = dict(given)
        cursor = rest.pop("cursor", None)
        if cursor is not None and "page" in rest:
            raise invalid({"cursor": "a page is asked for by its number or by a cursor, not both"})
        page = parsed_integer("page", rest.pop("page", "1"))
        limit = parsed_integer("limit", rest.pop("limit", str(DEFAULT_LIMIT)))
        folder, order = rest.pop("folder", ""), rest.pop("order", DEFAULT_ORDER)
        fields = asked_fields(rest.pop("fields", ""))
        if page < 1:
            raise invalid({"page": "pages count from 1"})
        if limit == 0:
            raise invalid({"limit": "a page of 0 images has no number; ask for 1 or more"})
        if order.lstrip("+-").startswith("$"):
            raise invalid({"order": f"{order!r} is no field to order by"})
        try:
            return cls(page, limit, folder, Order.of(order), parse(rest), fields, cursor)
        except FilterError as error:
            raise invalid(error.errors) from None


@router.get("/{dataset_id:id}/data")
def data(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """One page of the images that match, in a total order, and how many match in all.

    With `cursor`, empty at first, the answer has `next_cursor`: nothing is skipped or repeated
    when images come and go meanwhile.
    """
    started = time.perf_counter()
    state = state_of(request)
    asked = PageQuery.of(query(request))
    with state.store.read() as connection:
        selected = Selection.of(
            state, connection, caller, dataset_id, asked.folder, asked.conditions
        )
        row, folder, total = selected.dataset, selected.folder, selected.total(connection)
        body = {
            "total": total,
            "per_page": asked.limit,
            "pages": page_count(total, asked.limit),
            **_numbered(state, connection, selected, asked, total),
            "folder": folder.shown,
            "directory": logical_directory(row.name) + folder.shown,
            "dataset": wire.shown_datasets(connection, [row])[0],
            "categories": _categories(connection, row.categories),
            "subdirectories": folder.subdirectories,
        }
    body["time_ms"] = round((time.perf_counter() - started) * 1000)
    return answer(body)


def asked_fields(text: str) -> tuple[str, ...]:
    """The fields asked for beside the recorded five, in the order in which they are shown."""
    asked = set(text.split(",")) if text else set()
    if unknown := sorted(asked.difference(listing.MORE_FIELDS)):
        known = ", ".join(listing.MORE_FIELDS)
        raise invalid({"fields": f"there is no {unknown[0]!r} to add; there are {known}"})
    return tuple(name for name in listing.MORE_FIELDS if name in asked)


def _numbered(
    state: ServerState, connection: Connection, selected: Selection, asked: PageQuery, total: int
) -> dict[str, Any]:
    """The images of a page with its number, or with the cursor of the next one."""
    marks = annotating(connection, dataset_id=selected.dataset.id)
    told: dict[str, Any] = {"fields": asked.fields, "annotating": marks}
    condition = selected.condition
    if asked.cursor is not None:
        row, order = selected.dataset, asked.order
        course = Course.of(row.id, order, selected.folder.shown, selected.conditions)
        place = course.place(asked.cursor) if asked.cursor else None
        shown, end = places.page(connection, condition, order, place, asked.size, **told)
        following = None if end is None else course.cursor(end)
        return {"page": None, "images": shown, "next_cursor": following}
    offset = (asked.page - 1) * asked.size
    if offset >= min(total, MAX_INTEGER):
        return {"page": asked.page - 1, "images": []}
    if selected.kept_total is not None:
        row = selected.dataset
        whole = Whole(row.id, row.layout, row.num_images)
        condition, offset = state.milestones.near(connection, whole, condition, asked.order, offset)
    shown = listing.page(connection, condition, asked.order, asked.size, offset, **told)
    return {"page": asked.page - 1, "images": shown}


def _categories(connection: Connection, ids: list[int]) -> list[dict[str, Any]]:
    if not ids:  # a query costs a third of a millisecond, and of 5,000 images the text four
        return []
    asked = select(categories.c.id, categories.c.name).where(
        categories.c.id.in_(ids), categories.c.deleted == false()
    )
    rows = connection.execute(asked.order_by(categories.c.id))
    return [{"id": row.id, "name": row.name} for row in rows]
