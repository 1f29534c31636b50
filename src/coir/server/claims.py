"""Which jobs run: a locked file for each, which tells other processes over the same data so.

A lock ends with its process, however that ends: what is not completed and not locked was
interrupted.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


class Claims:
    """The jobs that this process has taken upon itself, and whether others have theirs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, BinaryIO] = {}

    def hold(self, key: str) -> None:
        """Claim a job that nobody else knows yet."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = (self._folder / key).open("wb")
        _lock(file)
        self._held[key] = file

    def release(self, key: str) -> None:
        """Give a job up, whose end is in the database."""
        file = self._held.pop(key, None)
        if file is not None:
            (self._folder / key).unlink(missing_ok=True)
            file.close()

    def held(self, key: str) -> bool:
        """Whether a living process, this one or another, has the job."""
        place = self._folder / key
        try:
            with place.open("rb") as file:
                _lock(file)
        except BlockingIOError:
            return True
        except OSError:
            return False
        with suppress(OSError):
            place.unlink()
        return False


def _lock(file: BinaryIO) -> None:
    """Lock it until it is closed. Raises BlockingIOError when another has."""
    try:
        import fcntl
    except ImportError:  # Windows: a folder is then served by one process
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
