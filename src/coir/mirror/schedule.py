"""Syncs again and again: when the next round begins, and which errors end it.

All but `repeat` is pure. Times are of a clock that only goes forward, so that a clock that is set
moves no round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from coir.errors import (
    AuthenticationFailed,
    CoirError,
    ConnectionFailed,
    IncompleteScan,
    IncompleteSync,
    InvalidRequest,
    MirrorBusy,
    ServerFailed,
    SyncStopped,
    TLSFailed,
)
from coir.mirror.report import SyncReport

__all__ = ["Round", "Schedule", "repeat"]

# The server is never without a pause, also where a round takes longer than the time between two.
REST = 0.1
# After a failure the pause doubles, up to so many times the time between two rounds, or an hour.
MOST_TIMES = 16
LONGEST_PAUSE = 3_600.0

# What the next round may find mended, though nobody does anything here.
PASSING = (ConnectionFailed, ServerFailed, IncompleteScan, IncompleteSync, SyncStopped, MirrorBusy)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a mirror is synced again: ``every`` so many seconds, counted from begin to begin.

    ``failures`` counts the rounds in a row that failed; ``worked`` says whether one ever came
    through, so that an error now is no mistake of whoever started it.
    """

    every: float
    failures: int = 0
    worked: bool = False

    def ends(self, error: CoirError) -> bool:
        """Whether an error ends it all."""
        if isinstance(error, PASSING) and not isinstance(error, TLSFailed):
            return False
        if isinstance(error, InvalidRequest | AuthenticationFailed):
            return True
        return not self.worked

    def after(self, error: CoirError | None) -> Schedule:
        """Give the schedule after a round that ended so."""
        if error is None or isinstance(error, IncompleteSync | SyncStopped):
            return replace(self, failures=0, worked=True)
        if isinstance(error, MirrorBusy):
            return self
        return replace(self, failures=self.failures + 1)

    def pause(self, error: CoirError | None, took: float) -> float:
        """Give the seconds until the next round, after one that ended so; ask `after` first."""
        if self.failures:
            longest = max(self.every, min(self.every * MOST_TIMES, LONGEST_PAUSE))
            grown = min(self.every * 2.0 ** min(self.failures, 30), longest)
            return max(grown, getattr(error, "retry_after", None) or 0.0)
        return max(self.every - took, self.every * REST)


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round: its report, or the error that ended it, and the pause after it."""

    report: SyncReport | None
    error: CoirError | None
    pause: float


def repeat(
    sync: Callable[[], SyncReport],
    every: float,
    tell: Callable[[Round], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> NoReturn:
    """Sync again and again, until a signal or an error ends it.

    Args:
        sync: one round.
        every: the seconds from the begin of a round to that of the next.
        tell: is called after each round.
        sleep: waits so many seconds.
        clock: gives seconds that only grow.

    Raises:
        CoirError: an error that the next round would meet again.

    """
    if every <= 0:
        raise InvalidRequest("The time between two syncs must be more than 0 seconds.")
    schedule = Schedule(every)
    while True:
        begun = clock()
        report: SyncReport | None = None
        failed: CoirError | None = None
        try:
            report = sync()
        except CoirError as error:
            if schedule.ends(error):
                raise
            failed, report = error, getattr(error, "report", None)
        took = clock() - begun
        schedule = schedule.after(failed)
        pause = schedule.pause(failed, took)
        tell(Round(report, failed, pause))
        sleep(pause)
