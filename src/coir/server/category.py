"""Categories: global, their names unique for each creator."""

from __future__ import annotations

import random
import re
from typing import Any

from sqlalchemy import Connection, Row, false, insert, select

from coir.server.answers import invalid, refused
from coir.server.parameters import mapping, optional_text, texts
from coir.server.sessions import Caller
from coir.server.store.engine import now_ms
from coir.server.store.tables import categories

MAX_NAME_LENGTH = 200
# Hexadecimal, a name, or a function of numbers: what CSS takes for a colour, and nothing else,
# because pages put it into a style.
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{1,32}|(rgb|hsl)a?\([0-9 .,%/]{1,40}\)")


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
    checked_name(name)
    if taken(connection, caller.id, name):
        raise refused("Category already exists. Check the undo tab to fully delete the category.")
    given = {key: value for key, value in fields.items() if value is not None}
    values = {"name": name, "creator_id": caller.id, "created_at": now_ms(), "color": color()}
    made = insert(categories).values(**(values | given)).returning(categories)
    return connection.execute(made).one()


def checked_name(name: str) -> str:
    """``name`` if a category can have it."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise refused(f"A category's name has 1 to {MAX_NAME_LENGTH} characters.")
    return name


def taken(connection: Connection, creator_id: int, name: str) -> bool:
    """Whether a category of this creator, deleted ones included, has the name."""
    asked = select(categories.c.id).where(
        categories.c.name == name, categories.c.creator_id == creator_id
    )
    return connection.execute(asked).first() is not None


def fields_of(body: dict[str, Any]) -> dict[str, Any]:
    """What a body says of a category beside its name; None where it says nothing."""
    labels, edges = texts(body, "keypoint_labels"), _edges(body)
    color, colors = optional_text(body, "color") or None, texts(body, "keypoint_colors")
    _check_colors("color", [color] if color else [])
    _check_colors("keypoint_colors", colors)
    _check_keypoints(labels, edges, colors)
    return {
        "supercategory": optional_text(body, "supercategory"),
        "color": color,
        "metadata": mapping(body, "metadata"),
        "keypoint_labels": labels,
        "keypoint_edges": edges,
        "keypoint_colors": colors,
    }


def color() -> str:
    """A random colour, ``#rrggbb``."""
    # Of no use to who guesses it; asking the system for each took a seventh of an import.
    return f"#{random.getrandbits(24):06x}"


def _edges(body: dict[str, Any]) -> list[list[int]]:
    edges = body.get("keypoint_edges") or []
    right = isinstance(edges, list) and all(
        isinstance(edge, list) and len(edge) == 2 and all(type(end) is int for end in edge)
        for edge in edges
    )
    if not right:
        raise invalid({"keypoint_edges": "keypoint_edges must be a list of pairs of integers"})
    return list(edges)


def _check_colors(name: str, colors: list[str]) -> None:
    for one in colors:
        if not _COLOR.fullmatch(one):
            raise invalid({name: f"{one[:80]!r} is no colour; write it as #rrggbb"})


def _check_keypoints(labels: list[str], edges: list[list[int]], colors: list[str]) -> None:
    """Edges are pairs of different keypoints, counted from 1; no more colours than keypoints."""
    for first, second in edges:
        if first == second or not (0 < first <= len(labels) and 0 < second <= len(labels)):
            raise invalid(
                {
                    "keypoint_edges": f"[{first}, {second}] joins no two of the {len(labels)} "
                    "keypoints, which count from 1"
                }
            )
    if len(colors) > len(labels):
        message = f"{len(colors)} colours are too many for {len(labels)} keypoints"
        raise invalid({"keypoint_colors": message})
