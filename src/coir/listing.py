"""The published script's function, kept under its own name and signature."""

from __future__ import annotations

from collections.abc import Mapping

from coir.client import connect
from coir.scan import Scan

__all__ = ["get_all_image_ids"]


def get_all_image_ids(
    base_url: str, dataset_id: int | str, token: Mapping[str, str] | str | None = None
) -> list[int]:
    """Give the id of every image of a dataset, ascending: all of them, or an error.

    It takes the place of the paging function of the same name that many scripts have
    copied; only the import changes.

    Args:
        base_url: the server's address, with or without ``/api``.
        dataset_id: the dataset's id, or its name.
        token: the session: a cookie dictionary, a ``Cookie`` header, or the value of the
            cookie ``session``; or an API token; None for a server without login.

    Raises:
        IncompleteScan: what was retrieved cannot be shown to be whole.
        CoirError: the server, the session or the dataset is not what it should be.

    """
    with connect(base_url, token=token) as server:
        return Scan(server.dataset(dataset_id)).ids().tolist()
