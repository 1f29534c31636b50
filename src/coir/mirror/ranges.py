"""Finds where a mirror and its server differ by counting ranges of ids: a pure search.

Below the mirror's largest id images only go, or come back. Where a range has as many on both
sides nothing happened there; where it has not, it is divided, or read, whichever is cheaper. Of
two halves only one is counted: the other's count is the rest. A few deletions among many images
are found in few requests, and where they are everywhere the whole range is read at once.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Generator, Sequence

from coir.scan.ask import Window
from coir.scan.prices import Prices

__all__ = ["Search", "search"]

# Rows of one answer when a range is read.
LIMIT = 2_000

# Yields ranges to be counted, receives their counts, returns the ranges that are to be read.
Search = Generator[Window, int, list[Window]]


def search(held: Sequence[int], window: Window, counted: int, prices: Prices) -> Search:
    """Find the parts of a window in which the images differ.

    Args:
        held: the ids that the mirror holds, ascending.
        window: where to search; the server has ``counted`` images there.
        counted: how many images the server has in the window.
        prices: what requests, counts and rows cost on this server.

    """
    to_read: list[Window] = []
    waiting = [(window, counted)]
    while waiting:
        part, there = waiting.pop()
        first, end = bisect_left(held, part.start), bisect_left(held, part.stop)
        here = end - first
        if here == there:
            continue
        middle = held[first + here // 2] if here > 1 else part.start
        dividing = part.start < middle < part.stop and _is_cheaper(prices, here, here - there)
        if there == 0 or not dividing:
            to_read.append(part)
            continue
        lower = Window(part.start, middle)
        below = yield lower
        waiting.append((Window(middle, part.stop), there - below))
        waiting.append((lower, below))
    return to_read


def _is_cheaper(prices: Prices, rows: int, differing: int) -> bool:
    """Whether to find what differs by counting is cheaper than to read all the rows."""
    spots = min(max(1, abs(differing)), rows)
    leaf = rows / spots
    # Each spot is followed down to a piece that one answer holds without effort; each level
    # above counts half of what is left.
    piece = max(1.0, min(leaf, _piece(prices)))
    levels = math.log2(rows / piece) if rows > piece else 0.0
    if levels < 1:
        return False
    requests = spots * max(1.0, math.log2(leaf / piece)) + spots
    counting = requests * prices.request + rows * prices.count * max(1.0, math.log2(spots + 1))
    reading = spots * prices.reading(piece, LIMIT)
    return counting + reading < prices.reading(rows, LIMIT)


def _piece(prices: Prices) -> float:
    """How many rows cost as much as a request."""
    row = prices.count + (prices.row or 0.0)
    return max(1.0, prices.request / row) if row else float(LIMIT)
