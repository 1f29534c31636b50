"""What is read: a server, who asks there, and the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import msgspec

from coir.client import Server, connect

__all__ = ["Place", "signed_in"]

# Of one answer: imports into the original are done in it.
TIMEOUT = 3600


class Place(msgspec.Struct, frozen=True):
    """``database`` and ``data`` are there when the bench has started the server.

    The SQLite file, or the URL of a PostgreSQL; and the folder of its data.
    """

    url: str
    username: str
    password: str
    dataset: str
    database: str = ""
    data: str = ""

    @property
    def directory(self) -> Path:
        """Where the dataset's files lie."""
        return Path(self.data) / "datasets" / self.dataset

    def connect(self) -> Server:
        """Connect and, if there is a user name, log in.

        Raises:
            CoirError: the server or the password is not what it should be.

        """
        name = self.username or None
        return connect(self.url, username=name, password=self.password if name else None)


@contextmanager
def signed_in(place: Place) -> Iterator[httpx.Client]:
    """Give a client with a session that does what `coir.client` does not: as pages ask."""
    # Without TLS there is nothing to verify.
    with httpx.Client(base_url=place.url, timeout=TIMEOUT, verify=False) as client:
        given = {"username": place.username, "password": place.password}
        client.post("/api/user/login", json=given).raise_for_status()
        yield client
