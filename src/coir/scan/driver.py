"""Scans of a dataset: the synchronous driver uses threads, the asynchronous one anyio."""

from __future__ import annotations

import threading
from array import array
from collections.abc import AsyncIterator, Iterator
from queue import SimpleQueue

import anyio

from coir.client.connection import AsyncDataset, Dataset
from coir.errors import CoirError, InvalidRequest
from coir.model import Image, ImageId, Row
from coir.scan.certificate import Certificate
from coir.scan.ledger import Reading
from coir.scan.plan import Planner
from coir.scan.run import Result, Run, Watcher
from coir.scan.window import Ask

__all__ = ["AsyncScan", "Scan"]

# More does not help a server of one process: four hide the waiting, and the rest queue.
CONCURRENCY = 4


class _Scan:
    """What both scans share: their settings, and the certificate of their last run."""

    def __init__(self, *, concurrency: int = CONCURRENCY, watch: Watcher | None = None) -> None:
        if concurrency < 1:
            raise InvalidRequest("The concurrency must be at least 1.")
        self.concurrency = concurrency
        self.watch = watch
        self._certificate: Certificate | None = None

    @property
    def certificate(self) -> Certificate:
        """What the last run proved.

        Raises:
            InvalidRequest: nothing has been run to its end.

        """
        if self._certificate is None:
            raise InvalidRequest(
                "There is no certificate yet.", hint="Read the scan to its end first."
            )
        return self._certificate


class Scan(_Scan):
    """Every image of a dataset, ascending by id, with a certificate at the end.

    Each iteration is a run of its own. Of the rows only a few windows are in memory.

    Args:
        dataset: what ``Server.dataset`` gives.
        concurrency: the requests under way at the same time.
        watch: is called with a `Progress` after each answer.

    """

    def __init__(
        self, dataset: Dataset, *, concurrency: int = CONCURRENCY, watch: Watcher | None = None
    ) -> None:
        super().__init__(concurrency=concurrency, watch=watch)
        self.dataset = dataset

    def ids(self) -> array[int]:
        """Give every image id, ascending, 8 bytes each.

        Raises:
            IncompleteScan: what was retrieved cannot be shown to be whole.
            CoirError: nothing could be retrieved.

        """
        planner = Planner(in_flight=self.concurrency)
        for _ in self._readings(ImageId, planner):
            pass
        return planner.ledger.ids

    def __iter__(self) -> Iterator[Image]:
        planner = Planner(in_flight=self.concurrency, keep_ids=False)
        for reading in self._readings(Image, planner):
            yield from reading.rows

    def _readings(self, row: type[Row], planner: Planner) -> Iterator[Reading]:
        server = self.dataset.server
        run = Run(self.dataset.info, server.url, server.info, row, planner, self.watch)
        self._certificate = None
        asks: SimpleQueue[Ask | None] = SimpleQueue()
        results: SimpleQueue[Result[Row]] = SimpleQueue()
        for _ in range(self.concurrency):
            # Daemons: a server that hangs must not keep an interrupted program from ending.
            threading.Thread(target=self._work, args=(run, asks, results), daemon=True).start()
        try:
            while not planner.done:
                for ask in planner.asks():
                    asks.put(ask)
                yield from run.report(results.get())
        finally:
            for _ in range(self.concurrency):
                asks.put(None)
        self._certificate = run.certificate()
        run.finish()

    def _work(
        self,
        run: Run[Row],
        asks: SimpleQueue[Ask | None],
        results: SimpleQueue[Result[Row]],
    ) -> None:
        transport = self.dataset.server.transport
        while (ask := asks.get()) is not None:
            try:
                results.put(transport.run(run.operation(ask)))
            except BaseException as error:  # it is raised by the thread that waits
                results.put(Result(ask, error=error))


class AsyncScan(_Scan):
    """Every image of a dataset, asynchronously; the same plan and certificate as `Scan`.

    The requests of a batch are sent together, and rows are handed out between batches:
    no task outlives the step that started it, so an abandoned iteration leaves none.
    """

    def __init__(
        self,
        dataset: AsyncDataset,
        *,
        concurrency: int = CONCURRENCY,
        watch: Watcher | None = None,
    ) -> None:
        super().__init__(concurrency=concurrency, watch=watch)
        self.dataset = dataset

    async def ids(self) -> array[int]:
        """Give every image id, as `Scan.ids` does."""
        planner = Planner(in_flight=self.concurrency)
        async for _ in self._readings(ImageId, planner):
            pass
        return planner.ledger.ids

    async def __aiter__(self) -> AsyncIterator[Image]:
        planner = Planner(in_flight=self.concurrency, keep_ids=False)
        async for reading in self._readings(Image, planner):
            for row in reading.rows:
                yield row

    async def _readings(self, row: type[Row], planner: Planner) -> AsyncIterator[Reading]:
        server = self.dataset.server
        run = Run(self.dataset.info, server.url, server.info, row, planner, self.watch)
        self._certificate = None
        while not planner.done:
            results: list[Result[Row]] = []
            async with anyio.create_task_group() as tasks:
                for ask in planner.asks():
                    tasks.start_soon(self._send, run, ask, results)
            for result in results:
                for reading in run.report(result):
                    yield reading
        self._certificate = run.certificate()
        run.finish()

    async def _send(self, run: Run[Row], ask: Ask, results: list[Result[Row]]) -> None:
        try:
            results.append(await self.dataset.server.transport.run(run.operation(ask)))
        except CoirError as error:
            results.append(Result(ask, error=error))
