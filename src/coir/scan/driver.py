"""Scans of a dataset: the synchronous driver uses threads, the asynchronous one anyio."""

from __future__ import annotations

import threading
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from itertools import islice
from queue import SimpleQueue
from typing import Any, Self
from weakref import ref

import anyio

from coir.client.connection import AsyncDataset, Dataset
from coir.client.transport import AsyncTransport, Transport
from coir.errors import CoirError
from coir.model import Image
from coir.scan.arrays import (
    TABLE_BATCH,
    arrow_schema,
    as_array,
    as_table,
    image_columns,
    record_batch,
)
from coir.scan.ask import Ask
from coir.scan.ledger import Reading
from coir.scan.order import Order
from coir.scan.run import Result, Run

__all__ = ["AsyncScan", "Scan"]


class Scan(Order[Dataset]):
    """Every image of a dataset, ascending by id, with a certificate at the end.

    Each of its methods that read is a run of its own; ``certificate`` is that of the last
    one that came to its end. Of the rows only a few windows are in memory. As a context
    manager it ends an iteration that was left early: answers still under way are dropped.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration that is under way, if there is one."""
        images = self._iteration() if self._iteration else None
        if images is not None:
            images.close()

    # Weakly held: a loop that is left drops its iterator, and so ends it at once.
    _iteration: ref[Generator[Image]] | None = None

    def ids(self, known: Sequence[int] = ()) -> array[int]:
        """Give every image id, ascending, 8 bytes each.

        Where some are ``known`` already, ascending, a server that counts quickly is asked whether
        that is so, and no id is believed for it.

        Raises:
            IncompleteScan: what was retrieved cannot be shown to be whole.
            CoirError: nothing could be retrieved.

        """
        run = self._run(rows=False, known=known)
        for _ in self._readings(run):
            pass
        return run.plan.ledger.ids

    def __iter__(self) -> Iterator[Image]:
        images = self._images()
        self._iteration = ref(images)
        return images

    def _images(self) -> Generator[Image]:
        with closing(self._lists()) as lists:
            for rows in lists:
                yield from rows

    def _lists(self) -> Generator[Sequence[Image]]:
        run = self._run(rows=True)
        with closing(self._readings(run)) as readings:
            for reading in readings:
                yield self._transport.run(run.filled(reading))

    def batches(self, size: int) -> Generator[list[Image]]:
        """Give the images in lists of ``size``; the last one may be shorter.

        When the scan fails, the images that came before are given first.
        """
        self.check_size(size)
        batch: list[Image] = []
        with closing(self._lists()) as lists:
            try:
                for rows in lists:
                    batch += rows
                    whole = len(batch) - len(batch) % size
                    for start in range(0, whole, size):
                        yield batch[start : start + size]
                    batch = batch[whole:]
            except CoirError:
                if batch:
                    yield batch
                raise
        if batch:
            yield batch

    def first(self, count: int) -> list[Image]:
        """Give the ``count`` images with the smallest ids; there is no certificate for them."""
        with closing(self._images()) as images:
            return list(islice(images, max(count, 0)))

    def count(self) -> int:
        """Ask the server how many images match: one request, no certificate.

        Raises:
            InvalidRequest: part of the filter is not the server's to count.

        """
        run = self._run(rows=False)
        return self._transport.run(run.count())

    def newest(self) -> int:
        """Ask for the largest id: one request; 0 when the dataset has no image."""
        run = self._run(rows=False)
        return self._transport.run(run.newest())

    def array(self) -> Any:
        """Give every image id as a NumPy array of int64; needs the extra 'numpy'.

        Raises:
            CoirError: NumPy is not installed; and what `ids` raises.

        """
        return as_array(self.ids())

    def table(self) -> Any:
        """Give every image as an Arrow table; needs the extra 'arrow'.

        Raises:
            CoirError: pyarrow is not installed; and what iterating raises.

        """
        schema = arrow_schema(image_columns(self.fields))
        return as_table(schema, (record_batch(schema, one) for one in self.batches(TABLE_BATCH)))

    @property
    def _transport(self) -> Transport:
        return self.dataset.transport.paced(self.throttle)

    def _run(self, *, rows: bool, known: Sequence[int] = ()) -> Run:
        server = self.dataset.server
        compiled = self._transport.run(self.compile(self.dataset.info, server.info))
        return self.run(
            self.dataset.info, server.url, server.info, compiled, rows=rows, known=known
        )

    def _readings(self, run: Run) -> Generator[Reading]:
        self._certificate = None
        asks: SimpleQueue[Ask | None] = SimpleQueue()
        results: SimpleQueue[Result] = SimpleQueue()
        for _ in range(self.concurrency):
            # Daemons: a server that hangs must not keep an interrupted program from ending.
            threading.Thread(target=self._work, args=(run, asks, results), daemon=True).start()
        try:
            yield from run.begin()
            readings: list[Reading] = []
            while not run.plan.done:
                for ask in run.asks():
                    asks.put(ask)
                yield from readings  # the server works on what is next while they are used
                readings = run.report(results.get())
            yield from readings
            self._certificate = run.finish()
            self.prices = run.plan.prices
        finally:
            run.close()
            for _ in range(self.concurrency):
                asks.put(None)

    def _work(
        self,
        run: Run,
        asks: SimpleQueue[Ask | None],
        results: SimpleQueue[Result],
    ) -> None:
        transport = self._transport
        while (ask := asks.get()) is not None:
            try:
                results.put(transport.run(run.operation(ask)))
            except BaseException as error:  # it is raised by the thread that waits
                results.put(Result(ask, error=error))


