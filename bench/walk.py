"""Ways to walk over a dataset by hand: which requests, in which order.

Each step of a walk can be asked for by its number, so that a walk that would take an hour
can be measured on a sample of its steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

__all__ = ["Extent", "KeysetWalk", "PageWalk", "Walk", "WindowWalk", "spread"]

Params = dict[str, int | str]


@dataclass(frozen=True, slots=True)
class Extent:
    """How many images a dataset has, and its smallest and largest id."""

    total: int
    low: int
    high: int


class Walk(Protocol):
    """``steps`` requests that together read everything."""

    steps: int

    def params(self, step: int) -> Params:
        """Give the query of a step, counted from 0, without having made those before."""

    def after(self, step: int, ids: Sequence[int]) -> Params | None:
        """Give the query of a step, given the ids of the step before; None at the end."""


class PageWalk:
    """Page after page until one is empty: what the copied script does."""

    def __init__(self, extent: Extent, limit: int) -> None:
        self.limit = limit
        self.steps = ceil(extent.total / limit) + 1

    def params(self, step: int) -> Params:
        return {"page": step + 1, "limit": self.limit}

    def after(self, step: int, ids: Sequence[int]) -> Params | None:
        return self.params(step) if ids else None


class KeysetWalk:
    """The next rows after the largest id so far, until there are none."""

    def __init__(self, extent: Extent, limit: int) -> None:
        self.extent, self.limit = extent, limit
        self.steps = ceil(extent.total / limit) + 1

    def params(self, step: int) -> Params:
        # Where the step would begin if the ids were spread evenly.
        extent = self.extent
        return self._above(
            extent.low - 1 + (extent.high + 1 - extent.low) * step // max(1, self.steps - 1)
        )

    def after(self, step: int, ids: Sequence[int]) -> Params | None:  # noqa: ARG002
        return self._above(ids[-1]) if ids else None

    def _above(self, last: int) -> Params:
        return {"order": "id", "limit": self.limit, "id__gt": last}


class WindowWalk:
    """Windows of so many ids, one after the other."""

    def __init__(self, extent: Extent, width: int) -> None:
        self.extent, self.width = extent, width
        self.steps = ceil((extent.high + 1 - extent.low) / width)

    def params(self, step: int) -> Params:
        start = self.extent.low + step * self.width
        return {
            "order": "id",
            "limit": self.width,
            "id__gte": start,
            "id__lt": start + self.width,
        }

    def after(self, step: int, ids: Sequence[int]) -> Params | None:  # noqa: ARG002
        return self.params(step) if step < self.steps else None


def spread(count: int) -> Iterator[int]:
    """Give each number below ``count`` once, any beginning of them spread evenly over all.

    The order is van der Corput's: half, a quarter, three quarters, an eighth, …
    """
    bits = max(1, (count - 1).bit_length())
    for number in range(2**bits):
        place = int(format(number, f"0{bits}b")[::-1], 2)
        if place < count:
            yield place
