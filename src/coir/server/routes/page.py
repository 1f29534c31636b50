"""GET /api/dataset/{id}/data: the images of a dataset, page by page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement, Connection, and_, false, select, true

from coir.server import wire
from coir.server.access import SignedIn, visible_dataset
from coir.server.answers import answer, invalid, refused
from coir.server.filters import Condition, FilterError, parse
from coir.server.folders import OutsideError, logical_directory, segments
from coir.server.parameters import MAX_INTEGER, parsed_integer, query
from coir.server.state import ServerState, state_of
from coir.server.store import listing
from coir.server.store.conditions import where
from coir.server.store.tables import categories, images

router = APIRouter(prefix="/api/dataset")

DEFAULT_LIMIT = 20
DEFAULT_ORDER = "file_name"
NO_DATASET = "No such dataset, or you have no access to it: see GET /api/dataset/."


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a request for a page asks."""

    page: int
    limit: int
    folder: str
    order: str
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, given: dict[str, str]) -> PageQuery:
        """The query of these parameters: whatever is not one of ours is a filter."""
        rest = dict(given)
        page = parsed_integer("page", rest.pop("page", "1"))
        limit = parsed_integer("limit", rest.pop("limit", str(DEFAULT_LIMIT)))
        folder, order = rest.pop("folder", ""), rest.pop("order", DEFAULT_ORDER)
        if page < 1:
            raise invalid({"page": "pages count from 1"})
        if limit == 0:
            raise invalid({"limit": "a page of 0 images has no number; ask for 1 or more"})
        if order.lstrip("+-").startswith("$"):
            raise invalid({"order": f"{order!r} is no field to order by"})
        try:
            return cls(page, limit, folder, order, parse(rest))
        except FilterError as error:
            raise invalid(error.errors) from None


@router.get("/{dataset_id:id}/data")
def data(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """One page of the images that match, in a total order, and how many match in all."""
    started = time.perf_counter()
    state = state_of(request)
    asked = PageQuery.of(query(request))
    with state.store.read() as connection:
        row = visible_dataset(connection, caller, dataset_id, NO_DATASET, 404)
        folder = _Folder.of(state, row.name, asked.folder)
        condition = listing.living(
            dataset_id, and_(where(asked.conditions), folder.condition(row.name))
        )
        everything = not asked.conditions and not folder.shown
        total = row.num_images if everything else listing.count(connection, condition)
        size = abs(asked.limit)  # recorded: a negative limit is its absolute value
        offset = (asked.page - 1) * size
        shown = offset < min(total, MAX_INTEGER)
        body = {
            "total": total,
            "per_page": asked.limit,
            "pages": page_count(total, asked.limit),
            "page": asked.page - 1,
            "images": (
                listing.page(connection, condition, asked.order, size, offset) if shown else []
            ),
            "folder": folder.shown,
            "directory": logical_directory(row.name) + folder.shown,
            "dataset": wire.shown_datasets(connection, [row])[0],
            "categories": _categories(connection, row.categories),
            "subdirectories": folder.subdirectories,
        }
    body["time_ms"] = round((time.perf_counter() - started) * 1000)
    return answer(body)


def page_count(total: int, limit: int) -> int:
    """The recorded number of pages: one too many when the limit divides the total.

    A negative limit gives a negative number, rounded towards zero (recorded: per_page=-2).
    """
    whole = total // abs(limit)
    return (whole if limit > 0 else -whole) + 1


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of a dataset that was asked for and exists."""

    shown: str
    subdirectories: list[str]

    @classmethod
    def of(cls, state: ServerState, dataset_name: str, folder: str) -> _Folder:
        try:
            relative = segments(folder)
            names = state.folders.subdirectories(dataset_name, relative)
        except (OutsideError, OSError):
            raise refused("Directory does not exist.") from None
        return cls("".join(f"{segment}/" for segment in relative), names)

    def condition(self, dataset_name: str) -> ColumnElement[bool]:
        """The images below it: a range of paths."""
        if not self.shown:
            return true()
        prefix = logical_directory(dataset_name) + self.shown
        above = prefix[:-1] + chr(ord("/") + 1)  # the first text behind all that begin so
        return and_(images.c.path >= prefix, images.c.path < above)


def _categories(connection: Connection, ids: list[int]) -> list[dict[str, Any]]:
    asked = select(categories.c.id, categories.c.name).where(
        categories.c.id.in_(ids), categories.c.deleted == false()
    )
    rows = connection.execute(asked.order_by(categories.c.id))
    return [{"id": row.id, "name": row.name} for row in rows]
