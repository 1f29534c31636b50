"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["opened_whole", "write_whole"]


@contextmanager
def opened_whole(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Give a file with a temporary name, which takes its place when the block ends well.

    ``mode`` is what the file allows, less the process's umask.

    Raises:
        OSError: it cannot be written; what was there before is untouched.

    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)  # of an earlier process with the same number
    try:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file that is there with all of its content, or as it was before.

    Raises:
        OSError: it cannot be written; what was there before is untouched.

    """
    with opened_whole(path, mode) as file:
        file.write(content)
