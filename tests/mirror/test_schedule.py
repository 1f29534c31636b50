"""When a mirror is synced again, and what ends that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import coir
from coir.mirror.counts import Counts
from coir.mirror.schedule import Round, Schedule, repeat

REPORT = coir.SyncReport(1, "full", Counts(), None, 1.0)
AWAY = coir.ConnectionFailed("No answer.")
BUSY = coir.ServerFailed("Busy.", status=503, retry_after=900.0)
STOPPED = coir.SyncStopped("Too many.", report=REPORT)
PARTLY = coir.IncompleteSync("Not all.", report=REPORT)
MISTYPED = coir.InvalidRequest("No.")
GONE = coir.DatasetNotFound("Gone.")
EXPIRED = coir.AuthenticationFailed("Expired.")


class Times:
    """A clock that only sleeping and working move on."""

    def __init__(self, outcomes: Iterator[coir.CoirError | None], took: float = 0.0) -> None:
        self.now = 1_000.0
        self.begun: list[float] = []
        self.told: list[Round] = []
        self._outcomes = outcomes
        self._took = took

    def sync(self) -> coir.SyncReport:
        self.begun.append(self.now - 1_000.0)
        self.now += self._took
        outcome = next(self._outcomes, KeyboardInterrupt())
        if outcome is None:
            return REPORT
        raise outcome

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, every: float) -> BaseException:
        with pytest.raises((KeyboardInterrupt, coir.CoirError)) as ended:
            repeat(self.sync, every, self.told.append, sleep=self.sleep, clock=lambda: self.now)
        return ended.value


def test_rounds_begin_every_so_often() -> None:
    """The time is counted from begin to begin, however long a round takes."""
    times = Times(iter([None, None]), took=40.0)
    assert isinstance(times.run(60.0), KeyboardInterrupt)
    assert times.begun == [0.0, 60.0, 120.0]
    assert [one.pause for one in times.told] == [20.0, 20.0]


def test_a_long_round_leaves_a_pause() -> None:
    """Where a round takes longer than the time between two, the server still has a rest."""
    times = Times(iter([None]), took=200.0)
    times.run(60.0)
    assert times.begun == [0.0, 206.0]


def test_pauses_grow_while_the_server_is_away() -> None:
    """Each failure doubles the pause, up to an end; the first success makes it short again."""
    times = Times(iter([None, *[AWAY] * 7, None, AWAY]))
    times.run(300.0)
    pauses = [one.pause for one in times.told]
    assert pauses == [300, 600, 1200, 2400, 3600, 3600, 3600, 3600, 300, 600]
    assert [one.error for one in times.told][-3:] == [AWAY, None, AWAY]
    longer = Times(iter([AWAY] * 2))
    longer.run(86_400.0)
    assert [one.pause for one in longer.told] == [86_400.0, 86_400.0]


def test_a_server_that_asks_for_time_gets_it() -> None:
    """A pause is never shorter than the server asked for."""
    times = Times(iter([BUSY]))
    times.run(60.0)
    assert [one.pause for one in times.told] == [900.0]


@pytest.mark.parametrize("error", [STOPPED, PARTLY, coir.MirrorBusy("At work.", pid=1)])
def test_what_is_told_and_tried_again(error: coir.CoirError) -> None:
    """Guards, parts that failed, and another process at work make no pause longer."""
    times = Times(iter([error, error, None]))
    times.run(60.0)
    assert [one.pause for one in times.told] == [60.0, 60.0, 60.0]
    assert times.told[0].error is error


@pytest.mark.parametrize("error", [MISTYPED, EXPIRED])
def test_what_ends_it(error: coir.CoirError) -> None:
    """What the next round would meet again ends it, also when rounds worked before."""
    assert Times(iter([error])).run(60.0) is error
    assert Times(iter([None, error])).run(60.0) is error


def test_what_ends_only_the_first_round() -> None:
    """A dataset that was never seen is a mistake; one that was may come back."""
    assert Times(iter([GONE])).run(60.0) is GONE
    assert Times(iter([AWAY, GONE])).run(60.0) is GONE
    times = Times(iter([None, GONE, None]))
    times.run(60.0)
    assert [one.pause for one in times.told] == [60.0, 120.0, 60.0]


@pytest.mark.parametrize("make", [coir.TLSFailed, coir.PermissionDenied, coir.UnexpectedAnswer])
def test_mistakes_of_the_first_round(make: Callable[[str], coir.CoirError]) -> None:
    """What may be a mistake of whoever started it is told at once."""
    assert Schedule(60.0).ends(make("No."))
    assert not Schedule(60.0, worked=True).ends(make("No."))
