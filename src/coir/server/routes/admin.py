"""Administration of users, by administrators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, Row, false, func, select, update

from coir.server import user, wire
from coir.server.access import Administrator
from coir.server.answers import answer, invalid, unsuccessful
from coir.server.one_thread import OneThread
from coir.server.pagination import page_count
from coir.server.parameters import (
    Body,
    optional_text,
    parsed_integer,
    query,
    required_text,
)
from coir.server.sessions import Caller
from coir.server.state import state_of
from coir.server.store.tables import users

router = APIRouter(prefix="/api/admin", route_class=OneThread)

DEFAULT_LIMIT = 50


@router.get("/users")
def listed(request: Request, caller: Administrator) -> Response:  # noqa: ARG001 - must be one
    """A page of the users, in the order in which they registered."""
    given = query(request)
    page = parsed_integer("page", given.get("page", "1"))
    limit = parsed_integer("limit", given.get("limit", str(DEFAULT_LIMIT)))
    if page < 1:
        raise invalid({"page": "pages count from 1"})
    if limit < 1:
        raise invalid({"limit": "a page has at least 1 row"})
    there = users.c.deleted == false()
    with state_of(request).store.read() as connection:
        total = connection.execute(
            select(func.count()).select_from(users).where(there)
        ).scalar_one()
        asked = select(users).where(there).order_by(users.c.id).limit(limit)
        rows = connection.execute(asked.offset(min((page - 1) * limit, total))).all()
    return answer(
        {
            "total": total,
            "pages": page_count(total, limit),
            "page": page - 1,
            "per_page": limit,
            "users": [wire.listed_account(row) for row in rows],
        }
    )


@router.post("/user/")
def create(request: Request, caller: Administrator, body: Body) -> Response:
    """Make a user, whether or not newcomers may register. No API token makes an administrator."""
    state = state_of(request)
    is_admin = _is_admin(body) or False
    if is_admin:
        _not_by_token(caller)
    username = user.checked_username(required_text(body, "username"))
    hashed = state.passwords.hash(user.checked_password(required_text(body, "password")))
    with state.store.write() as connection:
        row = user.create(
            connection,
            username,
            hashed,
            name=optional_text(body, "name"),
            email=optional_text(body, "email"),
            is_admin=is_admin,
        )
    return answer({"success": True, "user": wire.account(row)})


@router.get("/user/{username}")
def get(request: Request, username: str, caller: Administrator) -> Response:  # noqa: ARG001
    """One user."""
    with state_of(request).store.read() as connection:
        return answer(wire.account(_found(connection, username)))


@router.patch("/user/{username}")
def change(
    request: Request,
    username: str,
    caller: Administrator,
    body: Body,
) -> Response:
    """Set what the body names; a new password ends the user's sessions and tokens.

    No API token makes an administrator or sets the password of one.
    """
    state = state_of(request)
    changes: dict[str, Any] = {
        key: text for key in ("name", "email") if (text := optional_text(body, key))
    }
    if text := optional_text(body, "password"):
        changes["password_hash"] = state.passwords.hash(user.checked_password(text))
    if (is_admin := _is_admin(body)) is not None:
        changes["is_admin"] = is_admin
    with state.store.write() as connection:
        row = _found(connection, username)
        if is_admin or (row.is_admin and "password_hash" in changes):
            _not_by_token(caller)
        if is_admin is False:
            user.refuse_last_administrator(connection, row)
        if changes:
            connection.execute(update(users).where(users.c.id == row.id).values(**changes))
        if "password_hash" in changes:
            user.end_access(connection, row.id)
        return answer(wire.account(_found(connection, username)))


@router.delete("/user/{username}")
def remove(request: Request, username: str, caller: Administrator) -> Response:  # noqa: ARG001
    """Remove a user: no access any more; what they made stays, under their name."""
    with state_of(request).store.write() as connection:
        row = _found(connection, username)
        user.refuse_last_administrator(connection, row)
        user.remove(connection, row)
    return answer({"success": True})


def _found(connection: Connection, username: str) -> Row[Any]:
    row = user.by_name(connection, username)
    if row is None:
        raise unsuccessful("User not found")
    return row


def _not_by_token(caller: Caller) -> None:
    """Refuse what would leave whoever has a token with more than that token."""
    if caller.scope is not None:
        raise unsuccessful("No API token may do this: sign in with a password.", 403)


def _is_admin(body: dict[str, Any]) -> bool | None:
    value = body.get("is_admin", body.get("isAdmin"))
    if value is None or isinstance(value, bool):
        return value
    name = "is_admin" if "is_admin" in body else "isAdmin"
    raise invalid({name: f"{name} must be true or false"})
