"""Reads a dataset by overlapping pages: the plan where filters do not pass.

A proxy or a fork may strip the parameters that windows need; ``page``, ``limit`` and
``order=id`` always pass. The limit of each page is chosen so that it begins a little before
the one before it ended. As long as it begins at an id that has been seen, no row between
them can have been skipped, however many were deleted meanwhile [O1]; if it does not, an
earlier page is read again [O2].
"""

from __future__ import annotations

from coir.errors import CoirError, UnexpectedAnswer
from coir.scan.ask import WIDEST, Ask, Purpose, Reply, Window
from coir.scan.cap import Cap
from coir.scan.ledger import Finding, Ledger, Problem, Reading
from coir.scan.plan import Phase, Plan, passing

__all__ = ["OffsetPlan"]

# Each page makes the original count and skip everything before it: few, and as large as
# still answers within about a second there.
LARGEST = 5_000
# Pages in a row that bring nothing new, before it is plain that none will.
LOST = 12
NO_PAGES = UnexpectedAnswer(
    "The server, or a proxy before it, ignores filters and pages: the same rows come again.",
    hint="Ask the server directly, without the proxy.",
)
TOO_FEW = UnexpectedAnswer(
    "The server gives too few rows a page for pages to overlap, and ignores filters.",
    hint="Ask the server directly, without the proxy.",
)


class OffsetPlan(Plan):
    """The plan of one scan by pages ordered by id; one request at a time.

    Args:
        ledger: where readings are entered.
        counted_at_start: how many rows the server counted at the start.
        largest: how many rows a page holds at the most.

    """

    strategy = "overlapping pages"

    def __init__(self, ledger: Ledger, *, counted_at_start: int, largest: int = LARGEST) -> None:
        super().__init__(ledger)
        self.phase = Phase.READ
        self.counted_at_start = counted_at_start
        self._seen = 0  # the largest id that has been read
        self._largest = largest
        self._next: Ask | None = Ask(Purpose.PAGE, limit=self._largest)
        self._ready: list[Reading] = []
        self._cap = Cap()
        self._lost = 0  # pages in a row that brought nothing

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

    def answered(self, ask: Ask, reply: Reply) -> None:
        """Learn from an answer."""
        problem = self.ledger.check(ask, reply)
        limit = self._cap.limit(ask, reply, problem)
        if problem is not None and self.note(ask, problem):
            self._next = ask.again()
        if self.done:
            return
        if limit < ask.limit and ask.purpose is Purpose.PAGE:
            # The server gives fewer rows: its pages lie elsewhere than was thought.
            self._largest = limit
            self._next = Ask(Purpose.PAGE, limit=limit)
        elif problem is not None:
            return
        elif ask.purpose is Purpose.HIGHEST:
            self.counted_at_end = reply.total
            self.unchanged = reply.total == self.ledger.read and max(reply.ids, default=0) == (
                self.high or 0
            )
            self.phase = Phase.DONE
        elif ask.page > 1 and not (reply.ids and reply.ids[0] <= self._seen):
            # [O2] So much was deleted that the pages no longer overlap.
            before = Ask(Purpose.PAGE, limit=ask.limit, page=ask.page - 1)
            self._elsewhere(ask, Problem.GAP, before)
        elif max(reply.ids, default=0) <= self._seen and ask.offset + len(reply.ids) < reply.total:
            # [O2] So much was restored that the page brings nothing new.
            self._elsewhere(ask, Problem.REPEATED, self._following(ask))
        else:
            self._read(ask, reply)

    def _elsewhere(self, ask: Ask, problem: Problem, other: Ask) -> None:
        """Look for the next rows on another page; a few times, not for ever."""
        self.reread += 1
        self._lost += 1
        beyond = Window(self._seen + 1, WIDEST)
        self.ledger.findings.append(Finding(beyond, problem, ask.attempt))
        self._next = other
        if self._lost > LOST:
            self.give_up(NO_PAGES)

    def _read(self, ask: Ask, reply: Reply) -> None:
        self.counted_at_start = self.counted_at_start or reply.total
        ids = reply.ids
        known = sum(image_id <= self._seen for image_id in ids)
        if known < len(ids):
            self._lost = 0
            window = Window(self._seen + 1, ids[-1] + 1)
            self._ready.append(Reading(window, ids[known:], reply.rows[known:]))
            self.low = ids[known] if self.low is None else self.low
            self.high = self._seen = ids[-1]
        if ask.offset + len(ids) < reply.total:
            self._next = self._following(ask)
        else:
            self.phase = Phase.CLOSE
            # Its window is everything: what is counted, and what the largest id is.
            self._next = Ask(Purpose.HIGHEST)

    def _following(self, ask: Ask) -> Ask:
        """Give the page that reaches furthest and begins before this one ends.

        Of rows that have been read it holds a twentieth again where that can be had: as
        many may be deleted before the next page has to be read anew.
        """
        last = ask.offset + ask.limit - 1

        def worth(limit: int) -> tuple[bool, int]:
            overlap = last % limit + 1
            return overlap * 20 >= limit, limit - overlap

        limit = max(range(self._largest, self._largest // 2, -1), key=worth)
        if worth(limit)[1] == 0:
            self.give_up(TOO_FEW)
        return Ask(Purpose.PAGE, limit=limit, page=last // limit + 1)
