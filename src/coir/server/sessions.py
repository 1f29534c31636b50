"""Who is asking: an API token, the session cookie, or HTTP Basic; each on any route."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from itsdangerous import BadSignature, TimestampSigner
from sqlalchemy import Connection, Row, Select, delete, false, insert, select

from coir.server.attempts import Attempts
from coir.server.names import fold
from coir.server.passwords import Passwords
from coir.server.store.engine import Store, now_ms
from coir.server.store.prepared import prepared
from coir.server.store.tables import sessions, users
from coir.server.tokens import Tokens, bearer

COOKIE = "session"
SESSION_DAYS = 31  # recorded: a cookie is accepted 30.99 days after signing, refused at 31.01
SESSION_MS = SESSION_DAYS * 24 * 3600 * 1000
# A page-after-page reading with Basic would spend 50 ms of CPU a request on argon2.
BASIC_SECONDS = 60.0
BASIC_ENTRIES = 1024
CALLER = (users.c.id, users.c.username, users.c.is_admin, users.c.password_hash)


@dataclass(frozen=True, slots=True)
class Caller:
    """The user who sent the request."""

    id: int
    username: str
    is_admin: bool
    scope: str | None = None  # of an API token; None: all that the user may do
    # What the cookie or the password was good for: `user.still_has` tells whether it still is.
    password_hash: str = field(default="", repr=False)


class Sessions:
    """Opens, finds and ends sessions.

    The cookie carries a random token, signed with its time. The database has a row for each
    session under the token's hash, so that logging out ends it, and a stolen copy of the
    database opens none.
    """

    def __init__(
        self,
        store: Store,
        secret: bytes,
        passwords: Passwords,
        attempts: Attempts,
        tokens: Tokens,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._passwords = passwords
        self._attempts = attempts
        self._signer = TimestampSigner(secret, salt="coir.session", digest_method=hashlib.sha256)
        self._basic = _Verified()

    def open(self, connection: Connection, user_id: int) -> str:
        """Begin a session in the caller's transaction; returns the cookie's value."""
        token = secrets.token_urlsafe(32)
        moment = now_ms()
        connection.execute(delete(sessions).where(sessions.c.created_at < moment - SESSION_MS))
        connection.execute(
            insert(sessions).values(token_hash=_digest(token), user_id=user_id, created_at=moment)
        )
        return self._signer.sign(token).decode()

    def close(self, cookie: str) -> None:
        """End the session of this cookie."""
        token = self._token(cookie)
        if token is not None:
            with self._store.write() as connection:
                connection.execute(delete(sessions).where(sessions.c.token_hash == _digest(token)))

    def caller(self, cookie: str | None, authorization: str | None, address: str) -> Caller | None:
        """The user of a valid cookie, else of valid Basic credentials, else None.

        An API token that is sent decides alone: a browser adds its cookie by itself, and what a
        program asks for with a token must not succeed by more than that.

        Refuses credentials from an address with too many failed attempts.
        """
        if (token := bearer(authorization)) is not None:
            row = self._tokens.owner(token)
            return None if row is None else Caller(row.id, row.username, row.is_admin, row.scope)
        found = self._by_cookie(cookie) if cookie else None
        if found is None and authorization:
            found = self._by_basic(authorization, address)
        if found is None:
            return None
        return Caller(found.id, found.username, found.is_admin, password_hash=found.password_hash)

    def _token(self, cookie: str) -> str | None:
        try:
            return self._signer.unsign(cookie, max_age=SESSION_DAYS * 24 * 3600).decode()
        except (BadSignature, UnicodeError):
            return None

    def _by_cookie(self, cookie: str) -> Row[*tuple[Any, ...]] | None:
        token = self._token(cookie)
        if token is None:
            return None
        return self._store.first(
            *_with_session(token_hash=_digest(token), since=now_ms() - SESSION_MS)
        )

    def _by_basic(self, authorization: str, address: str) -> Row[*tuple[Any, ...]] | None:
        given = _credentials(authorization)
        if given is None:
            return None
        name, password = given
        row = self._store.first(
            select(*CALLER).where(users.c.username_folded == fold(name), users.c.deleted == false())
        )
        stored = row.password_hash if row is not None else None
        if stored is not None and self._basic.holds(stored, password):
            return row
        self._attempts.check(name, address)
        if not self._passwords.verify(stored, password) or stored is None:
            self._attempts.failed(name, address)
            return None
        self._attempts.succeeded(name, address)
        self._basic.add(stored, password)
        return row


@prepared
def _with_session(*, token_hash: Any, since: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(*CALLER)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.token_hash == token_hash, sessions.c.created_at >= since)
        .where(users.c.deleted == false())
    )


class _Verified:
    """Passwords that were found right a moment ago.

    An entry is a keyed hash of the password together with the stored hash that it matched: a
    changed password has another stored hash, so its old entry is never found again, in this
    process or in another. The key is random and lives as long as the process.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._lock = Lock()

    def _entry(self, stored: str, password: str) -> bytes:
        message = f"{stored}\0{password}".encode()
        return hmac.digest(self._key, message, "sha256")

    def holds(self, stored: str, password: str) -> bool:
        """Whether this pair was verified within the last minute."""
        with self._lock:
            return self._until.get(self._entry(stored, password), 0.0) > time.monotonic()

    def add(self, stored: str, password: str) -> None:
        """Remember a pair that was just verified; the oldest leave first."""
        with self._lock:
            self._until[self._entry(stored, password)] = time.monotonic() + BASIC_SECONDS
            while len(self._until) > BASIC_ENTRIES:
                self._until.popitem(last=False)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _credentials(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        return None
    return (name, password) if colon else None
