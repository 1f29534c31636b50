"""Checks every answer, and keeps the account of what has been read.

The rules carry the numbers of docs/spec/scan.md.
"""

from __future__ import annotations

import enum
import hashlib
import operator
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from coir.scan.ask import Ask, Purpose, Reply, Window

__all__ = ["Finding", "Ledger", "Problem", "Reading", "Segment"]

# So many of the newest ids stand in the certificate, so that a later scan of what is new
# since then can look again a little below the high-water mark, where rows may appear late.
NEWEST = 1_000
LARGEST_ID = 2**63


class Problem(enum.Enum):
    """What can be wrong with an answer."""

    NEGATIVE = "its total is negative"  # [L1]
    OUTSIDE = "it holds ids outside of what was asked for"  # [L2]
    IMPOSSIBLE = "it holds an id that no image has"  # [L2]
    MISMATCH = "it holds rows that the filter leaves out"  # [L7]
    REPEATED = "it holds only rows of the page before"  # [O2]
    DISORDER = "its ids do not ascend"  # [L3]
    CROWDED = "it counts more rows than there are ids"  # [L8]
    MISPLACED = "it counts every id, and does not begin with the first"  # [L8]
    SURPLUS = "it holds more rows than were asked for, or than it counts"  # [L4]
    SHORT = "it holds fewer rows than it counts"  # [L5]
    GAP = "it does not overlap with what was read before"  # [O2]
    UNCONFIRMED = "it does not confirm which id is the largest"  # [W1]
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
    """What one answer gave of a window: ids, ascending, and the rows they belong to.

    ``by_count`` says that there are no rows: the window is full, as its count shows.
    """

    window: Window
    ids: Sequence[int]
    rows: Sequence[Any]
    by_count: bool = False

    def __lt__(self, other: Reading) -> bool:
        return self.window < other.window


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of ids that has been read, and how many rows the server had there."""

    window: Window
    count: int


@dataclass
class Ledger:
    """What has been read so far: counts per window, the hash of the ids, the findings.

    ``read`` counts the rows that the server gave, ``count`` those that pass ``passes``,
    which are the ones that are wanted; ``ids_counted`` those known by the count of a full
    window; ``shown`` is what every row must show of a filter that the server was given.
    ``ids`` holds their ids when they are kept,
    ascending, 8 bytes each; ``newest`` the last of them.
    """

    keep_ids: bool = True
    passes: Callable[[Any], bool] | None = None
    shown: Callable[[Any], bool] | None = None
    ids: array[int] = field(default_factory=lambda: array("q"))
    newest: array[int] = field(default_factory=lambda: array("q"))
    read: int = 0
    count: int = 0
    ids_counted: int = 0
    segments: list[Segment] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    _digest: Any = field(default_factory=hashlib.sha256)

    def check(self, ask: Ask, reply: Reply) -> Problem | None:
        """Say what is wrong with an answer, if anything.

        An answer that holds as many rows as were asked for, and fewer than it counts,
        is right: it is the beginning of its window.
        """
        total, ids, limit = reply.total, reply.ids, reply.limit(ask)
        if total < 0:
            return Problem.NEGATIVE
        if not ascending(ids):
            return Problem.DISORDER
        if ids and not (ids[0] > 0 and ids[-1] < LARGEST_ID):
            return Problem.IMPOSSIBLE
        if self.shown is not None and not all(map(self.shown, reply.rows)):
            return Problem.MISMATCH
        if ask.window and ids and not (ids[0] in ask.window and ids[-1] in ask.window):
            return Problem.OUTSIDE
        if ask.window and (problem := _crowded(ask.window, ask.purpose, reply)):
            return problem
        if len(ids) > limit or len(ids) > total:
            return Problem.SURPLUS
        if len(ids) < min(max(0, total - ask.offset), limit):
            return Problem.SHORT
        if ask.window and ids and len(ids) < total and ids[-1] + 1 == ask.window.stop:
            # A row was deleted between the count and the reading of rows: nothing is left
            # that could hold the rest.
            return Problem.SHORT
        return None

    def enter(self, reading: Reading) -> Reading:
        """Enter a reading that follows, in ids, all that was entered before.

        Gives what of it is wanted.
        """
        read = len(reading.ids)
        if self.passes is not None:
            rows = [row for row in reading.rows if self.passes(row)]
            reading = Reading(reading.window, [row.id for row in rows], rows)
        self.restore(reading, read)
        return reading

    def restore(self, wanted: Reading, read: int) -> None:
        """Enter what is wanted of a reading in which the server had ``read`` rows."""
        self.read += read
        self.segments.append(Segment(wanted.window, read))
        ids = array("q", wanted.ids)
        self.count += len(ids)
        if wanted.by_count:
            self.ids_counted += len(ids)
        # Sorted: of a scan of what is new, a late row lies below ids that are known.
        self.newest = array("q", sorted(self.newest + ids[-NEWEST:])[-NEWEST:])
        if self.keep_ids:
            self.ids.extend(ids)
        if sys.byteorder == "big":  # the hash is defined over little-endian words
            ids.byteswap()
        self._digest.update(ids)

    @property
    def ids_sha256(self) -> str:
        """The hash of the id set: SHA-256 over its ids, ascending, 8 bytes little-endian each."""
        return str(self._digest.hexdigest())


def _crowded(window: Window, purpose: Purpose, reply: Reply) -> Problem | None:
    """Say whether the count fits its window."""
    if reply.total > window.width:
        return Problem.CROWDED
    if purpose is not Purpose.COUNT or not reply.ids or reply.ids[0] == window.start:
        return None
    if reply.total == window.width:
        return Problem.MISPLACED
    return Problem.CROWDED if reply.total > window.stop - reply.ids[0] else None


def ascending(ids: Sequence[int]) -> bool:
    """Whether each id is larger than the one before."""
    return all(map(operator.lt, ids, islice(ids, 1, None)))
