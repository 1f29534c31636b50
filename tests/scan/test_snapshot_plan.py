"""The ids of one instant: what is accepted, and what happens where they cannot be had."""

from __future__ import annotations

from coir.errors import UnexpectedAnswer
from coir.scan.ask import Reply, Window
from coir.scan.certificate import Context, Totals, Verdict, certify
from coir.scan.ledger import Ledger, Problem
from coir.scan.snapshot_plan import SnapshotPlan

CONTEXT = Context(1, "d", "http://s", "n", "v", {"annotated": True}, stable=False)


def test_one_answer_is_a_whole_scan() -> None:
    """[N1] [S6] One request, and a claim that needs no closing count, whatever the filter."""
    plan = SnapshotPlan(Ledger())
    (ask,) = plan.asks()
    assert ask.params == {}
    plan.answered(ask, Reply(3, [2, 5, 9], seconds=0.1))
    (reading,) = plan.take()
    assert list(reading.ids) == [2, 5, 9]
    assert plan.done
    certificate = certify(plan, CONTEXT, (), Totals(), (0.0, 1.0))
    assert certificate.verdict is Verdict.COMPLETE
    assert certificate.claims == ("S1", "S2", "S6")
    assert (certificate.smallest_id, certificate.high_water_mark) == (2, 9)


def test_what_does_not_add_up_is_asked_for_again_and_then_given_up() -> None:
    """[N1] [L6] Ids that do not match their count are never data."""
    plan = SnapshotPlan(Ledger())
    for attempt in range(4):
        (ask,) = plan.asks()
        assert ask.attempt == attempt
        plan.answered(ask, Reply(3, [2, 5], seconds=0.1))
        assert plan.take() == []
    assert plan.done
    assert isinstance(plan.error, UnexpectedAnswer)
    assert {one.problem for one in plan.ledger.findings} == {Problem.SHORT}


def test_only_newer_ids_are_asked_for_when_only_they_are_wanted() -> None:
    """A scan of what is new asks for the ids above, in the terms of windows."""
    (ask,) = SnapshotPlan(Ledger(), after_id=7).asks()
    assert ask.window
    assert ask.window.start == 8
    assert ask.params["id__gte"] == "8"
    assert ask.window != Window(8, 9)


def test_a_refusal_lets_another_plan_take_over() -> None:
    """[N2] A server that announces it and cannot do it is read by windows."""
    plan = SnapshotPlan(Ledger())
    (ask,) = plan.asks()
    plan.failed(ask, UnexpectedAnswer("404"))
    assert plan.done
    assert plan.refused
    assert plan.error is None
