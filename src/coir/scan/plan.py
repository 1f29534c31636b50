"""Decides what to ask next, and what it all proves: pure, without network or clock.

A driver sends what `asks` returns, reports each answer with `answered` or `failed`, and
takes the readings, in ascending order of ids, from `take`, until `done`. The rules behind
it are docs/spec/scan.md.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coir.errors import CoirError, ConnectionFailed, ServerFailed, UnexpectedAnswer
from coir.scan.ledger import Finding, Ledger, Problem, Reading, Segment
from coir.scan.pace import Pace
from coir.scan.window import Ask, Purpose, Window

__all__ = ["Gap", "Moved", "Phase", "Planner"]

# Of a window that cannot be read: asked for so often, in ever smaller pieces, before it is
# given up. Each attempt is itself repeated by the transport when the network is at fault.
ATTEMPTS = 4
# Readings that may wait for an earlier window, per request in flight: what bounds memory.
AHEAD = 3
# Counts spent on finding out where a dataset changed while it was read.
LOCATE_BUDGET = 24


class Phase(enum.Enum):
    """How far a scan is."""

    PROBE = "probing"
    READ = "reading"
    CLOSE = "counting again"
    LOCATE = "locating changes"
    DONE = "done"


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A stretch of ids not asked for yet; ``density`` is its rows per id where known."""

    window: Window
    density: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """A stretch of ids whose count was another at the end than when it was read."""

    window: Window
    read: int
    counted: int


