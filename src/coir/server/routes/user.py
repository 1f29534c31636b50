"""Users: registering, signing in and out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, Row, select, update

from coir.server import user, wire
from coir.server.access import SignedIn, address, not_cross_site, on_this_machine
from coir.server.answers import answer, unsuccessful
from coir.server.one_thread import OneThread
from coir.server.parameters import Body, optional_text, required_text
from coir.server.sessions import COOKIE
from coir.server.state import state_of
from coir.server.store.tables import users

router = APIRouter(prefix="/api/user", route_class=OneThread)

FIRST = (
    "The first user administers, and is made on the server's own machine: register there, at "
    "localhost, or run `coir admin users create NAME`."
)

UNKNOWN = "Could not authenticate user"
WRONG = "Password does not match current passowrd"  # so spelled by the original


@router.post("/register")
def register(request: Request, body: Body) -> Response:
    """Make a user and sign in; the first one is the administrator.

    Who registers first must be on the server's own machine: whoever finds a new server in the
    network before its owner does must not administer it.
    """
    state = state_of(request)
    if not state.settings.registration:
        raise unsuccessful("Registration of new accounts is disabled.")
    username = user.checked_username(required_text(body, "username"))
    text = user.checked_password(required_text(body, "password"))
    hashed = state.passwords.hash(text)
    with state.store.write() as connection:
        if user.nobody(connection) and not on_this_machine(request):
            raise unsuccessful(FIRST, 403)
        row = user.create(
            connection,
            username,
            hashed,
            name=optional_text(body, "name"),
            email=optional_text(body, "email"),
        )
        return _signed_in(request, connection, row)


@router.post("/login")
def login(request: Request, body: Body) -> Response:
    """Open a session; takes equally long whether the user exists or not.

    After too many failures of a name or from an address: 429, and `Retry-After` says how long.
    """
    state = state_of(request)
    text = required_text(body, "password")
    username = required_text(body, "username")
    state.attempts.check(username, address(request))
    with state.store.read() as connection:
        row = user.by_name(connection, username)
    right = state.passwords.verify(None if row is None else row.password_hash, text)
    if row is None or not right:
        state.attempts.failed(username, address(request))
        raise unsuccessful(UNKNOWN)
    state.attempts.succeeded(username, address(request))
    with state.store.write() as connection:
        if not user.still_has(connection, row.id, row.password_hash):
            raise unsuccessful(UNKNOWN)
        return _signed_in(request, connection, row)


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
    _set_cookie(request, response, "")
    return response


@router.post("/password")
def password(request: Request, body: Body, caller: SignedIn) -> Response:
    """Change the password; the user's other sessions and all tokens end."""
    state = state_of(request)
    old = required_text(body, "password")
    new = user.checked_password(required_text(body, "new_password"))
    state.attempts.check(caller.username, address(request))
    with state.store.read() as connection:
        row = user.by_name(connection, caller.username)
    if row is None or not state.passwords.verify(row.password_hash, old):
        state.attempts.failed(caller.username, address(request))
        raise unsuccessful(WRONG)
    hashed = state.passwords.hash(new)
    with state.store.write() as connection:
        if not user.still_has(connection, caller.id, row.password_hash):
            raise unsuccessful(WRONG)
        user.set_password(connection, caller.id, hashed)
        connection.execute(
            update(users).where(users.c.id == caller.id).values(password_changed=True)
        )
        response = answer({"success": True})
        if request.cookies.get(COOKIE):
            _set_cookie(request, response, state.sessions.open(connection, caller.id))
    return response


def _signed_in(request: Request, connection: Connection, row: Row[Any]) -> Response:
    response = answer({"success": True, "user": wire.user(row)})
    _set_cookie(request, response, state_of(request).sessions.open(connection, row.id))
    return response


def _set_cookie(request: Request, response: Response, value: str) -> None:
    # Recorded: HttpOnly and Path, no expiry (the session ends by its row and its signature).
    # SameSite is ours: without it a link on another site acts with the user's session. So is
    # Secure, where the browser speaks TLS: the cookie must not travel without it.
    secure = "; Secure" if request.url.scheme == "https" else ""
    set_cookie = f"{COOKIE}={value}; HttpOnly; Path=/; SameSite=Lax{secure}"
    response.headers.append("Set-Cookie", set_cookie)
