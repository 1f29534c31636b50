"""Where the files of removed images go until they are emptied: a folder for each sync."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coir.client.failure import local_files

__all__ = ["Trash"]


class Trash:
    """The trash of a mirror.

    Args:
        home: the folder of the images.
        bin: the folder that they are moved into.

    """

    def __init__(self, home: Path, bin: Path) -> None:  # noqa: A002 - a noun
        self.home = home
        self.bin = bin

    def take(self, sync: int, places: Sequence[str]) -> None:
        """Move files there; those that are gone already are passed over.

        Raises:
            CoirError: a file cannot be moved.

        """
        with local_files():
            for place in places:
                source, target = self.home / place, self.bin / str(sync) / place
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    source.replace(target)
                except FileNotFoundError:
                    continue  # by hand, or by a run that was killed before it said so
