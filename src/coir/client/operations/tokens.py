"""One's own API tokens: listing, making and revoking them."""

from __future__ import annotations

from typing import Literal

import msgspec

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, given
from coir.client.reply import checked, decoded
from coir.model import Token

__all__ = ["Scope", "Tokens"]

Scope = Literal["read", "annotate", "admin"]


class _Listed(msgspec.Struct):
    tokens: list[Token]


class _Made(Token, frozen=True, kw_only=True):
    token: str


class Tokens(Reach[Way]):
    """One's own API tokens, of coir's own server: ``server.tokens``.

    They take a session or the password: no token makes or revokes one.
    """

    @call
    def all(self) -> Operation[list[Token]]:
        """List one's tokens, also those that have expired: ``GET /api/user/tokens``."""
        request = Request("GET", "/api/user/tokens")
        return decoded(request, (yield request), _Listed).tokens

    @call
    def create(
        self, name: str, scope: Scope, *, days: int | None = None
    ) -> Operation[tuple[str, Token]]:
        """Make a token for so many days, 90 by default: ``POST /api/user/tokens``.

        Gives its text, which the server never tells again, and what it tells of it later.

        Raises:
            InvalidRequest: the name, the scope or the days are none, or there are too many.

        """
        body = given(name=name, scope=scope, days=days)
        request = Request("POST", "/api/user/tokens", json=body)
        made = decoded(request, (yield request), _Made)
        told = {field: getattr(made, field) for field in Token.__struct_fields__}
        return made.token, Token(**told)

    @call
    def revoke(self, token_id: int) -> Operation[None]:
        """End a token at once: ``DELETE /api/user/tokens/{id}``."""
        request = Request("DELETE", f"/api/user/tokens/{token_id}")
        checked(request, (yield request))
