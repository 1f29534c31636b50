"""How much to ask for at once: learned from how long the answers take.

The brake is a budget for the response time, not a pause: on a server that answers one
request after the other, everybody else waits as long as our answer takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from coir.scan.ask import WIDEST

__all__ = ["Pace"]

# People at work hardly notice half a second; answers that are much shorter are mostly the
# fixed cost of a request.
TARGET_SECONDS = 0.5
FIRST_ROWS = 1_000
# A page of 200,000 rows cost the original 300 MB and blocked it for 5 s; one of 20,000
# stays below a tenth of both, even where the answers come fast.
MOST_ROWS = 20_000
FEWEST_ROWS = 50
# One answer says little; no answer changes the size by more than this factor.
GROWTH = 4.0


@dataclass
class Pace:
    """The size of the next window, and how many may be asked for at the same time.

    ``rows`` is what one answer should hold, ``density`` the rows expected per id, ``span``
    the widest window whose count the server manages in time.
    """

    most_in_flight: int
    density: float = 1.0
    target: float = TARGET_SECONDS
    rows: float = FIRST_ROWS
    span: float = WIDEST
    in_flight: int = field(init=False)

    def __post_init__(self) -> None:
        self.in_flight = self.most_in_flight

    @property
    def limit(self) -> int:
        """The largest number of rows to ask for in one answer."""
        return math.ceil(self.rows)

    def width(self, density: float | None = None) -> int:
        """Give the width of the next window, given the density there if it is known.

        A fifth less than would fill the answer, as densities vary: a window that holds
        more than was asked for costs a second request for its rest.
        """
        expected = max(density or self.density, 1.0 / WIDEST)
        wanted = self.rows if expected >= 1.0 else 0.8 * self.rows / expected
        return max(1, int(min(wanted, self.span)))

    def answered(self, width: int, total: int, rows: int, seconds: float) -> None:
        """Learn from an answer: a window's width, its count, its rows, its time."""
        seen = (total + 0.5) / width if total < width else 1.0
        self.density = max((self.density + seen) / 2, self.density / GROWTH)
        factor = min(max(self.target / max(seconds, 1e-6), 1 / GROWTH), GROWTH)
        if rows * 2 >= self.rows or (factor < 1 and rows * 8 >= self.rows):
            self.rows = min(max(self.rows * factor, FEWEST_ROWS), MOST_ROWS)
        elif factor < 1:
            # Few rows, and slow all the same: it is the counting of the range that takes long.
            self.span = max(1.0, min(self.span, width) * factor)
        elif self.span < WIDEST:
            self.span *= factor
        if seconds > 2 * self.target:
            self.in_flight = max(1, self.in_flight - 1)
        elif seconds < self.target:
            self.in_flight = min(self.most_in_flight, self.in_flight + 1)

    def failed(self, width: int) -> None:
        """Learn from a window that the server did not manage: ask for half, alone."""
        self.rows = max(self.rows / 2, FEWEST_ROWS)
        self.span = max(1.0, min(self.span, width) / 2)
        self.in_flight = 1
