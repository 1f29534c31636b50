"""Files of this machine: those that are sent, and those that answers are written into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from coir.client.failure import local_files
from coir.errors import InvalidRequest
from coir.files import opened_whole

__all__ = ["PathLike", "Source", "received", "sent"]

PathLike: TypeAlias = str | os.PathLike[str]
# What is sent: a file by its path, or its content.
Source: TypeAlias = PathLike | bytes


@contextmanager
def sent(source: Source, name: str | None) -> Iterator[tuple[str, bytes | BinaryIO]]:
    """Give the name and content of what is sent; by default the name is the file's own.

    Raises:
        InvalidRequest: content without a name, or a name that cannot be sent as it is.
        CoirError: the file cannot be read.

    """
    if isinstance(source, bytes):
        yield _checked(name), source
        return
    path = Path(source)
    with local_files():
        file = path.open("rb")
    with file:
        yield _checked(path.name if name is None else name), file


@contextmanager
def received(path: PathLike) -> Iterator[BinaryIO]:
    """Give the file that an answer goes into; it takes its name when the block ends well.

    Raises:
        CoirError: it cannot be written; what was there before is untouched.

    """
    with local_files(), opened_whole(Path(path)) as file:
        yield file


def _checked(name: str | None) -> str:
    if not name:
        raise InvalidRequest("What is sent has no name.", hint="Give a name.")
    # A form writes these in other words (%22 for a quote), and servers keep them so.
    if any(char in '"\\' or not char.isprintable() for char in name):
        raise InvalidRequest(
            f"The name {name!r} cannot be sent as it is.",
            hint='Rename the file: no quotes ("), backslashes or control characters.',
        )
    return name
