"""What is read: a server, who asks there, and the dataset."""

from __future__ import annotations

import msgspec

from coir.client import Server, connect

__all__ = ["Place"]


class Place(msgspec.Struct, frozen=True):
    """``database`` is the server's SQLite file when the bench has started it."""

    url: str
    username: str
    password: str
    dataset: str
    database: str = ""

    def connect(self) -> Server:
        """Connect and, if there is a user name, log in.

        Raises:
            CoirError: the server or the password is not what it should be.

        """
        name = self.username or None
        return connect(self.url, username=name, password=self.password if name else None)
