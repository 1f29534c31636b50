"""Finished exports: what they are, their files, removing them."""

from __future__ import annotations

from pathlib import Path

from coir.client.call import Reach, Way, call, stream
from coir.client.exchange import Operation, Request
from coir.client.local_file import PathLike, received
from coir.client.reply import checked, decoded
from coir.model import Export

__all__ = ["Exports"]


class Exports(Reach[Way]):
    """Finished exports: ``server.exports``; ``dataset.export()`` makes one.

    Each call raises `InvalidRequest` where there is none that this user may see, and
    `PermissionDenied` where they may not download the dataset.
    """

    @call
    def get(self, export_id: int) -> Operation[Export]:
        """Tell of an export: ``GET /api/export/{id}``."""
        request = Request("GET", f"/api/export/{export_id}")
        return decoded(request, (yield request), Export)

    @call
    def download(self, export_id: int, path: PathLike) -> Operation[Path]:
        """Write the COCO file of an export to ``path``: ``GET /api/export/{id}/download``.

        It appears there when it is whole, and takes the place of a file that was there.

        Raises:
            CoirError: it cannot be written.

        """
        with received(path) as file:
            request = Request("GET", f"/api/export/{export_id}/download", into=file)
            checked(request, (yield request))
        return Path(path)

    @stream
    def pieces(self, export_id: int) -> Request:
        """Give the COCO file of an export in pieces: ``GET /api/export/{id}/download``."""
        return Request("GET", f"/api/export/{export_id}/download")

    @call
    def delete(self, export_id: int) -> Operation[None]:
        """Remove an export: ``DELETE /api/export/{id}``."""
        request = Request("DELETE", f"/api/export/{export_id}")
        checked(request, (yield request))
