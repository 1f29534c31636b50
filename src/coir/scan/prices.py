"""What requests, counts and rows cost on a server, learned from its own answers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Prices"]

# How much of a new observation enters the running mean.
WEIGHT = 0.3
# Of an answer with fewer rows the request itself is the larger part, which takes now more, now less
# time: it tells nothing of the price of a row.
TELLING = 100


@dataclass
class Prices:
    """Seconds for any request, for counting one row of a range, and for giving one row.

    ``row`` is None until rows have come.
    """

    request: float = 0.0
    count: float = 0.0
    row: float | None = None

    def counting(self, rows: float) -> float:
        """Give the seconds for the count of a range that holds so many rows."""
        return self.request + rows * self.count

    def reading(self, rows: float, limit: int) -> float:
        """Give the seconds for reading them, at most ``limit`` in an answer."""
        requests = max(1.0, rows / limit)
        return requests * self.request + rows * (self.count + (self.row or 0.0))

    def counted(self, rows: int, seconds: float) -> None:
        """Learn from the count of a range with so many rows."""
        if rows:
            self.count = max(0.0, seconds - self.request) / rows

    def take(self, other: Prices) -> None:
        """Take over what others have learned of the same server, and leave what they have not."""
        self.request = other.request or self.request
        self.count = other.count or self.count
        self.row = self.row if other.row is None else other.row

    def read(self, rows: int, seconds: float) -> None:
        """Learn from an answer with so many rows."""
        if rows >= TELLING:
            seen = max(0.0, seconds - self.counting(rows)) / rows
            self.row = seen if self.row is None else self.row + WEIGHT * (seen - self.row)
