"""What requests, counts and rows cost on a server, learned from its own answers."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ListPrices", "Prices"]

# How much of a new observation enters the running mean.
WEIGHT = 0.3
# Of an answer with fewer rows the request itself is the larger part, which takes now more, now less
# time: it tells nothing of the price of a row.
TELLING = 100

# What the list of all images costs until its own answers say it, measured on the original with
# 200,000 images: a request; a page, which counts all images; a row.
REQUEST, PAGE_COUNT, LISTED = 5e-3, 0.5e-6, 25e-6


@dataclass
class ListPrices:
    """Seconds for a page of the list of all images, for each of its rows, and for one image alone.

    ``page`` and ``single`` are None until there was one. An image alone is taken to cost what a
    page of one row does: for the one the original counts all images, for the other it looks through
    all of them for its neighbours.
    """

    page: float | None = None
    row: float = LISTED
    single: float | None = None

    def reading(self, total: int, pages: int, rows: int) -> float:
        """Give the seconds for pages of a list of so many images in all."""
        return pages * self._page(total) + rows * self.row

    def asking(self, total: int, number: int) -> float:
        """Give the seconds for asking for so many images, each by itself."""
        return number * (self._page(total) if self.single is None else self.single)

    def _page(self, total: int) -> float:
        return REQUEST + total * PAGE_COUNT if self.page is None else self.page

    def read(self, rows: int, seconds: float) -> None:
        """Learn from a page: of one row it tells what any page costs, of many what a row does."""
        if rows <= 1:
            self.page = _mean(self.page, seconds)
        elif rows >= TELLING and self.page is not None:
            self.row = _mean(self.row, max(0.0, seconds - self.page) / rows)

    def asked(self, seconds: float) -> None:
        """Learn from an image that was asked for by itself."""
        self.single = _mean(self.single, seconds)


def _mean(before: float | None, seen: float) -> float:
    return seen if before is None else before + WEIGHT * (seen - before)


@dataclass
class Prices:
    """Seconds for any request, for counting one row of a range, and for giving one row.

    ``row`` is None until rows have come; ``lists`` are those of the list of all images.
    """

    request: float = 0.0
    count: float = 0.0
    row: float | None = None
    lists: ListPrices = field(default_factory=ListPrices)

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
            self.row = _mean(self.row, seen)
