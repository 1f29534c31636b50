"""Who is at the other end of a connection, and how that was known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from coir.server.answers import Refusal
from coir.server.sessions import Caller, Sessions


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a handshake showed."""

    cookie: str | None
    authorization: str | None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user's connection."""

    caller: Caller
    credentials: Credentials
    address: str
    session: str | None
    # Where the board ended when they came: what other processes told before is not for them.
    place: int

    def present(self, sessions: Sessions) -> Caller | None:
        """The same user with the rights of this moment, or None once the session is over."""
        shown = self.credentials
        try:
            found = sessions.caller(shown.cookie, shown.authorization, self.address)
        except Refusal:  # the password cannot be tried at the moment
            return None
        return found if found is not None and found.id == self.caller.id else None


def session_of(cookie: str | None) -> str | None:
    """A name for the session of a cookie, with which nobody can use it."""
    return None if cookie is None else hashlib.sha256(cookie.encode()).hexdigest()
