"""Where a mirror and its server differ, found by counting."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from coir.mirror.ranges import LIMIT, search
from coir.scan.ask import Window
from coir.scan.prices import Prices

# As measured on the original: see design and bench/README.md.
PRICES = Prices(request=4e-3, count=2.5e-6, row=17e-6)


def found(
    here: Sequence[int], there: Sequence[int], window: Window, prices: Prices = PRICES
) -> tuple[list[Window], int, float]:
    """The ranges to be read, how many counts were asked for, and what all that costs."""

    def count(part: Window) -> int:
        return bisect_left(there, part.stop) - bisect_left(there, part.start)

    searching = search(here, window, count(window), prices)
    asked, seconds, answer = 0, 0.0, None
    while True:
        try:
            part = next(searching) if answer is None else searching.send(answer)
        except StopIteration as stop:
            windows: list[Window] = stop.value
            seconds += sum(prices.reading(count(one), LIMIT) for one in windows)
            return windows, asked, seconds
        answer = count(part)
        asked += 1
        seconds += prices.counting(answer)


sets = st.sets(st.integers(1, 400), max_size=120)


@given(held=sets, gone=sets, late=sets)
def test_every_difference_in_number_lies_in_a_range(
    held: set[int], gone: set[int], late: set[int]
) -> None:
    """Whatever is deleted is found, unless as much came back in the same range."""
    here, there = sorted(held), sorted((held - gone) | late)
    windows, _, _ = found(here, there, Window(0, 500))
    outside = [one for one in (*here, *there) if not any(one in part for part in windows)]
    ours, theirs = held.intersection(outside), set(there).intersection(outside)
    assert len(ours) == len(theirs)


@given(held=sets, gone=sets)
def test_every_deletion_is_found(held: set[int], gone: set[int]) -> None:
    """Where images only go, each that is gone lies in a range that is read."""
    here, there = sorted(held), sorted(held - gone)
    windows, _, _ = found(here, there, Window(0, 500))
    assert all(any(one in part for part in windows) for one in held & gone)
    assert all(
        a.stop <= b.start for a, b in zip(sorted(windows), sorted(windows)[1:], strict=False)
    )


def test_a_few_deletions_among_many_are_found_in_few_requests() -> None:
    """About k times log n counts find k deletions, and hardly any row is read."""
    here = list(range(1, 200_001))
    for gone in ([77_777], [5, 100_000, 199_999], list(range(1_000, 200_000, 20_000))):
        there = [one for one in here if one not in set(gone)]
        windows, asked, seconds = found(here, there, Window(0, 200_001))
        assert asked <= len(gone) * math.log2(200_000)
        assert sum(one.width for one in windows) < 200_000 / 20
        assert seconds < PRICES.reading(200_000, LIMIT) / 2


def test_deletions_everywhere_are_read_at_once() -> None:
    """Where counting would not pay, the whole range is read, at no more than its price."""
    here = list(range(1, 200_001))
    there = [one for one in here if one % 50]
    windows, asked, seconds = found(here, there, Window(0, 200_001))
    assert asked <= 1
    assert seconds <= PRICES.reading(200_000, LIMIT) * 1.05
    assert windows


def test_a_stretch_that_is_gone_as_a_whole_is_not_searched() -> None:
    """A range without any image left needs no further counts."""
    here = list(range(1, 1_001))
    windows, asked, _ = found(here, [], Window(0, 1_001))
    assert (windows, asked) == ([Window(0, 1_001)], 0)
