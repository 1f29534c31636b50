"""What was deleted: listing it, bringing it back, removing it for good."""

from __future__ import annotations

from typing import Literal

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, query
from coir.client.reply import checked, decoded
from coir.model import Deleted

__all__ = ["Kind", "Undo"]

Kind = Literal["annotation", "image", "category", "dataset"]


class Undo(Reach[Way]):
    """What was deleted: ``server.undo``."""

    @call
    def all(
        self, kind: Kind | None = None, *, limit: int | None = None
    ) -> Operation[list[Deleted]]:
        """List what was deleted and this user may bring back, newest first.

        ``GET /api/undo/list/``; at most 1,000.
        """
        request = Request("GET", "/api/undo/list/", query(type=kind, limit=limit))
        return decoded(request, (yield request), list[Deleted])

    @call
    def restore(self, kind: Kind, id: int) -> Operation[None]:  # noqa: A002 - as the wire has it
        """Bring something back: ``POST /api/undo/``.

        Raises:
            InvalidRequest: there is no such thing, or this user may not.

        """
        request = Request("POST", "/api/undo/", json={"id": id, "instance": kind})
        checked(request, (yield request))

    @call
    def remove(self, kind: Kind, id: int) -> Operation[None]:  # noqa: A002 - as the wire has it
        """Remove something deleted for good: ``DELETE /api/undo/``.

        An image goes with its file, a dataset with all that is in it.

        Raises:
            InvalidRequest: there is no such thing, it was never deleted, or this user may not.

        """
        request = Request("DELETE", "/api/undo/", query(id=id, instance=kind))
        checked(request, (yield request))
