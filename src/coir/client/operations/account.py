"""The user who asks: registering, logging in and out, the password."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from coir.client import routes
from coir.client.call import Reach, Way, call
from coir.client.credentials import Credentials
from coir.client.exchange import Operation, Request, given
from coir.client.reply import checked, decoded
from coir.model import User

__all__ = ["Account"]


class _Registered(msgspec.Struct):
    user: User


class Account(Reach[Way]):
    """The user who asks: ``server.account``."""

    @call
    def me(self) -> Operation[User]:
        """Ask who is logged in: ``GET /api/user/``.

        Raises:
            AuthenticationFailed: nobody is.

        """
        return routes.me()

    @call
    def register(
        self, username: str, password: str, *, name: str | None = None, email: str | None = None
    ) -> Operation[User]:
        """Register a user, and be that user from now on: ``POST /api/user/register``.

        The first user of a server is its administrator.

        Raises:
            InvalidRequest: the name is taken, or no name or password of this server's, or
                nobody may register.

        """
        body = given(username=username, password=password, name=name, email=email)
        request = Request("POST", "/api/user/register", json=body)
        user = decoded(request, (yield request), _Registered).user
        self.transport.adopt(Credentials(username, password))
        return user

    @call
    def log_in(self, username: str, password: str) -> Operation[None]:
        """Be another user from now on: ``POST /api/user/login``.

        Raises:
            AuthenticationFailed: the user name or the password is wrong.
            ServerFailed: too many attempts; ``retry_after`` says for how many seconds.

        """
        credentials = Credentials(username, password)
        yield from routes.login(credentials)
        self.transport.adopt(credentials)

    @call
    def log_out(self) -> Operation[None]:
        """End the session, and be nobody from now on: ``GET /api/user/logout``."""
        request = Request("GET", "/api/user/logout", attempts=1)
        checked(request, (yield request))
        self.transport.adopt(Credentials())

    @call
    def change_password(self, password: str, new: str) -> Operation[None]:
        """Change the password; other sessions end: ``POST /api/user/password``.

        Raises:
            InvalidRequest: the present password is wrong, or the new one too short.

        """
        body = {"password": password, "new_password": new}
        request = Request("POST", "/api/user/password", json=body)
        checked(request, (yield request))
        if self.transport.credentials.username is not None:
            self.transport.adopt(replace(self.transport.credentials, password=new))
