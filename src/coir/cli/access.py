"""How a command reaches its server, from what the options, the environment and `login` say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from getpass import getpass

from coir.cli import options
from coir.cli.group import grouped
from coir.client import Server, connect
from coir.client.address import server_url
from coir.client.credentials import Credentials
from coir.client.kept_password import kept
from coir.errors import AuthenticationFailed, InvalidRequest

__all__ = ["Access", "asked", "open_server", "reaching"]


@dataclass(frozen=True, slots=True)
class Access:
    """What the options said."""

    server: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    basic: bool = False


OPTIONS = {
    "server": options.ServerUrl,
    "username": options.Username,
    "password": options.Password,
    "cookie": options.Cookie,
    "token": options.Token,
    "basic": options.Basic,
}


def reaching(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options in the place of its parameter ``access``."""
    return grouped(command, "access", Access, OPTIONS)


def open_server(access: Access) -> Server:
    """Connect as the options say, asking for the password when it is missing.

    Raises:
        InvalidRequest: no server is named.
        AuthenticationFailed: a password is needed, and nobody is there to type it.

    """
    access = asked(access)
    assert access.server is not None  # noqa: S101 - for the type checker: it was asked for
    return connect(
        access.server,
        username=access.username,
        password=access.password if access.username else None,
        token=access.token or access.cookie,
        basic=access.basic,
    )


def asked(access: Access, *, remembered: bool = True) -> Access:
    """Fill in what is missing: from what `coir login` kept, unless not wanted, or the person."""
    if not access.server:
        raise InvalidRequest(
            "No server is named.",
            hint="Add --server http://localhost:5000, or set COIR_SERVER.",
        )
    if access.token and access.cookie:
        raise InvalidRequest(
            "Both an API token and a session cookie are given.", hint="Use one of them."
        )
    if access.token:
        # Refuses what is no token, which `connect` would take for the value of a cookie.
        return replace(access, token=Credentials(token=access.token.strip()).token)
    if access.cookie or (access.username and access.password is not None):
        return access
    before = kept(server_url(access.server)) if remembered else None
    if before is not None and access.username in {None, before.username}:
        return replace(access, username=before.username, password=before.password)
    if access.username is None:
        return access
    if not sys.stdin.isatty():
        raise AuthenticationFailed(
            f"The password of user '{access.username}' is missing.",
            hint="Set COIR_PASSWORD, or run `coir login` once.",
        )
    return replace(access, password=getpass(f"Password of {access.username} at {access.server}: "))
