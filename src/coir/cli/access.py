"""The options with which a command reaches a server, and the connection they make."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from getpass import getpass

from coir.client import Server, connect
from coir.errors import AuthenticationFailed, InvalidRequest

__all__ = ["Access", "open_server"]


@dataclass(frozen=True, slots=True)
class Access:
    """What the options said."""

    server: str | None
    username: str | None
    password: str | None
    cookie: str | None
    basic: bool = False


def open_server(access: Access) -> Server:
    """Connect as the options say, asking for the password when it is missing.

    Raises:
        InvalidRequest: no server is named.
        AuthenticationFailed: a password is needed, and nobody is there to type it.

    """
    if not access.server:
        raise InvalidRequest(
            "No server is named.",
            hint="Add --server http://localhost:5000, or set COIR_SERVER.",
        )
    password = access.password
    if access.username and password is None:
        if not sys.stdin.isatty():
            raise AuthenticationFailed(
                f"The password of user '{access.username}' is missing.",
                hint="Set COIR_PASSWORD.",
            )
        password = getpass(f"Password of {access.username} at {access.server}: ")
    return connect(
        access.server,
        username=access.username,
        password=password if access.username else None,
        token=access.cookie,
        basic=access.basic,
    )
