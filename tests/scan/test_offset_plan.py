"""Overlapping pages: what may happen between two pages, and what must come all the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coir.errors import ConnectionFailed, ServerFailed
from coir.scan import offset_plan
from coir.scan.ask import Ask, Purpose, Reply
from coir.scan.ledger import Ledger, Problem
from coir.scan.offset_plan import OffsetPlan

Change = tuple[str, int]


def small(count: int) -> OffsetPlan:
    """Give a plan with small pages, so that a small dataset has many."""
    return OffsetPlan(Ledger(), counted_at_start=count, largest=12)


def page(live: set[int], ask: Ask) -> tuple[int, list[int]]:
    """Answer as a server that ignores windows does."""
    if ask.purpose is Purpose.HIGHEST:
        return len(live), sorted(live)[-1:]
    return len(live), sorted(live)[ask.offset : ask.offset + ask.limit]


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(0, 120),
    changes=st.lists(
        st.lists(
            st.tuples(st.sampled_from(["delete", "upload", "lose"]), st.integers(0, 10**6)),
            max_size=25,
        ),
        max_size=30,
    ),
)
def test_nothing_that_was_there_throughout_is_lost(count: int, changes: list[list[Change]]) -> None:
    """[S1] [S2] [O1] [O2] Deletes and uploads between pages lose and repeat nothing."""
    live = set(range(1, count + 1))
    throughout, ever = set(live), set(live)
    plan, came = small(count), []
    steps = iter(changes)
    for _ in range(5_000):
        if plan.done:
            break
        (ask,) = plan.asks()
        for kind, number in next(steps, []):
            if kind == "delete" and live:
                gone = sorted(live)[number % len(live)]
                live.discard(gone)
                throughout.discard(gone)
            elif kind == "upload":
                live.add(max(ever | {0}) + 1)
                ever |= live
            elif ask.attempt < 2:
                plan.failed(ask, ConnectionFailed("lost"))
                (ask,) = plan.asks()
        total, ids = page(live, ask)
        plan.answered(ask, Reply(total, ids, seconds=0.1))
        came += [i for reading in plan.take() for i in reading.ids]
    assert plan.done
    assert plan.error is None
    assert came == sorted(set(came))
    assert throughout <= set(came) <= ever
    if plan.counted_at_end == plan.ledger.read and not changes:
        assert set(came) == live


def test_pages_that_no_longer_overlap_are_read_from_further_back() -> None:
    """[O2] After a mass deletion an earlier page is read, and the certificate says so."""
    live = set(range(1, 101))
    plan, came = small(100), []
    while not plan.done:
        (ask,) = plan.asks()
        if ask.page == 2:
            live -= set(range(1, 41))
        total, ids = page(live, ask)
        plan.answered(ask, Reply(total, ids, seconds=0.1))
        came += [i for reading in plan.take() for i in reading.ids]
    assert came == [*range(1, 13), *range(41, 101)]
    assert plan.reread
    assert any(one.problem is Problem.GAP for one in plan.ledger.findings)


def test_an_undisturbed_listing_takes_few_pages() -> None:
    """A listing of 200,000 rows takes little more requests than pages that do not overlap."""
    live = list(range(1, 200_001))
    plan = OffsetPlan(Ledger(), counted_at_start=len(live))
    while not plan.done:
        (ask,) = plan.asks()
        total, ids = page(set(live), ask)
        plan.answered(ask, Reply(total, ids, seconds=0.1))
        plan.take()
    assert plan.ledger.count == 200_000
    assert plan.counted_at_end == 200_000
    assert plan.requests <= 1.2 * 200_000 / plan._largest + 2


def test_a_page_that_cannot_be_had_ends_the_scan() -> None:
    """[L6] Four failures of the same page are enough."""
    plan = small(10)
    for _ in range(4):
        (ask,) = plan.asks()
        plan.failed(ask, ServerFailed("500", status=500))
    assert plan.done
    assert isinstance(plan.error, ServerFailed)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("cap", [20, 50, 400])
def test_a_server_that_caps_its_pages(cap: int, told: bool) -> None:
    """[O1] Pages of a server that gives fewer rows than it is asked for lie where it has them."""
    live = list(range(1, 1_501))
    plan, came = OffsetPlan(Ledger(), counted_at_start=len(live)), []
    for _ in range(5_000):
        if plan.done:
            break
        (ask,) = plan.asks()
        size = min(ask.limit, cap)
        begin = (ask.page - 1) * size
        ids = live[-1:] if ask.purpose is Purpose.HIGHEST else live[begin : begin + size]
        reply = Reply(len(live), ids, per_page=size if told else ask.limit)
        plan.answered(ask, reply)
        came += [i for reading in plan.take() for i in reading.ids]
    assert plan.error is None
    assert came == live
    assert plan.requests < 4 * 1_500 / cap + 20


def test_pages_of_one_row_cannot_overlap() -> None:
    """[O1] Where pages cannot overlap, nothing is claimed."""
    plan = OffsetPlan(Ledger(), counted_at_start=10)
    while not plan.done:
        (ask,) = plan.asks()
        plan.answered(ask, Reply(10, [ask.page], per_page=1))
        plan.take()
    assert plan.error is offset_plan.TOO_FEW
