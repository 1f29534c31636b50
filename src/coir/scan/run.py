"""One run over a dataset, as far as the synchronous and the asynchronous driver share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coir.client import routes
from coir.client.exchange import Answer, Operation
from coir.errors import CoirError, IncompleteScan, InvalidRequest, UnexpectedAnswer
from coir.model import Image, ImageId
from coir.scan.ask import WIDEST, Ask, Purpose, Reply, Window
from coir.scan.certificate import Certificate, Context, Totals, certify
from coir.scan.details import Filler
from coir.scan.filter import Compiled
from coir.scan.journal import Entry, Head, Journal
from coir.scan.ledger import Ledger, Reading
from coir.scan.offset_plan import OffsetPlan
from coir.scan.plan import Phase, Plan
from coir.scan.snapshot_plan import SnapshotPlan
from coir.scan.window_plan import WindowPlan

__all__ = ["Progress", "Result", "Run", "Watcher"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: rows read, and the count that the server gave at the start."""

    phase: Phase
    read: int
    expected: int | None


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request: a reply or an error."""

    ask: Ask
    reply: Reply | None = None
    error: BaseException | None = None


class Run:
    """A plan at work on one dataset, what it cost so far, and the plan that takes over.

    Args:
        context: what is asked, of whom.
        compiled: the filter in the server's terms.
        row: what rows are decoded into.
        in_flight: how many requests may be under way at the same time.
        snapshot: whether the server offers the ids of one instant.
        journal: where progress is kept, and perhaps taken up.
        filler: fills in what rows do not tell.
        known: ids that are expected, as far as somebody has told them.
        follows: the newest ids of an earlier scan that this one follows.
        watch: is called after each answer.

    """

    def __init__(
        self,
        context: Context,
        compiled: Compiled,
        row: type[Image] | type[ImageId],
        *,
        in_flight: int,
        snapshot: bool = False,
        journal: Journal | None = None,
        filler: Filler | None = None,
        known: Sequence[int] = (),
        follows: Sequence[int] = (),
        watch: Watcher | None = None,
    ) -> None:
        self.context = context
        self.compiled = compiled
        self.with_rows = row is Image
        self.row: type = Image if compiled.checks or compiled.shows else row
        self.in_flight = in_flight
        self.journal = journal
        self.filler = filler
        self.known = known
        self.follows = follows
        self.totals = Totals()
        self.watch = watch
        self.started = time.time()
        self.monotonic = time.monotonic()
        self.under_way = 0
        self.plan: Plan
        if snapshot and not compiled.checks:
            self.plan = SnapshotPlan(self._ledger(), after_id=compiled.after_id)
        else:
            self.plan = self._windows()

    def begin(self) -> Iterator[Reading]:
        """Give what an interrupted run has read before.

        Raises:
            InvalidRequest: the journal is about something else.

        """
        if self.journal is None:
            return
        self.journal.check(self._head())
        if self.journal.head is not None:
            self.started = self.journal.head.started
        for entry in self.journal.entries():
            reading = entry.reading
            self.plan.ledger.restore(reading, entry.read)
            yield reading

    def count(self) -> Operation[int]:
        """Ask for the number of rows that match.

        Raises:
            InvalidRequest: part of the filter is done on the rows.

        """
        if self.compiled.checks:
            raise InvalidRequest(
                f"The server cannot count by {', '.join(self.compiled.checks)}.",
                hint="Read the images and count them.",
            )
        first = self.compiled.after_id
        window = Window(first + 1, WIDEST) if first else None
        empty = yield from self._route(Ask(Purpose.EMPTY, Window(1, 1)))
        if empty.total:
            raise UnexpectedAnswer(
                "The server, or a proxy before it, ignores filters: its count would be wrong.",
                hint="Read the images and count them.",
            )
        reply = yield from self._route(Ask(Purpose.CLOSE, window))
        return reply.total

    def filled(self, reading: Reading) -> Operation[Sequence[Any]]:
        """Give the rows of a reading with the fields that were asked for."""
        if self.filler is None:
            return reading.rows
        expected = self.plan.counted_at_start or 0
        return (yield from self.filler.filled(reading.rows, expected))

    def newest(self) -> Operation[int]:
        """Ask for the largest id of the dataset; 0 when it has none."""
        reply = yield from self._route(Ask(Purpose.HIGHEST))
        return reply.ids[0] if reply.ids else 0

    def asks(self) -> list[Ask]:
        """Give the requests to send now.

        Raises:
            AssertionError: the plan waits for an answer to nothing, which would be for ever.

        """
        asks = self.plan.asks()
        self.under_way += len(asks)
        if not self.under_way:
            raise AssertionError(f"The plan is stuck while {self.plan.phase.value}.")
        return asks

    def operation(self, ask: Ask) -> Operation[Result]:
        """Give what to run for a request of the plan, counting what it costs."""
        inner = self._route(ask)
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
            reply: Reply = stop.value
            return Result(ask, replace(reply, seconds=seconds))

    def report(self, result: Result) -> list[Reading]:
        """Tell the plan of a result, and give the readings that are ready.

        Raises:
            BaseException: the result holds one that is not of coir's errors.

        """
        plan = self.plan
        self.under_way -= 1
        if result.reply is not None:
            plan.answered(result.ask, result.reply)
        elif isinstance(result.error, CoirError):
            plan.failed(result.ask, result.error)
        elif result.error is not None:
            raise result.error
        before = len(plan.ledger.segments)
        readings = plan.take()
        if self.journal is not None:
            for reading, segment in zip(readings, plan.ledger.segments[before:], strict=True):
                entry = Entry.of(reading, segment.count, with_rows=self.with_rows)
                self.journal.append(self._head(), entry)
        self._change_plan()
        if self.watch:
            self.watch(Progress(plan.phase, plan.ledger.read, plan.counted_at_start))
        return readings

    def finish(self) -> Certificate:
        """Give the certificate of a plan that ended with a proof.

        Raises:
            IncompleteScan: it ended without, after rows were read.
            CoirError: it ended before the first row was read.

        """
        plan, error = self.plan, self.plan.error
        certificate = self.certificate()
        if error is None:
            if self.journal is not None:
                self.journal.close(finished=True)
            return certificate
        if plan.ledger.read == 0:
            raise error
        raise IncompleteScan(
            f"Only {plan.ledger.read:,} of {plan.counted_at_start or 0:,} ids were "
            f"retrieved: {error.message}",
            hint=error.hint,
            certificate=certificate,
            ids=plan.ledger.ids,
        ) from error

    def close(self) -> None:
        """Leave the progress for another time."""
        if self.journal is not None:
            self.journal.close(finished=False)

    def certificate(self) -> Certificate:
        """Write down what is proven so far."""
        checks = tuple(self.compiled.checks)
        # By a clock that nobody sets.
        times = (self.started, time.monotonic() - self.monotonic)
        self.totals.details_missing = self.filler.missing if self.filler else 0
        return certify(self.plan, self.context, checks, self.totals, times)

    def _route(self, ask: Ask) -> Operation[Reply]:
        dataset_id = self.context.dataset_id
        params = {**self.compiled.params, **ask.params}
        if ask.purpose is Purpose.SNAPSHOT:
            snapshot = yield from routes.image_ids(dataset_id, params)
            if snapshot.query != params:
                raise UnexpectedAnswer("Something on the way to the server changes filters.")
            return Reply(snapshot.total, snapshot.ids)
        if self.row is Image:
            images = yield from routes.images(dataset_id, params, Image)
            ids = [row.id for row in images.images]
            return Reply(images.total, ids, images.images, per_page=images.per_page)
        page = yield from routes.images(dataset_id, params, ImageId)
        return Reply(page.total, [row.id for row in page.images], per_page=page.per_page)

    def _change_plan(self) -> None:
        """Let another plan take over where this one cannot be carried out."""
        refused = self.plan
        if not refused.refused:
            return
        if isinstance(refused, SnapshotPlan):
            self._take_over(self._windows(), refused)
            return
        try:
            if self.journal is not None:
                raise InvalidRequest(
                    "Behind this server's proxy a listing cannot be resumed.",
                    hint="Leave out --resume, or ask the server directly.",
                )
            self.compiled = self.compiled.by_rows_alone()
        except CoirError as error:
            refused.give_up(error)
            return
        if self.compiled.checks:
            self.row = Image
        count = refused.counted_at_start or 0
        self._take_over(OffsetPlan(self._ledger(), counted_at_start=count), refused)

    def _take_over(self, plan: Plan, refused: Plan) -> None:
        """Let another plan go on; what the refused one cost is part of the whole."""
        plan.requests += refused.requests
        plan.ledger.findings.extend(refused.ledger.findings)
        self.plan = plan

    def _windows(self) -> WindowPlan:
        return WindowPlan(
            self._ledger(),
            in_flight=self.in_flight,
            after_id=self.compiled.after_id,
            by_count=not (self.with_rows or self.compiled.params or self.compiled.checks),
            known=self.known,
            resumed=self.journal.resumed if self.journal else None,
        )

    def _ledger(self) -> Ledger:
        passes = self.compiled.passes if self.compiled.checks else None
        # Whoever wants rows gets them one window after the other: keeping every id as well
        # would make the memory grow with the dataset.
        ledger = Ledger(keep_ids=not self.with_rows, passes=passes, shown=self.compiled.shows)
        ledger.newest.extend(self.follows)
        return ledger

    def _head(self) -> Head:
        plan = self.plan
        return Head(
            server_url=self.context.server_url,
            dataset_id=self.context.dataset_id,
            filters=self.context.filters,
            params=self.compiled.params,
            with_rows=self.with_rows,
            fields=self.filler.fields if self.filler else (),
            started=self.started,
            high=plan.high or 0,
            low=plan.low or 0,
            counted_at_start=plan.counted_at_start or 0,
        )
