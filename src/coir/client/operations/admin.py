"""The users of a server, for administrators."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, given, query
from coir.client.reply import checked, decoded
from coir.model import User, UserPage

__all__ = ["Admin"]


class _Created(msgspec.Struct):
    user: User


class Admin(Reach[Way]):
    """The users, for administrators: ``server.admin``; others get `AuthenticationFailed`."""

    @call
    def users(self, *, page: int = 1, limit: int = 50) -> Operation[UserPage]:
        """List the users, so many a page, counted from 1: ``GET /api/admin/users``."""
        request = Request("GET", "/api/admin/users", query(page=page, limit=limit))
        return decoded(request, (yield request), UserPage)

    @call
    def user(self, username: str) -> Operation[User]:
        """Give a user: ``GET /api/admin/user/{username}``.

        Raises:
            InvalidRequest: there is none of this name.

        """
        request = Request("GET", _path(username))
        return decoded(request, (yield request), User)

    @call
    def create_user(
        self,
        username: str,
        password: str,
        *,
        name: str | None = None,
        email: str | None = None,
        is_admin: bool = False,
    ) -> Operation[User]:
        """Make a user, whether or not people may register: ``POST /api/admin/user/``.

        Raises:
            InvalidRequest: the name is taken, or no name or password of this server's.

        """
        # The original reads `isAdmin`; coir's server either.
        more = {"is_admin": is_admin, "isAdmin": is_admin}
        body = given(username=username, password=password, name=name, email=email) | more
        request = Request("POST", "/api/admin/user/", json=body)
        return decoded(request, (yield request), _Created).user

    @call
    def change_user(
        self,
        username: str,
        *,
        name: str | None = None,
        email: str | None = None,
        password: str | None = None,
        is_admin: bool | None = None,
    ) -> Operation[User]:
        """Change what is given of a user: ``PATCH /api/admin/user/{username}``.

        A new password ends the user's sessions.

        Raises:
            InvalidRequest: there is none of this name, or it is the only administrator.

        """
        body = given(name=name, email=email, password=password, is_admin=is_admin, isAdmin=is_admin)
        request = Request("PATCH", _path(username), json=body)
        return decoded(request, (yield request), User)

    @call
    def delete_user(self, username: str) -> Operation[None]:
        """Remove a user; what they made stays: ``DELETE /api/admin/user/{username}``.

        Raises:
            InvalidRequest: there is none of this name, or it is the only administrator.

        """
        request = Request("DELETE", _path(username))
        checked(request, (yield request))


def _path(username: str) -> str:
    return f"/api/admin/user/{quote(username, safe='')}"
