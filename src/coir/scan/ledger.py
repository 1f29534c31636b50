"""Checks every answer, and keeps the account of what has been read.

The rules carry the numbers of docs/spec/scan.md.
"""

from __future__ import annotations

import enum
import hashlib
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from coir.scan.window import Ask, Window

__all__ = ["Finding", "Ledger", "Problem", "Reading"]


class Problem(enum.Enum):
    """What can be wrong with an answer."""

    NEGATIVE = "its total is negative"  # [L1]
    OUTSIDE = "it holds ids outside of what was asked for"  # [L2]
    DISORDER = "its ids do not ascend"  # [L3]
    SURPLUS = "it holds more rows than were asked for, or than it counts"  # [L4]
    SHORT = "it holds fewer rows than it counts"  # [L5]
    FAILED = "there was no answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer that does not add up: the window, what is wrong, and how often it was asked."""

    window: Window
    problem: Problem
    attempt: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of a window as one answer gave them, ascending by id."""

    window: Window
    rows: Sequence[Any]


@dataclass(slots=True)
class Segment:
    """A stretch of ids that has been read, and how many rows it had."""

    window: Window
    count: int


@dataclass
class Ledger:
    """What has been read so far: counts per window, the hash of the ids, the findings.

    ``ids`` holds the ids when they are kept, ascending, 8 bytes each.
    """

    keep_ids: bool = True
    ids: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    segments: list[Segment] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _digest: Any = field(default_factory=hashlib.sha256)

    def check(self, ask: Ask, total: int, ids: Sequence[int]) -> Problem | None:
        """Say what is wrong with an answer, if anything.

        An answer that holds as many rows as were asked for, and fewer than it counts,
        is right: it is the beginning of its window.
        """
        window = ask.window
        if total < 0:
            return Problem.NEGATIVE
        if any(second <= first for first, second in pairwise(ids)):
            return Problem.DISORDER
        if window and ids and not (ids[0] in window and ids[-1] in window):
            return Problem.OUTSIDE
        if len(ids) > ask.limit or len(ids) > total:
            return Problem.SURPLUS
        if len(ids) < min(total, ask.limit):
            return Problem.SHORT
        return None

    def enter(self, reading: Reading) -> None:
        """Enter a reading that follows, in ids, all that was entered before."""
        ids = array("q", [row.id for row in reading.rows])
        self.count += len(ids)
        self.segments.append(Segment(reading.window, len(ids)))
        if self.keep_ids:
            self.ids.extend(ids)
        if sys.byteorder == "big":  # the hash is defined over little-endian words
            ids.byteswap()
        self._digest.update(ids.tobytes())

    @property
    def ids_sha256(self) -> str:
        """The hash of the id set: SHA-256 over its ids, ascending, 8 bytes little-endian each."""
        return str(self._digest.hexdigest())
