"""API tokens: what programs sign in with instead of a password.

A token is random, 256 bits of it. So its plain SHA-256 is what the database keeps: there is
nothing to guess that a slow hash would have to protect, as it does for the passwords that people
think of, and looking it up costs a program nothing on each request.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, false, func, insert, or_, select, update

from coir.server.answers import invalid, unsuccessful
from coir.server.notes import Notes
from coir.server.scopes import SCOPES
from coir.server.store.engine import Store, now_ms
from coir.server.store.prepared import prepared
from coir.server.store.tables import tokens, users

# Found by scanners for secrets, and told from the value of a session cookie, which has dots.
PREFIX = "coir_"
TOKEN_BYTES = 32
FORM = re.compile(rf"{PREFIX}[0-9a-f]{{{2 * TOKEN_BYTES}}}")

DAY_MS = 24 * 3600 * 1000
DEFAULT_DAYS = 90
MAX_DAYS = 3660
MAX_NAME_LENGTH = 100
# More are a program that makes one for each run; nobody could look through them.
MAX_TOKENS = 100
# How exactly the last use is known: each writing of it costs the disk a flush.
USED_MS = 60 * 1000


def checked_name(name: str) -> str:
    """``name`` if a token can have it."""
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise unsuccessful(
            f"A token's name has 1 to {MAX_NAME_LENGTH} printable characters, and no space at "
            "either end."
        )
    return name


def checked_scope(scope: str) -> str:
    """``scope`` if there is such a one."""
    if scope not in SCOPES:
        raise invalid({"scope": f"scope must be one of {', '.join(SCOPES)}"})
    return scope


def checked_days(days: int) -> int:
    """``days`` if a token can live so long."""
    if not 1 <= days <= MAX_DAYS:
        raise invalid({"days": f"days must be between 1 and {MAX_DAYS}"})
    return days


def create(
    connection: Connection, user_id: int, name: str, scope: str, days: int
) -> tuple[str, Row[Any]]:
    """Make a token; gives its text, which nothing keeps, and its row."""
    moment = now_ms()
    mine = tokens.c.user_id == user_id
    connection.execute(delete(tokens).where(mine, tokens.c.expires_at <= moment))
    count = connection.execute(select(func.count()).select_from(tokens).where(mine)).scalar_one()
    if count >= MAX_TOKENS:
        raise unsuccessful(f"A user has {MAX_TOKENS} tokens at most: revoke one first.")
    text = PREFIX + secrets.token_hex(TOKEN_BYTES)
    values = {
        "token_hash": _digest(text),
        "user_id": user_id,
        "name": name,
        "scope": scope,
        "created_at": moment,
        "expires_at": moment + days * DAY_MS,
    }
    return text, connection.execute(insert(tokens).values(values).returning(tokens)).one()


def listed(connection: Connection, user_id: int) -> list[Row[Any]]:
    """The tokens of a user, also expired ones, in the order in which they were made."""
    asked = select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.id)
    return list(connection.execute(asked).all())


def revoke(connection: Connection, token_id: int, user_id: int | None = None) -> None:
    """End a token, of this user if one is named. Refuses one that is not there."""
    condition = [tokens.c.id == token_id]
    if user_id is not None:
        condition.append(tokens.c.user_id == user_id)
    if connection.execute(delete(tokens).where(*condition)).rowcount == 0:
        raise unsuccessful("Invalid token id")


def bearer(authorization: str | None) -> str | None:
    """What an Authorization header carries as a bearer token, or None when it is no such one."""
    scheme, _, text = (authorization or "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


@prepared
def _with_token(*, token_hash: Any, moment: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(
            users.c.id,
            users.c.username,
            users.c.is_admin,
            tokens.c.scope,
            tokens.c.id.label("token_id"),
            tokens.c.last_used_at,
        )
        .join(tokens, tokens.c.user_id == users.c.id)
        .where(tokens.c.token_hash == token_hash)
        .where(tokens.c.expires_at > moment, users.c.deleted == false())
    )


class Tokens:
    """Finds the user of a token, and notes when it was used."""

    def __init__(self, store: Store, notes: Notes) -> None:
        self._store = store
        self._notes = notes
        self._written: dict[int, threading.Event] = {}

    def owner(self, text: str) -> Row[*tuple[Any, ...]] | None:
        """The user's id, name and rights, and the scope, of a token that holds; or None."""
        if not FORM.fullmatch(text):
            return None
        moment = now_ms()
        row = self._store.first(*_with_token(token_hash=_digest(text), moment=moment))
        if row is not None and moment - (row.last_used_at or 0) >= USED_MS:
            self._note(row.token_id, moment)
        return row

    def _note(self, token_id: int, moment: int) -> None:
        before = self._written.get(token_id)
        if before is not None and not before.is_set():
            return
        used = tokens.c.last_used_at  # another process may have written it meanwhile
        old = or_(used.is_(None), used <= moment - USED_MS)
        change = update(tokens).where(tokens.c.id == token_id, old).values(last_used_at=moment)
        self._written[token_id] = self._notes.add(change, f"The use of token {token_id}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
