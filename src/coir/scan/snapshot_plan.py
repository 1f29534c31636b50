"""Reads the ids of a dataset as they were at one instant: the plan where a server offers it.

coir's own server gives every id that matches in one streamed answer, built within one
read transaction: nothing can change under it, and there is nothing to add up afterwards.
"""

from __future__ import annotations

from coir.errors import CoirError
from coir.scan.ask import WIDEST, Ask, Purpose, Reply, Window
from coir.scan.ledger import Ledger, Reading
from coir.scan.plan import Phase, Plan

__all__ = ["SnapshotPlan"]


class SnapshotPlan(Plan):
    """The plan of one scan by a single answer."""

    strategy = "snapshot"

    def __init__(self, ledger: Ledger, *, after_id: int = 0) -> None:
        super().__init__(ledger)
        window = Window(after_id + 1, WIDEST) if after_id else None
        self._next: Ask | None = Ask(Purpose.SNAPSHOT, window, limit=WIDEST)
        self._ready: list[Reading] = []

    def asks(self) -> list[Ask]:
        """Give the one request."""
        ask, self._next = self._next, None
        self.requests += ask is not None
        return [ask] if ask else []

    def take(self) -> list[Reading]:
        """Give the one reading."""
        ready, self._ready = self._ready, []
        return [self.ledger.enter(reading) for reading in ready]

    def failed(self, ask: Ask, error: CoirError) -> None:
        """Learn that it cannot be had; another plan takes over."""
        self.refused = True
        self.phase = Phase.DONE

    def answered(self, ask: Ask, reply: Reply) -> None:
        """Learn from the answer."""
        problem, ids = self.ledger.check(ask, reply), reply.ids
        if problem is not None:
            if self.note(ask, problem):
                self._next = ask.again()
            return
        self.counted_at_start = self.counted_at_end = reply.total
        self.unchanged = True
        self.low, self.high = (ids[0], ids[-1]) if ids else (0, 0)
        self._ready.append(Reading(Window(self.low, self.high + 1), ids, ()))
        self.phase = Phase.DONE
