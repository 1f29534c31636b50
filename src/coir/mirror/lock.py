"""One process at a time: a lock on a mirror, with the number of the process that holds it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coir.errors import CoirError, MirrorBusy
from coir.mirror.tree import NO_LINK, Tree

__all__ = ["holder", "locked"]

# Who only asks who holds a lock holds it for an instant: nobody is turned away for that.
TRIES = 5
PAUSE = 0.02


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock while the block runs.

    The system takes it from a process that ends, however it ends: a file that is left behind by
    one that was killed locks nobody out.

    Raises:
        MirrorBusy: another process holds it.
        CoirError: the file cannot be written, or a link leads out of the mirror's folder.

    """
    with _writing(path):
        own = Tree(path.parent.parent).own(_place(path))
        handle = os.open(own, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    try:
        if not _taken(handle):
            owner = _noted(handle)
            raise MirrorBusy(
                f"Another process ({owner or 'unknown'}) is at work on {path.parent.parent}.",
                hint="Wait for it, or end it; then run the command again.",
                pid=owner,
            )
        with _writing(path):
            os.truncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
        os.truncate(handle, 0)
    finally:
        os.close(handle)


def holder(path: Path) -> int | None:
    """Give the number of the process that holds a lock; None where none does, 0 if unknown."""
    try:
        if Tree(path.parent.parent).file(_place(path)) is None:
            return None  # nobody ever held it; whatever a link leads to is no lock of a mirror
        handle = os.open(path, os.O_RDWR | NO_LINK)
    except OSError:
        return None  # nobody here could hold it
    try:
        return None if _take(handle) else _noted(handle) or 0
    finally:
        os.close(handle)


def _place(path: Path) -> str:
    """Give where a lock lies below the folder of its mirror."""
    return f"{path.parent.name}/{path.name}"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise CoirError(
            f"{path} cannot be written: {error.strerror}.",
            hint="Free some space, and run it again."
            if full
            else "Check who owns the folder, and its permissions.",
        ) from error


def _taken(handle: int) -> bool:
    for _ in range(TRIES):
        if _take(handle):
            return True
        time.sleep(PAUSE)
    return False


def _noted(handle: int) -> int | None:
    text = os.pread(handle, 20, 0)
    return int(text) if text.isdigit() else None


def _take(handle: int) -> bool:
    try:
        import fcntl
    except ModuleNotFoundError:
        return True  # where the system has no such locks, SQLite's own must do
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A network's folder without locks: whoever is noted there and still runs, has it.
        return not _lives(_noted(handle))
    return True


def _lives(process: int | None) -> bool:
    if process is None or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
