"""Users: registering, signing in and out."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy import delete as delete_from

from coir.server import wire
from coir.server.access import SignedIn, not_cross_site
from coir.server.answers import answer, unsuccessful
from coir.server.parameters import Body, optional_text, required_text
from coir.server.passwords import MAX_PASSWORD_LENGTH
from coir.server.sessions import COOKIE, fold
from coir.server.state import ServerState, state_of
from coir.server.store.engine import now_ms
from coir.server.store.tables import sessions, users

router = APIRouter(prefix="/api/user")

MAX_NAME_LENGTH = 64


@router.post("/register")
def register(request: Request, body: Body) -> Response:
    """Make a user and sign in; the first one is the administrator."""
    state = state_of(request)
    if not state.settings.allow_registration:
        raise unsuccessful("Registration of new accounts is disabled.")
    username = _checked_username(required_text(body, "username"))
    hashed = state.passwords.hash(_checked_password(required_text(body, "password")))
    with state.store.write() as connection:
        taken = select(users.c.id).where(users.c.username_folded == fold(username))
        if connection.execute(taken).first() is not None:
            raise unsuccessful("Username already exists.")
        first = connection.execute(select(func.count()).select_from(users)).scalar_one() == 0
        row = connection.execute(
            insert(users)
            .values(
                oid=_new_oid(),
                username=username,
                username_folded=fold(username),
                password_hash=hashed,
                name=optional_text(body, "name"),
                email=optional_text(body, "email"),
                is_admin=first,
                created_at=now_ms(),
            )
            .returning(users)
        ).one()
        return _signed_in(state, connection, row)


@router.post("/login")
def login(request: Request, body: Body) -> Response:
    """Open a session; takes equally long whether the user exists or not."""
    state = state_of(request)
    password = required_text(body, "password")
    username = required_text(body, "username")
    row = _by_name(state, username)
    if not state.passwords.verify(None if row is None else row.password_hash, password):
        raise unsuccessful("Could not authenticate user")
    if row is None:
        raise unsuccessful("Could not authenticate user")
    with state.store.write() as connection:
        return _signed_in(state, connection, row)


@router.get("/")
def me(request: Request, caller: SignedIn) -> Response:
    """The user who asks."""
    with state_of(request).store.read() as connection:
        row = connection.execute(select(users).where(users.c.id == caller.id)).one()
    return answer({"user": wire.user(row)})


@router.get("/logout", dependencies=[Depends(not_cross_site)])
def logout(request: Request, caller: SignedIn) -> Response:  # noqa: ARG001 - must be signed in
    """End the session of the cookie; it is worth nothing afterwards, wherever it was copied."""
    state_of(request).sessions.close(request.cookies.get(COOKIE, ""))
    response = answer({"success": True})
    _set_cookie(response, "")
    return response


@router.post("/password")
def password(request: Request, body: Body, caller: SignedIn) -> Response:
    """Change the password, and end the user's other sessions."""
    state = state_of(request)
    old = required_text(body, "password")
    new = _checked_password(required_text(body, "new_password"))
    row = _by_name(state, caller.username)
    if row is None or not state.passwords.verify(row.password_hash, old):
        raise unsuccessful("The current password is wrong.")
    hashed = state.passwords.hash(new)
    with state.store.write() as connection:
        connection.execute(
            update(users).where(users.c.id == caller.id).values(password_hash=hashed)
        )
        connection.execute(delete_from(sessions).where(sessions.c.user_id == caller.id))
        response = answer({"success": True})
        if request.cookies.get(COOKIE):
            _set_cookie(response, state.sessions.open(connection, caller.id))
    return response


def _signed_in(state: ServerState, connection: Connection, row: Row[Any]) -> Response:
    response = answer({"success": True, "user": wire.user(row)})
    _set_cookie(response, state.sessions.open(connection, row.id))
    return response


def _set_cookie(response: Response, value: str) -> None:
    # Recorded: HttpOnly and Path, no expiry (the session ends by its row and its signature).
    # SameSite is ours: without it a link on another site acts with the user's session.
    response.headers.append("Set-Cookie", f"{COOKIE}={value}; HttpOnly; Path=/; SameSite=Lax")


def _by_name(state: ServerState, username: str) -> Row[Any] | None:
    with state.store.read() as connection:
        asked = select(users).where(users.c.username_folded == fold(username))
        return connection.execute(asked).first()


def _checked_username(username: str) -> str:
    printable = username.isprintable() and username == username.strip()
    if not 0 < len(username) <= MAX_NAME_LENGTH or not printable or ":" in username:
        raise unsuccessful(
            f"A username has 1 to {MAX_NAME_LENGTH} printable characters, no colon (HTTP Basic "
            "could not carry it) and no space at either end."
        )
    return username


def _checked_password(text: str) -> str:
    if not 0 < len(text) <= MAX_PASSWORD_LENGTH:
        raise unsuccessful(f"A password has 1 to {MAX_PASSWORD_LENGTH} characters.")
    return text


def _new_oid() -> str:
    """24 hexadecimal digits, as clients of the original expect of a user's id."""
    return f"{now_ms() // 1000:08x}{secrets.token_hex(8)}"
