"""Categories: global, their names unique for each creator."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, Row, false, insert, select

from coir.server.answers import refused
from coir.server.sessions import Caller
from coir.server.store.engine import now_ms
from coir.server.store.tables import categories

MAX_NAME_LENGTH = 200


def ids_of(connection: Connection, caller: Caller, names: list[str]) -> list[int]:
    """The ids of categories by name, in this order, made when there is none.

    The caller's own comes before another's of the same name (recorded: create.by_bob finds
    admin's cat).
    """
    ids = []
    for name in dict.fromkeys(names):
        asked = (
            select(categories.c.id)
            .where(categories.c.name == name, categories.c.deleted == false())
            .order_by(categories.c.creator_id != caller.id, categories.c.id)
        )
        found = connection.execute(asked.limit(1)).scalar()
        ids.append(create(connection, caller, name).id if found is None else found)
    return ids


def create(connection: Connection, caller: Caller, name: str, **fields: Any) -> Row[Any]:
    """Make a category; its colour is random when none is given. Refuses a taken name."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise refused(f"A category's name has 1 to {MAX_NAME_LENGTH} characters.")
    taken = select(categories.c.id).where(
        categories.c.name == name, categories.c.creator_id == caller.id
    )
    if connection.execute(taken).first() is not None:
        raise refused("Category already exists. Check the undo tab to fully delete the category.")
    given = {key: value for key, value in fields.items() if value is not None}
    values = {"name": name, "creator_id": caller.id, "created_at": now_ms(), "color": color()}
    made = insert(categories).values(**(values | given)).returning(categories)
    return connection.execute(made).one()


def color() -> str:
    """A random colour, ``#rrggbb``."""
    return f"#{secrets.token_hex(3)}"
