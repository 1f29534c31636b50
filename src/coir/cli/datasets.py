"""`coir datasets`: what there is to read."""

from __future__ import annotations

import sys

from coir.cli.access import Access, Cookie, Password, ServerUrl, Username, open_server
from coir.cli.talk import say

__all__ = ["datasets"]


def datasets(
    server: ServerUrl = None,
    username: Username = None,
    password: Password = None,
    cookie: Cookie = None,
) -> None:
    """List the datasets that this user may see: id, name and owner, separated by tabs."""
    with open_server(Access(server, username, password, cookie)) as connection:
        visible = connection.datasets()
    for one in visible:
        sys.stdout.write(f"{one.id}\t{one.name}\t{one.owner}\n")
    sys.stdout.flush()
    if not visible:
        say("This user sees no dataset; ask an owner to share one.")