class AsyncScan(Order[AsyncDataset]):
    """Every image of a dataset, asynchronously; the same plan and certificate as `Scan`.

    The requests of a batch are sent together, and rows are handed out between batches:
    no task outlives the step that started it, so an abandoned iteration leaves none.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the iteration that is under way, if there is one."""
        images = self._iteration() if self._iteration else None
        if images is not None:
            await images.aclose()

    _iteration: ref[AsyncGenerator[Image]] | None = None

    async def ids(self) -> array[int]:
        """Give every image id, as `Scan.ids` does."""
        run = await self._run(rows=False)
        async for _ in self._readings(run):
            pass
        return run.plan.ledger.ids

    def __aiter__(self) -> AsyncIterator[Image]:
        images = self._images()
        self._iteration = ref(images)
        return images

    async def _images(self) -> AsyncGenerator[Image]:
        run = await self._run(rows=True)
        async with aclosing(self._readings(run)) as readings:
            async for reading in readings:
                for row in await self._transport.run(run.filled(reading)):
                    yield row

    async def batches(self, size: int) -> AsyncGenerator[list[Image]]:
        """Give the images in lists of ``size``, as `Scan.batches` does."""
        self.check_size(size)
        batch: list[Image] = []
        async with aclosing(self._images()) as images:
            try:
                async for image in images:
                    batch.append(image)
                    if len(batch) == size:
                        yield batch
                        batch = []
            except CoirError:
                if batch:
                    yield batch
                raise
        if batch:
            yield batch

    async def first(self, count: int) -> list[Image]:
        """Give the ``count`` images with the smallest ids; there is no certificate for them."""
        if count < 1:
            return []
        async with aclosing(self.batches(count)) as batches:
            async for batch in batches:
                return batch
        return []

    async def count(self) -> int:
        """Ask the server how many images match, as `Scan.count` does."""
        run = await self._run(rows=False)
        return await self._transport.run(run.count())

    async def newest(self) -> int:
        """Ask for the largest id, as `Scan.newest` does."""
        run = await self._run(rows=False)
        return await self._transport.run(run.newest())

    async def array(self) -> Any:
        """Give every image id as a NumPy array of int64, as `Scan.array` does."""
        return as_array(await self.ids())

    async def table(self) -> Any:
        """Give every image as an Arrow table, as `Scan.table` does."""
        schema = arrow_schema(image_columns(self.fields))
        parts = [record_batch(schema, one) async for one in self.batches(TABLE_BATCH)]
        return as_table(schema, parts)

    @property
    def _transport(self) -> AsyncTransport:
        return self.dataset.transport.paced(self.throttle)

    async def _run(self, *, rows: bool) -> Run:
        server = self.dataset.server
        compiled = await self._transport.run(self.compile(self.dataset.info, server.info))
        return self.run(self.dataset.info, server.url, server.info, compiled, rows=rows)

    async def _readings(self, run: Run) -> AsyncGenerator[Reading]:
        self._certificate = None
        try:
            for reading in run.begin():
                yield reading
            while not run.plan.done:
                results: list[Result] = []
                async with anyio.create_task_group() as tasks:
                    for ask in run.asks():
                        tasks.start_soon(self._send, run, ask, results)
                for result in results:
                    for reading in run.report(result):
                        yield reading
            self._certificate = run.finish()
            self.prices = run.plan.prices
        finally:
            run.close()

    async def _send(self, run: Run, ask: Ask, results: list[Result]) -> None:
        try:
            results.append(await self._transport.run(run.operation(ask)))
        except CoirError as error:
            results.append(Result(ask, error=error))
