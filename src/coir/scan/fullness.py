"""Chooses the stretches of ids that are better counted than read.

A count that equals the width of its window shows that every id in it is there, at a
fraction of what its rows cost (on the original 2.5 µs instead of 42 µs an id). A count that
does not was in vain. So the pieces to count are chosen by what the count before tells, and
counted only while what may be saved is worth the risk.
"""

from __future__ import annotations

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
# How much of an outcome enters the chance of the next one.
WEIGHT = 0.3


@dataclass
class Fullness:
    """What counting costs, and the chance that a piece is full."""

    prices: Prices
    chance: float = 0.3
    least: int = LEAST

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
