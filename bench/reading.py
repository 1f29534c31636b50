"""The ways over HTTP: walks by hand, coir's scans, the streamed ids."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import httpx2
import msgspec

from bench.job import Bench
from bench.measurement import Measurement
from bench.walk import Params, Walk, spread
from coir.client.exchange import Answer, Operation
from coir.client.transport import Transport
from coir.model import IdList
from coir.scan import Scan
from coir.scan.order import SNAPSHOT

__all__ = ["by_hand", "scan_ids", "scan_rows", "stream"]

TIMEOUT = 300.0
# Steps that are tried before it is known whether the whole walk fits into the budget.
TRIALS = 4


class Asker:
    """Asks for rows as a script does: one client with a cookie, `response.json()`."""

    def __init__(self, bench: Bench) -> None:
        server = bench.dataset.server
        cookies = dict(server.transport.cookies)
        self._http = httpx2.Client(base_url=server.url, cookies=cookies, timeout=TIMEOUT)
        self._route = f"/api/dataset/{bench.job.dataset_id}/data"
        self.times: list[float] = []

    def ids(self, params: Params) -> list[int]:
        """Give the ids of one answer."""
        started = time.perf_counter()
        response = self._http.get(self._route, params=params)
        self.times.append(time.perf_counter() - started)
        response.raise_for_status()
        return [image["id"] for image in response.json()["images"]]


def by_hand(bench: Bench, walk: Walk) -> Measurement:
    """Walk to the end when that fits into the budget, else measure a sample of its steps."""
    asker = Asker(bench)
    order = spread(walk.steps)
    started = time.perf_counter()
    tried = [asker.ids(walk.params(step)) for step in islice(order, TRIALS)]
    seconds = time.perf_counter() - started
    if seconds / len(tried) * walk.steps <= bench.job.budget:
        return _whole(bench, walk, asker)
    return _sample(bench, walk, asker, list(order), seconds)


def _whole(bench: Bench, walk: Walk, asker: Asker) -> Measurement:
    asker.times.clear()
    ids: list[int] = []
    clock, step = bench.clock(), 0
    with clock.running():
        params: Params | None = walk.params(0)
        while params is not None:
            found = asker.ids(params)
            ids.extend(found)
            step += 1
            bench.tell(step, walk.steps)
            params = walk.after(step, found)
    return Measurement(
        seconds=clock.seconds,
        requests=step,
        ids=len(ids),
        distinct=len(set(ids)),
        longest=max(asker.times),
        server_cpu=clock.server_cpu,
        memory_mb=clock.memory_mb,
        memory_before_mb=clock.memory_before_mb,
        foreign=clock.foreign,
    )


def _sample(
    bench: Bench, walk: Walk, asker: Asker, steps: list[int], tried_for: float
) -> Measurement:
    """Measure steps until the budget is spent, at least as many as were tried before."""
    asker.times.clear()
    clock, made = bench.clock(), 0
    end = time.perf_counter() + bench.job.budget - tried_for
    with clock.running():
        for step in steps:
            if made >= TRIALS and time.perf_counter() >= end:
                break
            asker.ids(walk.params(step))
            made += 1
            bench.tell(made, None)
    scale = walk.steps / made
    return Measurement(
        seconds=clock.seconds * scale,
        requests=walk.steps,
        ids=bench.extent.total,
        longest=max(asker.times),
        server_cpu=[one * scale for one in clock.server_cpu],
        sampled=made,
        foreign=clock.foreign,
    )


class Metered(Transport):
    """A transport over the connections of another one that notes how long each answer took."""

    def __init__(self, transport: Transport) -> None:
        vars(self).update(vars(transport))
        self.times: list[float] = []

    def run(self, operation: Operation[Any]) -> Any:
        """Run an operation to its end."""
        return super().run(self._noting(operation))

    def _noting(self, operation: Operation[Any]) -> Operation[Any]:
        answer: Answer | None = None
        while True:
            try:
                request = operation.send(answer) if answer else next(operation)
            except StopIteration as stop:
                return stop.value
            answer = yield request
            self.times.append(answer.seconds)


def scan_ids(bench: Bench, concurrency: int) -> Measurement:
    """Read every id with coir, as `Scan.ids` gives them."""
    return _scan(bench, concurrency, lambda scan: scan.ids())


def scan_rows(bench: Bench) -> Measurement:
    """Read every row with coir, and keep the ids only."""
    return _scan(bench, 4, lambda scan: [image.id for image in scan])


def _scan(bench: Bench, concurrency: int, read: Any) -> Measurement:
    bench.dataset.transport = metered = Metered(bench.dataset.transport)
    clock = bench.clock()
    with clock.running():
        scan = Scan(
            bench.dataset,
            concurrency=concurrency,
            watch=lambda progress: bench.tell(progress.read, progress.expected),
        )
        ids = read(scan)
    certificate = scan.certificate
    return Measurement(
        seconds=clock.seconds,
        requests=certificate.requests + certificate.retries,
        ids=len(ids),
        distinct=len(set(ids)),
        longest=max(metered.times),
        server_cpu=clock.server_cpu,
        memory_mb=clock.memory_mb,
        memory_before_mb=clock.memory_before_mb,
        foreign=clock.foreign,
        strategy=certificate.strategy,
    )


def stream(bench: Bench) -> Measurement:
    """Read the streamed ids into a list, without any check."""
    server = bench.dataset.server
    decoder = msgspec.json.Decoder(IdList)
    route = f"/api/dataset/{bench.job.dataset_id}/{SNAPSHOT}"
    clock = bench.clock()
    cookies = dict(server.transport.cookies)
    with httpx2.Client(base_url=server.url, cookies=cookies, timeout=TIMEOUT) as http:
        http.get("/api/info/").raise_for_status()
        with clock.running():
            response = http.get(route)
            response.raise_for_status()
            ids = decoder.decode(response.content).ids
    return Measurement(
        seconds=clock.seconds,
        requests=1,
        ids=len(ids),
        distinct=len(set(ids)),
        longest=clock.seconds,
        server_cpu=clock.server_cpu,
        memory_mb=clock.memory_mb,
        memory_before_mb=clock.memory_before_mb,
        foreign=clock.foreign,
    )
