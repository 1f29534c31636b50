"""`coir login` and `coir logout`: keep the password, so that it need not be given again."""

from __future__ import annotations

from typing import Annotated

import typer

from coir.cli import options
from coir.cli.access import Access, asked, open_server
from coir.cli.talk import say
from coir.client.address import server_url
from coir.client.credentials import Credentials
from coir.client.kept_password import forget, keep
from coir.errors import InvalidRequest

__all__ = ["login", "logout"]


def login(
    server: options.ServerUrl = None,
    username: options.Username = None,
    password: options.Password = None,
) -> None:
    """Log in, and keep user name and password for this server.

    They go into the desktop's keyring where there is one (extra 'keyring'), and otherwise
    into a file that only you can read. Other commands find them by the server's address.
    """
    if not username:
        raise InvalidRequest("No user is named.", hint="Add --username, or set COIR_USERNAME.")
    # What was kept before may be what no longer works.
    access = asked(Access(server, username, password), remembered=False)
    with open_server(access) as connection:
        url = connection.url
    where = keep(url, Credentials(access.username, access.password))
    say(f"Logged in at {url} as {username}; the password is kept in {where}.")


def logout(
    server: Annotated[
        str, typer.Option("--server", "-s", envvar="COIR_SERVER", metavar="URL", help="Which one.")
    ],
) -> None:
    """Forget the user name and password of a server."""
    url = server_url(server)
    say(f"Forgotten: {url}." if forget(url) else f"Nothing was kept for {url}.")
