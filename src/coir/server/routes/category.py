"""Categories: listing, making, changing and deleting them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, Row, false, func, select, update

from coir.server import wire
from coir.server.access import (
    SignedIn,
    managed_category,
    visible_categories,
    visible_category,
    visible_dataset_ids,
)
from coir.server.answers import answer, refused
from coir.server.category import checked_name, create, fields_of, taken
from coir.server.one_thread import OneThread
from coir.server.pagination import paginated
from coir.server.parameters import Body, query, required_text
from coir.server.sessions import Caller
from coir.server.state import state_of
from coir.server.store.engine import now_ms
from coir.server.store.tables import annotations, categories, users

router = APIRouter(prefix="/api/category", route_class=OneThread)

# What a category is without being told otherwise.
PLAIN: dict[str, Any] = {
    "supercategory": "",
    "color": None,
    "metadata": {},
    "keypoint_labels": [],
    "keypoint_edges": [],
    "keypoint_colors": [],
}


@router.get("/")
def listed(request: Request, caller: SignedIn) -> Response:
    """The categories that the caller may see."""
    with state_of(request).store.read() as connection:
        asked = (
            select(categories, users.c.username)
            .join(users, users.c.id == categories.c.creator_id)
            .where(visible_categories(connection, caller))
            .order_by(categories.c.id)
        )
        return answer([wire.category(row, row.username) for row in connection.execute(asked)])


@router.post("/")
def make(request: Request, caller: SignedIn, body: Body) -> Response:
    """Make a category."""
    name, fields = required_text(body, "name"), fields_of(body)
    with state_of(request).store.write() as connection:
        row = create(connection, caller, name, **fields)
    return answer(wire.category(row, caller.username))


@router.get("/data")
def pages(request: Request, caller: SignedIn) -> Response:
    """A page of the categories, each with the number of its annotations that the caller may see."""
    with state_of(request).store.read() as connection:
        visible = visible_categories(connection, caller)
        total = connection.execute(
            select(func.count()).select_from(categories).where(visible)
        ).scalar_one()
        pagination, start, limit = paginated(query(request), total)
        asked = (
            select(categories, users.c.username)
            .join(users, users.c.id == categories.c.creator_id)
            .where(visible)
            .order_by(categories.c.id)
        )
        rows = connection.execute(asked.limit(limit).offset(start)).all()
        numbers = _numbers(connection, caller, [row.id for row in rows])
    shown = [
        wire.category(row, row.username) | {"numberAnnotations": numbers.get(row.id, 0)}
        for row in rows
    ]
    return answer(
        {
            "pagination": pagination | {"showing": len(rows)},
            "page": pagination["page"],
            "categories": shown,
        }
    )


@router.get("/{category_id:id}")
def get(request: Request, category_id: int, caller: SignedIn) -> Response:
    """One category; a colour that it does not have is left out."""
    with state_of(request).store.read() as connection:
        row = visible_category(connection, caller, category_id)
        asked = select(users.c.username).where(users.c.id == row.creator_id)
        shown = wire.category(row, connection.execute(asked).scalar_one())
    if row.color is None:  # recorded: get.after_put_name_only
        del shown["color"]
    return answer(shown)


@router.put("/{category_id:id}")
def change(request: Request, category_id: int, caller: SignedIn, body: Body) -> Response:
    """Replace what a category says; what the body leaves out is erased, as recorded.

    Its metadata stays as it was made, whatever the body says (recorded: get.after_put_name_only,
    after a change that named some).
    """
    fields = PLAIN | {key: value for key, value in fields_of(body).items() if value is not None}
    del fields["metadata"]
    with state_of(request).store.write() as connection:
        row = _managed(connection, caller, category_id, "edit", "Invalid category id")
        name = required_text(body, "name")
        values = {"name": name, **fields}
        if all(getattr(row, key) == value for key, value in values.items()):
            return answer({"message": "Nothing to update"})
        if not name:
            raise refused("Invalid category name to update")
        if name != row.name and taken(connection, row.creator_id, checked_name(name)):
            raise refused(f"Category '{name}' already exists")
        connection.execute(
            update(categories).where(categories.c.id == category_id).values(**values)
        )
    return answer({"success": True})


@router.delete("/{category_id:id}")
def remove(request: Request, category_id: int, caller: SignedIn) -> Response:
    """Soft delete: the category leaves every list; annotations keep it, undo brings it back."""
    with state_of(request).store.write() as connection:
        # Recorded wording (delete.bad_id), though it is about a category.
        _managed(connection, caller, category_id, "delete", "Invalid image id")
        gone = {"deleted": True, "deleted_date": now_ms()}
        connection.execute(update(categories).where(categories.c.id == category_id).values(**gone))
    return answer({"success": True})


def _managed(
    connection: Connection, caller: Caller, category_id: int, action: str, message: str
) -> Row[Any]:
    forbidden = f"You do not have permission to {action} this category"
    return managed_category(connection, caller, category_id, message, forbidden)


def _numbers(connection: Connection, caller: Caller, ids: list[int]) -> dict[int, int]:
    """How many living annotations the caller may see of each category."""
    asked = (
        select(annotations.c.category_id, func.count().label("number"))
        .where(
            annotations.c.category_id.in_(ids),
            annotations.c.deleted == false(),
            annotations.c.dataset_id.in_(visible_dataset_ids(caller)),
        )
        .group_by(annotations.c.category_id)
    )
    return {row.category_id: row.number for row in connection.execute(asked)}
