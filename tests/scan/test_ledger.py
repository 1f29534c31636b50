"""The ledger refuses what does not add up, whatever comes, and its hash is as documented."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.model import Image
from coir.scan.ask import Ask, Purpose, Reply, Window
from coir.scan.ledger import NEWEST, Ledger, Problem, Reading

TEN = Ask(Purpose.READ, Window(10, 20), limit=5)


@pytest.mark.parametrize(
    ("total", "ids", "problem"),
    [
        (-1, [], Problem.NEGATIVE),
        (1, [9], Problem.OUTSIDE),
        (1, [20], Problem.OUTSIDE),
        (2, [12, 11], Problem.DISORDER),
        (2, [11, 11], Problem.DISORDER),
        (9, [10, 11, 12, 13, 14, 15], Problem.SURPLUS),
        (1, [10, 11], Problem.SURPLUS),
        (3, [10, 11], Problem.SHORT),
        (9, [10, 11], Problem.SHORT),
        (1, [], Problem.SHORT),
        (0, [], None),
        (2, [10, 19], None),
        (9, [10, 11, 12, 13, 14], None),
    ],
)
def test_what_is_refused(total: int, ids: list[int], problem: Problem | None) -> None:
    """[L1] [L2] [L3] [L4] [L5] Each way in which an answer can be wrong, and the right ones."""
    assert Ledger().check(TEN, Reply(total, ids)) is problem


@given(total=st.integers(-3, 12), ids=st.lists(st.integers(5, 25), max_size=8))
def test_whatever_is_accepted_is_right(total: int, ids: list[int]) -> None:
    """[L1] [L2] [L3] [L4] [L5] An accepted answer is the beginning of its window, or all of it."""
    if Ledger().check(TEN, Reply(total, ids)) is None:
        assert ids == sorted(set(ids))
        assert all(10 <= image_id < 20 for image_id in ids)
        assert len(ids) == min(total, 5)


@given(ids=st.sets(st.integers(1, 2**62)), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_the_hash_does_not_depend_on_the_windows(ids: set[int], cuts: list[int]) -> None:
    """The hash is SHA-256 over the ascending ids, 8 bytes little-endian each."""
    ordered, ledger, begin = sorted(ids), Ledger(), 0
    for cut in [*sorted(cuts), len(ordered)]:
        ledger.enter(Reading(Window(0, 1), ordered[begin : max(begin, cut)], ()))
        begin = max(begin, cut)
    plain = b"".join(image_id.to_bytes(8, "little") for image_id in ordered)
    assert ledger.ids_sha256 == hashlib.sha256(plain).hexdigest()
    assert ledger.ids.tolist() == ordered
    assert ledger.newest.tolist() == ordered[-NEWEST:]


def test_the_newest_ids_stay_ascending_after_a_late_row() -> None:
    """[R3] A row that appears late, below known ids, does not make known ones look new."""
    first = Ledger()
    first.enter(Reading(Window(1, 2_001), [i for i in range(1, 2_001) if i != 1_500], ()))
    late = Ledger(newest=first.newest)
    late.enter(Reading(Window(1_000, 2_001), [1_500], ()))
    assert late.newest.tolist() == list(range(1_001, 2_001))
    more = Ledger(newest=late.newest)
    more.enter(Reading(Window(1_001, 3_000), list(range(2_001, 3_000)), ()))
    assert more.newest.tolist() == list(range(2_000, 3_000))


def test_a_row_that_the_filter_leaves_out_is_refused() -> None:
    """[L7] A server that does not know a filter, and drops it, is noticed by its rows."""
    ledger = Ledger(shown=lambda row: row.annotated)
    right, wrong = Image(11, "a", annotated=True), Image(12, "b", annotated=False)
    assert ledger.check(TEN, Reply(1, [11], [right])) is None
    assert ledger.check(TEN, Reply(2, [11, 12], [right, wrong])) is Problem.MISMATCH


@pytest.mark.parametrize("image_id", [0, -3, 2**63, 2**70])
def test_an_id_that_no_image_has_is_refused(image_id: int) -> None:
    """[L2] Ids are positive, and fit into 63 bits."""
    ask = Ask(Purpose.LOWEST)
    assert Ledger().check(ask, Reply(1, [image_id])) is Problem.IMPOSSIBLE


def test_a_row_deleted_between_count_and_rows_at_the_end_of_a_window_is_noticed() -> None:
    """[L5] The last row ends the window, and one more was counted: nothing can hold it."""
    assert Ledger().check(TEN, Reply(6, [10, 12, 14, 16, 19])) is Problem.SHORT
