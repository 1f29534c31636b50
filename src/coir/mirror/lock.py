"""One sync at a time: a lock on a mirror, with the number of the process that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coir.errors import CoirError, InvalidRequest

__all__ = ["locked"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock while the block runs.

    The system takes it from a process that ends, however it ends: a file that is left behind by
    one that was killed locks nobody out.

    Raises:
        InvalidRequest: another process holds it.
        CoirError: the file cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise CoirError(
            f"{path} cannot be written: {error.strerror}.",
            hint="Check who owns the folder, and its permissions.",
        ) from error
    try:
        if not _take(handle):
            owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise InvalidRequest(
                f"Another process ({owner or 'unknown'}) is at work on {path.parent.parent}.",
                hint="Wait for it, or end it; then run the command again.",
            )
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
        os.truncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        import fcntl
    except ModuleNotFoundError:
        return True  # where the system has no such locks, SQLite's own must do
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
