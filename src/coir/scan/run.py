"""One run of a plan, as far as the synchronous and the asynchronous driver share it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from coir.client.exchange import Answer, Operation
from coir.client.routes import images
from coir.errors import CoirError, IncompleteScan
from coir.model import DatasetInfo, Page, Row, ServerInfo
from coir.scan.certificate import Certificate, Context, Totals, certify
from coir.scan.ledger import Reading
from coir.scan.plan import Phase, Planner
from coir.scan.window import Ask

__all__ = ["Progress", "Result", "Run", "Watcher"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: rows read, and the count that the server gave at the start."""

    phase: Phase
    read: int
    expected: int | None


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Result(Generic[Row]):
    """What came of one request: a page, and the seconds it took; or an error."""

    ask: Ask
    page: Page[Row] | None = None
    seconds: float = 0.0
    error: BaseException | None = None


class Run(Generic[Row]):
    """A planner at work on one dataset, and what it cost so far."""

    def __init__(
        self,
        dataset: DatasetInfo,
        url: str,
        server: ServerInfo,
        row: type[Row],
        planner: Planner,
        watch: Watcher | None,
    ) -> None:
        self.planner = planner
        self.context = Context(dataset.id, dataset.name, url, server.name, server.version)
        self.row: type[Row] = row
        self.totals = Totals()
        self.watch = watch
        self.started = time.time()

    def operation(self, ask: Ask) -> Operation[Result[Row]]:
        """Give what to run for a request of the plan, counting what it costs."""
        inner = images(self.context.dataset_id, ask.params, self.row)
        answer: Answer | None = None
        seconds = 0.0
        try:
            while True:
                request = inner.send(answer) if answer else next(inner)
                answer = yield request
                seconds = answer.seconds
                self.totals.retries += answer.retries
                self.totals.bytes_received += len(answer.body)
        except StopIteration as stop:
            return Result(ask, stop.value, seconds)

    def report(self, result: Result[Row]) -> list[Reading]:
        """Tell the planner of a result, and give the readings that are ready.

        Raises:
            BaseException: the result holds one that is not of coir's errors.

        """
        planner = self.planner
        if result.page is not None:
            page = result.page
            planner.answered(result.ask, page.total, page.images, result.seconds)
        elif isinstance(result.error, CoirError):
            planner.failed(result.ask, result.error)
        elif result.error is not None:
            raise result.error
        readings = planner.take()
        if self.watch:
            self.watch(Progress(planner.phase, planner.ledger.count, planner.counted_at_start))
        return readings

    def finish(self) -> None:
        """Raise unless the plan ended with a proof.

        Raises:
            IncompleteScan: it ended without, after rows were read.
            CoirError: it ended before the first row was read.

        """
        planner = self.planner
        error = planner.error
        if error is None:
            return
        if planner.phase_failed is Phase.PROBE:
            raise error
        raise IncompleteScan(
            f"Only {planner.ledger.count:,} of {planner.counted_at_start or 0:,} ids were "
            f"retrieved: {error.message}",
            hint=error.hint,
            certificate=self.certificate(),
            ids=planner.ledger.ids,
        ) from error

    def certificate(self) -> Certificate:
        """Write down what is proven so far."""
        return certify(self.planner, self.context, self.totals, self.started, time.time())
