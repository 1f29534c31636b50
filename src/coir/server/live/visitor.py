"""Who is at the other end of a connection, and how that was known."""

from __future__ import annotations

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

    def present(self, sessions: Sessions) -> Caller | None:
        """The same user with the rights of this moment, or None once the session is over."""
        shown = self.credentials
        try:
            found = sessions.caller(shown.cookie, shown.authorization, self.address)
        except Refusal:  # the password cannot be tried at the moment
            return None
        return found if found is not None and found.id == self.caller.id else None
