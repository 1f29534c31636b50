"""Chooses the stretches of ids that are better counted than read.

A count that equals the width of its window shows that every id in it is there, at a
fraction of what its rows cost (on the original 2.5 µs instead of 42 µs an id). A count that
does not was in vain. So the pieces to count are chosen by what the count before tells, and
counted only while what may be saved is worth the risk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coir.scan.ask import Window
from coir.scan.prices import Prices

__all__ = ["Fullness"]

# Rows are not cheaper to count in smaller pieces than this.
LEAST = 1_000
# Of the ids up to the next missing one that are expected: about every other piece is full.
HOPE = 0.7
# A window with fewer rows than this part of its ids is taken for a block with nothing behind.
BLOCK = 0.7
# Of ids that somebody has told, runs that are shorter are never worth a request of their own.
SHORTEST = 64
# How much of an outcome enters the chance of the next one.
WEIGHT = 0.3


@dataclass
class Fullness:
    """What counting costs, and the chance that a piece is full.

    ``known`` are ids that were told before, ascending: no proof that they still are there, and a
    good hint at where to count.
    """

    prices: Prices
    chance: float = 0.3
    least: int = LEAST
    known: Sequence[int] = ()
    sure: float = 0.9

    def pieces(self, window: Window, count: int) -> list[tuple[Window, int]]:
        """Divide a window that holds ``count`` rows, the first id among them.

        Gives each part, and how many ids of it to count at once.
        """
        missing = window.width - count
        apart = int(HOPE * window.width / missing) if missing else window.width
        if count >= BLOCK * window.width and apart >= self.least:
            return [(window, apart)]  # single ids are missing, here and there
        first, rest = window.cut(count if count < BLOCK * window.width else window.width // 2)
        return [(part, part.width) for part in (first, rest) if part]

    def expected(self, window: Window) -> Iterator[tuple[Window, int, bool]]:
        """Cut a window by the ids that are known; gives each part, and how many of them it has.

        Then whether it ends with a long run of them: its count and its first row show at once that
        nothing else is there.
        """
        start, end, short = window.start, window.start, 0
        for run in _runs(self.known):
            if run.start < start or run.stop > window.stop:
                continue
            if run.width < SHORTEST:
                end, short = run.stop, short + run.width
                continue
            if short:
                yield Window(start, end), short, False
                start = end
            yield Window(start, run.stop), run.width, True
            start, end, short = run.stop, run.stop, 0
        if start < window.stop:
            yield Window(start, window.stop), short, False

    def tells(self, window: Window) -> bool:
        """Whether every id of a window is known."""
        first = bisect_left(self.known, window.start)
        last = first + window.width - 1
        return last < len(self.known) and self.known[last] == window.stop - 1

    def saves(self, rows: float) -> bool:
        """Whether to count so many rows that are known to follow each other.

        To read them would take no request of its own, as others are read beside them; and their
        count parts what is read before and behind them. Of two requests under way one waits for the
        other: to each of them rows seem twice as dear as they are.
        """
        if self.prices.row is None:
            return False
        return 4 * self.prices.request < self.sure * rows * self.prices.row

    def is_worth(self, ids: int, density: float, limit: int) -> bool:
        """Whether to count so many ids, of which ``density`` are expected to be there."""
        if ids < self.least or self.prices.row is None:
            return False
        rows = ids * density
        return self.prices.counting(rows) < self.chance * self.prices.reading(rows, limit)

    def learn(self, window: Window, total: int) -> None:
        """Learn how many rows a window holds, whether it was counted or read."""
        if window.width >= self.least:
            self.chance += WEIGHT * ((total == window.width) - self.chance)

    def trust(self, right: bool) -> None:
        """Learn whether what was known was right."""
        self.sure += WEIGHT * (right - self.sure)


def _runs(ids: Sequence[int]) -> Iterator[Window]:
    """Give the windows that these ids, which ascend, fill."""
    start = last = None
    for one in ids:
        if start is None or last is None:
            start = one
        elif one != last + 1:
            yield Window(start, last + 1)
            start = one
        last = one
    if start is not None and last is not None:
        yield Window(start, last + 1)
