"""The options with which a command reaches a server, and the connection they make."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from getpass import getpass
from typing import Annotated

import typer

from coir.client import Server, connect
from coir.errors import AuthenticationFailed, InvalidRequest

__all__ = ["Cookie", "ServerUrl", "Username", "open_server"]

ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        envvar="COIR_SERVER",
        metavar="URL",
        help="The server's address, as the browser shows it.",
        show_default=False,
    ),
]
Username = Annotated[
    str | None,
    typer.Option(
        "--username",
        "-u",
        envvar="COIR_USERNAME",
        metavar="NAME",
        help="Log in as this user; the password is COIR_PASSWORD, or asked for.",
        show_default=False,
    ),
]
Password = Annotated[
    str | None,
    typer.Option("--password", envvar="COIR_PASSWORD", hidden=True),
]
Cookie = Annotated[
    str | None,
    typer.Option(
        "--cookie",
        envvar="COIR_COOKIE",
        metavar="VALUE",
        help="Instead of logging in, use the session cookie of a browser.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Access:
    """What the options said."""

    server: str | None
    username: str | None
    password: str | None
    cookie: str | None


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
    )
