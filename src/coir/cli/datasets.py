"""`coir datasets`: what there is to read."""

from __future__ import annotations

from coir.cli.access import Access, Cookie, Password, ServerUrl, Username, open_server
from coir.cli.output import put
from coir.cli.talk import printable, say

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
    put(f"{one.id}\t{printable(one.name)}\t{printable(one.owner)}" for one in visible)
    if not visible:
        say("This user sees no dataset; ask an owner to share one.")
