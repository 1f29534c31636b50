"""`coir datasets`: what there is to read."""

from __future__ import annotations

from coir.cli.access import Access, open_server, reaching
from coir.cli.output import put
from coir.cli.talk import printable, say

__all__ = ["datasets"]


@reaching
def datasets(
    access: Access,
) -> None:
    """List the datasets that this user may see: id, name and owner, separated by tabs."""
    with open_server(access) as connection:
        visible = connection.datasets()
    put(f"{one.id}\t{printable(one.name)}\t{printable(one.owner)}" for one in visible)
    if not visible:
        say("This user sees no dataset; ask an owner to share one.")
