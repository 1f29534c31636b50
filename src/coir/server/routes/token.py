"""One's own API tokens. No token makes or ends one: that takes a session, or the password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from coir.server import tokens, user, wire
from coir.server.access import SignedIn
from coir.server.answers import answer, unauthorized
from coir.server.one_thread import OneThread
from coir.server.parameters import Body, integer, required_text
from coir.server.state import state_of

router = APIRouter(prefix="/api/user/tokens", route_class=OneThread)


@router.get("")
def listed(request: Request, caller: SignedIn) -> Response:
    """One's tokens: name, scope, and when each was made, was last used and ends."""
    with state_of(request).store.read() as connection:
        rows = tokens.listed(connection, caller.id)
    return answer({"tokens": [wire.token(row) for row in rows]})


@router.post("")
def create(request: Request, caller: SignedIn, body: Body) -> Response:
    """Make a token; its text is in this answer, and never shown again."""
    name = tokens.checked_name(required_text(body, "name"))
    scope = tokens.checked_scope(required_text(body, "scope"))
    days = tokens.checked_days(integer(body, "days", tokens.DEFAULT_DAYS) or 0)
    with state_of(request).store.write() as connection:
        if not user.still_has(connection, caller.id, caller.password_hash):
            raise unauthorized()
        text, row = tokens.create(connection, caller.id, name, scope, days)
    return answer({"success": True, "token": text} | wire.token(row))


@router.delete("/{token_id:id}")
def revoke(request: Request, token_id: int, caller: SignedIn) -> Response:
    """End a token at once."""
    with state_of(request).store.write() as connection:
        tokens.revoke(connection, token_id, caller.id)
    return answer({"success": True})
