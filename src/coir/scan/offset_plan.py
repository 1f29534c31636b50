"""Reads a dataset by overlapping pages: the plan where filters do not pass.

A proxy or a fork may strip the parameters that windows need; ``page``, ``limit`` and
``order=id`` always pass. Page *k* is asked for with a limit one smaller than page *k-1*,
so that it begins *k-1* rows before the other one ended. As long as it begins at an id
that has been seen, no row between them can have been skipped, however many were deleted
meanwhile [O1]; if it does not, an earlier page is read again [O2].
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

from coir.errors import CoirError
from coir.scan.ask import WIDEST, Ask, Purpose, Window
from coir.scan.ledger import Finding, Ledger, Problem, Reading
from coir.scan.plan import Phase, Plan, passing

__all__ = ["OffsetPlan"]

FEWEST_ROWS = 1_000


class OffsetPlan(Plan):
    """The plan of one scan by pages ordered by id; one request at a time.

    Args:
        ledger: where readings are entered.
        counted_at_start: how many rows the server counted at the start.
        fewest_rows: how large the first page is at least.

    """

    strategy = "overlapping pages"

    def __init__(
        self, ledger: Ledger, *, counted_at_start: int, fewest_rows: int = FEWEST_ROWS
    ) -> None:
        super().__init__(ledger)
        self.phase = Phase.READ
        self.counted_at_start = counted_at_start
        self._seen = 0  # the largest id that has been read
        # The pages shrink by a row each: so large that they reach the end long before.
        self._largest = max(fewest_rows, 4 * isqrt(counted_at_start))
        self._next: Ask | None = Ask(Purpose.PAGE, limit=self._largest)
        self._ready: list[Reading] = []

    def asks(self) -> list[Ask]:
        """Give the request to send now, if none is under way."""
        ask, self._next = self._next, None
        self.requests += ask is not None
        return [ask] if ask else []

    def take(self) -> list[Reading]:
        """Give the reading that has come."""
        ready, self._ready = self._ready, []
        return [self.ledger.enter(reading) for reading in ready]

    def failed(self, ask: Ask, error: CoirError) -> None:
        """Learn that no answer came: ask once more, or give up."""
        if not passing(error):
            self.give_up(error)
        elif self.note(ask, Problem.FAILED, error):
            self._next = ask.again()

    def answered(
        self, ask: Ask, total: int, ids: Sequence[int], rows: Sequence[Any], seconds: float
    ) -> None:
        """Learn from an answer."""
        problem = self.ledger.check(ask, total, ids)
        if problem is not None:
            if self.note(ask, problem):
                self._next = ask.again()
        elif ask.purpose is Purpose.CLOSE:
            self.counted_at_end = total
            self.phase = Phase.DONE
        elif ask.page > 1 and not (ids and ids[0] <= self._seen):
            # [O2] So much was deleted that the pages no longer overlap.
            self.reread += 1
            beyond = Window(self._seen + 1, WIDEST)
            self.ledger.findings.append(Finding(beyond, Problem.GAP, ask.attempt))
            self._next = Ask(Purpose.PAGE, limit=ask.limit, page=ask.page - 1)
        else:
            self._read(ask, total, ids, rows)

    def _read(self, ask: Ask, total: int, ids: Sequence[int], rows: Sequence[Any]) -> None:
        known = sum(image_id <= self._seen for image_id in ids)
        if known < len(ids):
            window = Window(self._seen + 1, ids[-1] + 1)
            self._ready.append(Reading(window, ids[known:], rows[known:]))
            self.low = ids[known] if self.low is None else self.low
            self.high = self._seen = ids[-1]
        if ask.offset + len(ids) < total:
            self._next = self._following(ask)
        else:
            self.phase = Phase.CLOSE
            self._next = Ask(Purpose.CLOSE)

    def _following(self, ask: Ask) -> Ask:
        """Give the page that begins before this one ends, by as many rows as its number."""
        if ask.limit > self._largest // 2:
            return Ask(Purpose.PAGE, limit=ask.limit - 1, page=ask.page + 1)
        last = ask.offset + ask.limit - 1
        return Ask(Purpose.PAGE, limit=self._largest, page=last // self._largest + 1)
