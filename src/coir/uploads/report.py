"""What became of an upload, file by file."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coir.errors import CoirError

__all__ = ["Outcome", "UploadPhase", "UploadProgress", "UploadReport", "Watcher"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: the id of its image, or the error.

    ``name`` is its place in the dataset: folders and file name.
    """

    name: str
    path: Path
    image_id: int | None = None
    error: CoirError | None = None


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What became of each file.

    ``present`` are the places in the dataset that had an image already, ``untried`` those of
    files that were not sent, since the server was gone; ``passed_over`` counts what in the
    given folders is no picture, or hidden.
    """

    uploaded: tuple[Outcome, ...] = ()
    present: tuple[str, ...] = ()
    failed: tuple[Outcome, ...] = ()
    untried: tuple[str, ...] = ()
    passed_over: int = 0

    @property
    def whole(self) -> bool:
        """Whether every file is in the dataset now."""
        return not self.failed and not self.untried

    def words(self) -> str:
        """Say it in one sentence."""
        parts = [f"{len(self.uploaded):,} uploaded", f"{len(self.present):,} were there"]
        if self.failed:
            parts.append(f"{len(self.failed):,} failed")
        if self.untried:
            parts.append(f"{len(self.untried):,} not tried")
        if self.passed_over:
            parts.append(f"{self.passed_over:,} passed over as hidden or no picture")
        return ", ".join(parts) + "."


class UploadPhase(enum.Enum):
    """How far an upload is."""

    LOOK = "looking what is there"
    SEND = "uploading"


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is: rows read of the dataset, or files dealt with, of how many.

    ``last`` is what became of the file just sent.
    """

    phase: UploadPhase
    done: int
    total: int | None
    last: Outcome | None = None


Watcher = Callable[[UploadProgress], None]
