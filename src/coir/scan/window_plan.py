"""Reads a dataset by windows of ids: the plan for every server that obeys filters."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from coir.errors import CoirError
from coir.scan.ask import Ask, Purpose, Reply, Window
from coir.scan.cap import Cap
from coir.scan.fullness import Fullness
from coir.scan.ledger import Ledger, Problem, Reading, Segment
from coir.scan.locator import Locator
from coir.scan.pace import Pace
from coir.scan.plan import Phase, Plan, passing
from coir.scan.survey import Survey

__all__ = ["Resumed", "WindowPlan"]

# Readings that may wait for an earlier window, per request in flight: what bounds memory.
AHEAD = 3
# What brings ids, by their rows or by a count.
READINGS = (Purpose.READ, Purpose.COUNT)


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A stretch of ids not asked for yet; ``density`` is its rows per id where known.

    ``piece`` is how many of its ids to count at once, where that is worth it; ``known`` how many
    are expected at its end, one after the other.
    """

    window: Window
    density: float | None = None
    attempt: int = 0
    piece: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where an earlier run of the same plan stopped: ids below ``next_id`` have been read."""

    high: int
    low: int
    counted_at_start: int
    next_id: int


class WindowPlan(Plan):
    """The plan of one scan by windows of ids.

    Args:
        ledger: where readings are entered; when resuming, it holds the earlier ones.
        in_flight: how many requests may be under way at the same time.
        after_id: only larger ids are wanted.
        known: ids that are expected; where nothing but ids is wanted, they say where to count.
        by_count: nothing but ids is wanted, and every image: a window may be counted
            instead of read where that shows that all its ids are there.
        resumed: where an earlier run stopped.

    """

    strategy = "windows"

    def __init__(
        self,
        ledger: Ledger,
        *,
        in_flight: int = 4,
        after_id: int = 0,
        by_count: bool = False,
        known: Sequence[int] = (),
        resumed: Resumed | None = None,
    ) -> None:
        super().__init__(ledger)
        self.pace = Pace(in_flight)
        self._cap = Cap()
        self._first = after_id + 1 if after_id else 0
        self.fullness = Fullness(self.prices, known=known) if by_count else None
        self._survey = Survey(ledger, self.prices, self._first)
        self._next_id = 0
        if resumed:
            self._survey.resume(resumed.high, resumed.low, resumed.counted_at_start)
            self._next_id = resumed.next_id
        self._closing: list[Ask] = []
        self._flying: set[Ask] = set()
        self._gaps: list[Gap] = []
        self._waiting: list[Reading] = []
        self._locator = Locator()
        self.moved = self._locator.moved

    # -- what to do next ----------------------------------------------------------------

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
        while self._waiting and self._waiting[0].window.start == self._next_id:
            reading = heapq.heappop(self._waiting)
            self._next_id = reading.window.stop
            ready.append(self.ledger.enter(reading))
        if self.phase is Phase.READ and not (self._gaps or self._flying or self._waiting):
            self.phase = Phase.CLOSE
            self._closing = [Ask(Purpose.CLOSE, self._whole)]
        return ready

    def _next(self) -> Ask | None:
        allowed = self.pace.in_flight
        if self.phase is Phase.PROBE:
            allowed = min(2, self.pace.most_in_flight)
        if len(self._flying) >= allowed or not self._survey.filters_obeyed:
            return None
        if self._survey.has_next:
            return self._survey.next()
        if self._closing:
            return self._closing.pop()
        if self.phase is Phase.READ and self._gaps:
            return self._next_read()
        if self.phase is Phase.LOCATE and self._locator.has_next:
            return self._locator.next()
        return None

    def _next_read(self) -> Ask | None:
        first = self._gaps[0].window.start
        ahead = len(self._waiting) + len(self._flying)
        if first != self._next_id and ahead >= AHEAD * self.pace.most_in_flight:
            return None
        gap = heapq.heappop(self._gaps)
        self.reread += gap.attempt > 0
        to_count = self._to_count(gap)
        if self.fullness and self.fullness.known and not (to_count or gap.attempt):
            gap = self._with_others(gap)
        window, rest = gap.window.cut(to_count or self.pace.width(gap.density))
        if rest:
            known = min(gap.known, rest.width)
            heapq.heappush(self._gaps, replace(gap, window=rest, known=known))
        if to_count:
            return Ask(Purpose.COUNT, window, attempt=gap.attempt)
        return Ask(Purpose.READ, window, min(window.width, self.pace.limit), attempt=gap.attempt)

    def _to_count(self, gap: Gap) -> int:
        """Give how many ids of a gap to count instead of reading them; 0 for none."""
        if self.fullness is None:
            return 0
        if gap.known:
            return self.pace.within(gap.window.width) if self.fullness.saves(gap.known) else 0
        ids = self.pace.within(min(gap.piece, gap.window.width))
        density = self.pace.density if gap.density is None else gap.density
        return ids if self.fullness.is_worth(ids, density, self.pace.limit) else 0

    def _with_others(self, gap: Gap) -> Gap:
        """Give a stretch that is to be read, with those behind it that are not to be counted."""
        while self._gaps and gap.window.width < self.pace.width(gap.density):
            other = self._gaps[0]
            together = Window(gap.window.start, other.window.stop)
            if other.window.start != gap.window.stop or other.attempt or self._to_count(other):
                break
            heapq.heappop(self._gaps)
            rows = sum((one.density or 0.0) * one.window.width for one in (gap, other))
            gap = Gap(together, rows / together.width)
        return gap

    # -- what came of it ----------------------------------------------------------------

    def answered(self, ask: Ask, reply: Reply) -> None:
        """Learn from an answer."""
        self._flying.discard(ask)
        if self.done:
            return
        problem = self.ledger.check(ask, reply)
        if (limit := self._cap.limit(ask, reply, problem)) < ask.limit:
            self.pace.cap(limit)
        probing = self.phase is Phase.PROBE
        if ask.purpose is Purpose.EMPTY and problem is not Problem.NEGATIVE:
            self._survey.answered(ask, reply)
        elif (problem in (Problem.OUTSIDE, Problem.CROWDED) and probing) or (
            problem is Problem.MISMATCH and not self.ledger.segments
        ):
            self._survey.filters_obeyed = False
        elif problem is not None:
            self._wrong(ask, problem)
        elif ask.purpose in READINGS:
            self._read(ask, reply)
        elif probing:
            self._survey.answered(ask, reply)
        elif ask.purpose is Purpose.CLOSE:
            self._close(reply.total)
        else:
            self._locator.answered(ask, reply.total)
        self._advance()

    def failed(self, ask: Ask, error: CoirError) -> None:
        """Learn that no answer came: ask for less, or give up with the error."""
        self._flying.discard(ask)
        if self.done:
            return
        if not passing(error):
            self.give_up(error)
        else:
            if ask.window:
                self.pace.failed(ask.window.width)
            self._wrong(ask, Problem.FAILED, error)
        self._advance()

    def _wrong(self, ask: Ask, problem: Problem, error: CoirError | None = None) -> None:
        if ask.purpose is Purpose.LOCATE:
            self._locator.give_up()
            return
        if not self.note(ask, problem, error):
            return
        if ask.purpose is Purpose.CLOSE:
            self._closing.append(ask.again())
        elif ask.purpose not in READINGS:
            self._survey.again(ask)
        elif ask.window:
            first, rest = ask.window.cut(-(-ask.window.width // 2))
            count = ask.purpose is Purpose.COUNT and not ask.attempt
            for half in filter(None, (first, rest)):
                piece = half.width if count else 0
                heapq.heappush(self._gaps, Gap(half, None, ask.attempt + 1, piece))

    def _read(self, ask: Ask, reply: Reply) -> None:
        window, ids, total = ask.window or self._whole, reply.ids, reply.total
        self.pace.answered(window.width, total, len(ids), reply.seconds)
        if self.fullness:
            self.fullness.learn(window, total)
            if ask.purpose is Purpose.COUNT:
                self._counted(window, reply, self.fullness)
                return
        self.prices.read(len(ids), reply.seconds)
        if len(ids) < total:
            rest = Window(ids[-1] + 1, window.stop)
            heapq.heappush(self._gaps, Gap(rest, (total - len(ids)) / rest.width))
            window = Window(window.start, rest.start)
        heapq.heappush(self._waiting, Reading(window, ids, reply.rows))

    def _counted(self, window: Window, reply: Reply, fullness: Fullness) -> None:
        """Take a window that is full, or empty up to its first row; divide the rest."""
        if reply.total == window.width:
            ids = range(window.start, window.stop)
            heapq.heappush(self._waiting, Reading(window, ids, (), by_count=True))
            return
        first = reply.ids[0] if reply.ids else window.stop
        if first > window.start:
            heapq.heappush(self._waiting, Reading(Window(window.start, first), (), ()))
        full = reply.total == window.stop - first
        fullness.trust(full)
        if first == window.stop:
            return
        rest = Window(first, window.stop)
        # The count and the row may be of two moments: only what was there before is believed.
        if full and fullness.tells(rest):
            ids = range(first, window.stop)
            heapq.heappush(self._waiting, Reading(rest, ids, (), by_count=True))
        else:
            self._divide(rest, reply.total, fullness)

    def _divide(self, window: Window, count: int, fullness: Fullness) -> None:
        """Plan to count a window in pieces; the first of its ids is there."""
        for part, piece in fullness.pieces(window, min(count, window.width)):
            heapq.heappush(self._gaps, Gap(part, count / window.width, 0, piece))

    def _advance(self) -> None:
        """Begin reading once the probes have answered; end when nothing is left."""
        survey = self._survey
        if self.phase is Phase.PROBE:
            self.high, self.low, self.counted_at_start = survey.high, survey.low, survey.count
        if not survey.filters_obeyed and not (self._flying or self.done):
            # Only now: an answer that is under way must not reach another plan.
            self.refused, self.phase = True, Phase.DONE
        if self.phase is Phase.PROBE and not (survey.has_next or self._flying):
            self._begin()
        if self.phase is Phase.LOCATE and not (self._flying or self._locator.has_next):
            self.phase = Phase.DONE

    def _begin(self) -> None:
        """Plan the reading, now that the probes have answered."""
        high = self.high or 0
        # An image that is restored or inserted late below the smallest id seen was not
        # there throughout; the count at the end shows it.
        self.low = min(self.low or 0, high)
        whole = Window(max(self.low, self._next_id), high + 1)
        self._next_id = whole.start
        left = max(0, (self.counted_at_start or 0) - self.ledger.read)
        self.pace.density = min(1.0, left / max(1, whole.width))
        self.pace.counted(whole.width, self.prices.count * (self.counted_at_start or 0))
        if self.counted_at_start and whole.width > 0:
            if self.fullness and self.fullness.known:
                self._gaps = [
                    Gap(part, rows / part.width, known=rows if long else 0)
                    for part, rows, long in self.fullness.expected(whole)
                ]
            elif self.fullness:
                self._divide(whole, left, self.fullness)
            else:
                self._gaps = [Gap(whole)]
        self.phase = Phase.READ

    @property
    def _whole(self) -> Window:
        """Every id up to the high-water mark, also those below the smallest one seen."""
        return Window(self._first, max(self._first, (self.high or 0) + 1))

    # -- the count at the end -----------------------------------------------------------

    def _close(self, total: int) -> None:
        self.counted_at_end = total
        if total == self.ledger.read:
            self.unchanged, self.phase = True, Phase.DONE
            return
        self.phase = Phase.LOCATE
        low = self.low or 0
        below = [Segment(Window(self._first, low), 0)] if low > self._first else []
        self._locator.suspect(below + self.ledger.segments)