class Planner:
    """The plan of one scan by windows of ids.

    Args:
        in_flight: how many requests may be under way at the same time.
        keep_ids: whether the ledger keeps the ids that it saw.

    """

    def __init__(self, *, in_flight: int = 4, keep_ids: bool = True) -> None:
        self.phase = Phase.PROBE
        self.pace = Pace(in_flight)
        self.ledger = Ledger(keep_ids=keep_ids)
        self.high: int | None = None
        self.low: int | None = None
        self.counted_at_start: int | None = None
        self.counted_at_end: int | None = None
        self.filters_obeyed = True
        self.moved: list[Moved] = []
        self.requests = 0
        self.reread = 0
        self.error: CoirError | None = None
        self.phase_failed: Phase | None = None
        self._probes = [Ask(purpose) for purpose in (Purpose.HIGHEST, Purpose.LOWEST)]
        self._probes.append(Ask(Purpose.EMPTY, Window(1, 1)))
        self._flying: set[Ask] = set()
        self._gaps: list[Gap] = []
        self._waiting: list[tuple[int, Reading]] = []
        self._next_id = 0
        self._suspects: list[list[Segment]] = []
        self._located: dict[Ask, list[Segment]] = {}
        self._budget = LOCATE_BUDGET

    # -- what to do next ------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return self.phase is Phase.DONE

    def asks(self) -> list[Ask]:
        """Give the requests to send now."""
        asks: list[Ask] = []
        while (ask := self._next()) is not None:
            self._flying.add(ask)
            self.requests += 1
            asks.append(ask)
        return asks

    def take(self) -> list[Reading]:
        """Give the readings that follow, in ids, all that was given before."""
        ready = []
        while self._waiting and self._waiting[0][0] == self._next_id:
            reading = heapq.heappop(self._waiting)[1]
            self._next_id = reading.window.stop
            self.ledger.enter(reading)
            ready.append(reading)
        if self.phase is Phase.READ and not (self._gaps or self._flying or self._waiting):
            self.phase = Phase.CLOSE
            self._probes = [Ask(Purpose.CLOSE, self._whole)]
        return ready

    def _next(self) -> Ask | None:
        if len(self._flying) >= self.pace.in_flight:
            return None
        if self._probes:
            return self._probes.pop(0)
        if self.phase is Phase.READ and self._gaps:
            return self._next_read()
        if self.phase is Phase.LOCATE:
            return self._next_locate()
        return None

    def _next_read(self) -> Ask | None:
        first = self._gaps[0].window.start
        ahead = len(self._waiting) + len(self._flying)
        if first != self._next_id and ahead >= AHEAD * self.pace.most_in_flight:
            return None
        gap = heapq.heappop(self._gaps)
        if gap.attempt:
            self.reread += 1
        window, rest = gap.window.cut(self.pace.width(gap.density))
        if rest:
            heapq.heappush(self._gaps, Gap(rest, gap.density, gap.attempt))
        return Ask(Purpose.READ, window, min(window.width, self.pace.limit), gap.attempt)

    def _next_locate(self) -> Ask | None:
        if not self._suspects or self._budget <= 0:
            return None
        self._budget -= 1
        segments = self._suspects.pop(0)
        ask = Ask(Purpose.LOCATE, _span(segments))
        self._located[ask] = segments
        return ask

    # -- what came of it --------------------------------------------------------------

    def answered(self, ask: Ask, total: int, rows: Sequence[Any], seconds: float) -> None:
        """Learn from an answer; ``rows`` have an ``id`` each."""
        self._flying.discard(ask)
        problem = self.ledger.check(ask, total, [row.id for row in rows])
        if ask.purpose is Purpose.EMPTY and problem is not Problem.NEGATIVE:
            self.filters_obeyed = total == 0
        elif problem is not None:
            self._wrong(ask, problem)
        elif ask.purpose is Purpose.READ:
            self._read(ask, total, rows, seconds)
        elif ask.purpose is Purpose.HIGHEST:
            self.counted_at_start = total
            self.high = rows[-1].id if rows else 0
        elif ask.purpose is Purpose.LOWEST:
            self.low = rows[0].id if rows else 0
        elif ask.purpose is Purpose.CLOSE:
            self._close(total)
        else:
            self._locate(ask, total)
        self._advance()

    def failed(self, ask: Ask, error: CoirError) -> None:
        """Learn that no answer came: ask for less, or give up with the error."""
        self._flying.discard(ask)
        if not _passing(error):
            self._give_up(error)
        elif ask.purpose is Purpose.LOCATE:
            self._located.pop(ask)
            self._budget = 0
        else:
            if ask.window:
                self.pace.failed(ask.window.width)
            self._wrong(ask, Problem.FAILED, error)
        self._advance()

    def _wrong(self, ask: Ask, problem: Problem, error: CoirError | None = None) -> None:
        window = ask.window or Window(0, 2**63 - 1)
        detail = error.message if error else ""
        self.ledger.findings.append(Finding(window, problem, ask.attempt, detail))
        if ask.attempt + 1 >= ATTEMPTS:
            self._give_up(error or _disbelief(ask, problem))
        elif ask.purpose is not Purpose.READ:
            self._located.pop(ask, None)
            self._probes.append(Ask(ask.purpose, ask.window, ask.limit, ask.attempt + 1))
        else:
            first, rest = window.cut(-(-window.width // 2))
            for half in filter(None, (first, rest)):
                heapq.heappush(self._gaps, Gap(half, None, ask.attempt + 1))

    def _give_up(self, error: CoirError) -> None:
        if self.error is None:
            self.error, self.phase_failed = error, self.phase
        self.phase = Phase.DONE

    def _read(self, ask: Ask, total: int, rows: Sequence[Any], seconds: float) -> None:
        window = ask.window
        assert window is not None  # noqa: S101 - for the type checker: READ has a window
        self.pace.answered(window.width, total, len(rows), seconds)
        if len(rows) < total:
            last = rows[-1].id + 1
            rest = Window(last, window.stop)
            heapq.heappush(self._gaps, Gap(rest, (total - len(rows)) / rest.width))
            window = Window(window.start, last)
        heapq.heappush(self._waiting, (window.start, Reading(window, rows)))

    def _advance(self) -> None:
        """Begin reading once the probes have answered; end when nothing is left."""
        if self.phase is Phase.PROBE and not (self._probes or self._flying):
            self._begin()
        if self.phase is Phase.LOCATE and not (
            self._flying or (self._suspects and self._budget > 0)
        ):
            self.phase = Phase.DONE

    def _begin(self) -> None:
        """Plan the reading, now that the probes have answered."""
        if not self.filters_obeyed:
            self._give_up(IGNORED)
            return
        high = self.high or 0
        self.low = min(self.low or 0, high)
        whole = Window(self.low, high + 1)
        self._next_id = whole.start
        self.pace.density = min(1.0, (self.counted_at_start or 0) / whole.width)
        self._gaps = [Gap(whole)] if self.counted_at_start else []
        self.phase = Phase.READ

    @property
    def _whole(self) -> Window:
        """Every id up to the high-water mark, also those below the smallest one seen."""
        return Window(0, (self.high or 0) + 1)

    # -- the count at the end ---------------------------------------------------------

    def _close(self, total: int) -> None:
        self.counted_at_end = total
        if total == self.ledger.count:
            self.phase = Phase.DONE
            return
        self.phase = Phase.LOCATE
        below = [Segment(Window(0, self.low), 0)] if self.low else []
        self._suspects = list(_halves(below + self.ledger.segments))

    def _locate(self, ask: Ask, total: int) -> None:
        segments = self._located.pop(ask)
        read = sum(segment.count for segment in segments)
        if total == read:
            return
        if len(segments) == 1 or self._budget <= 0:
            self.moved.append(Moved(_span(segments), read, total))
        else:
            self._suspects.extend(_halves(segments))


def _halves(segments: list[Segment]) -> list[list[Segment]]:
    middle = len(segments) // 2
    return [half for half in (segments[:middle], segments[middle:]) if half]


def _span(segments: list[Segment]) -> Window:
    return Window(segments[0].window.start, segments[-1].window.stop)


IGNORED = UnexpectedAnswer(
    "The server, or a proxy before it, ignores the filters that coir reads by.",
    hint="Ask the server directly, without the proxy.",
)


def _passing(error: CoirError) -> bool:
    """Whether asking again, for less, may help."""
    return isinstance(error, (ConnectionFailed, ServerFailed, UnexpectedAnswer))


def _disbelief(ask: Ask, problem: Problem) -> UnexpectedAnswer:
    where = f"ids {ask.window}" if ask.window else ask.purpose.value
    return UnexpectedAnswer(
        f"The server's answer about {where} cannot be right: {problem.value}; "
        f"it was asked {ask.attempt + 1} times.",
        hint="A proxy or a fork in between may change requests; try it with --concurrency 1, "
        "and report the certificate.",
    )
