"""A stand-in for the original server with its measured costs, on a clock of its own.

One request at a time; each counts the rows in its range at 2.5 µs a row, whichever dataset
they belong to, and builds its answer at 17 µs a row (design.md). It answers the planner
without a network, so that what the planner chooses can be tested to the request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from coir.errors import ConnectionFailed
from coir.scan.ask import Ask, Purpose, Reply
from coir.scan.ledger import Ledger
from coir.scan.plan import Plan
from coir.scan.window_plan import WindowPlan

COUNT_SECONDS = 2.5e-6
ROW_SECONDS = 17e-6
REQUEST_SECONDS = 4e-3


@dataclass
class Simulation:
    """A dataset's ids on a server, and what serving them cost.

    ``request`` is what any request costs, ``row`` what each row does; ``others`` is how many
    images of other datasets lie on each id of the range, between 0 and 1; ``timeout`` fails
    requests that take longer; ``after`` is called after each answer.
    """

    ids: list[int]
    others: float = 0.0
    request: float = REQUEST_SECONDS
    row: float = ROW_SECONDS
    timeout: float = 60.0
    after: Callable[[Ask], None] = lambda _ask: None
    clock: float = 0.0
    longest: float = 0.0
    served: list[Ask] = field(default_factory=list)
    rows_served: int = 0

    def __post_init__(self) -> None:
        self.ids = sorted(self.ids)

    def page(self, ask: Ask) -> tuple[int, list[int], float]:
        """Answer a request: total, ids, and the seconds of work."""
        first, last = 0, len(self.ids)
        if ask.window:
            first = bisect_left(self.ids, ask.window.start)
            last = bisect_left(self.ids, ask.window.stop)
        total = last - first
        found = self.ids[first:last]
        if ask.purpose is Purpose.HIGHEST:
            found.reverse()
        rows = found[ask.offset : ask.offset + ask.limit]
        span = self._span(ask)
        counted = total + self.others * max(0, span - total)
        work = self.request + counted * COUNT_SECONDS + len(rows) * self.row
        return total, rows, work

    def _span(self, ask: Ask) -> int:
        """How many ids of the server's whole range a request touches."""
        if not self.ids:
            return 0
        top = self.ids[-1] + 1
        if ask.window is None:
            return top
        return max(0, min(ask.window.stop, top) - max(ask.window.start, 0))

    def run(self, planner: Plan) -> list[int]:
        """Serve a planner to its end; gives the ids in the order they came."""
        came: list[int] = []
        queue: list[tuple[Ask, float]] = []
        while not planner.done:
            queue += [(ask, self.clock) for ask in planner.asks()]
            assert queue, f"the planner waits for nothing: {planner.phase}"
            ask, sent = queue.pop(0)
            total, rows, work = self.page(ask)
            self.clock += min(work, self.timeout)
            self.served.append(ask)
            self.longest = max(self.longest, self.clock - sent)
            if work > self.timeout:
                planner.failed(ask, ConnectionFailed("timed out", timed_out=True))
            else:
                self.rows_served += len(rows)
                planner.answered(ask, Reply(total, rows, seconds=self.clock - sent))
            came += [image_id for reading in planner.take() for image_id in reading.ids]
            self.after(ask)
        return came


def scanned(
    ids: Iterable[int],
    in_flight: int = 4,
    *,
    by_count: bool = False,
    known: Sequence[int] = (),
    **options: object,
) -> tuple[Simulation, WindowPlan]:
    """Run a whole scan over a simulated server, and check that it returned every id."""
    simulation = Simulation(list(ids), **options)  # type: ignore[arg-type]
    planner = WindowPlan(Ledger(), in_flight=in_flight, by_count=by_count, known=known)
    came = simulation.run(planner)
    assert came == simulation.ids
    assert planner.error is None
    return simulation, planner
