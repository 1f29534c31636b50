"""Categories: listing and making them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from coir.server import wire
from coir.server.access import SignedIn, visible_categories
from coir.server.answers import answer, invalid
from coir.server.category import create
from coir.server.parameters import Body, mapping, optional_text, required_text, texts
from coir.server.state import state_of
from coir.server.store.tables import categories, users

router = APIRouter(prefix="/api/category")


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
    name = required_text(body, "name")
    fields = {
        "supercategory": optional_text(body, "supercategory"),
        "color": optional_text(body, "color") or None,
        "metadata": mapping(body, "metadata"),
        "keypoint_edges": _edges(body),
        "keypoint_labels": texts(body, "keypoint_labels"),
        "keypoint_colors": texts(body, "keypoint_colors"),
    }
    with state_of(request).store.write() as connection:
        row = create(connection, caller, name, **fields)
    return answer(wire.category(row, caller.username))


def _edges(body: dict[str, Any]) -> list[list[int]]:
    """Pairs of keypoints, counted from 1."""
    edges = body.get("keypoint_edges") or []
    right = isinstance(edges, list) and all(
        isinstance(edge, list) and len(edge) == 2 and all(isinstance(end, int) for end in edge)
        for edge in edges
    )
    if not right:
        raise invalid({"keypoint_edges": "keypoint_edges must be a list of pairs of integers"})
    return list(edges)
