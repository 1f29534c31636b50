"""What a measuring process is told, and what it has at hand while it measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from bench.cost import busy_seconds, cpu_seconds, peak_memory_mb
from bench.place import Place
from bench.walk import Extent
from coir.client import Dataset

__all__ = ["Bench", "Clock", "Job"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one way, as it is handed to a process of its own."""

    way: str
    place: Place
    dataset_id: int
    extent: Extent
    budget: float
    groups: list[list[int]] = []


@dataclass
class Clock:
    """What is read when a run begins and when it ends."""

    groups: list[list[int]]
    seconds: float = 0.0
    server_cpu: list[float] = field(default_factory=list)
    memory_before_mb: float | None = None
    memory_mb: float | None = None
    foreign: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what happens inside."""
        self.memory_before_mb = peak_memory_mb()
        before = [cpu_seconds(group) for group in self.groups]
        busy, client = busy_seconds(), time.process_time()
        started = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - started
        after = [cpu_seconds(group) for group in self.groups]
        self.server_cpu = [end - begin for begin, end in zip(before, after, strict=True)]
        used = sum(self.server_cpu) + time.process_time() - client
        self.foreign = max(0.0, busy_seconds() - busy - used) / self.seconds
        self.memory_mb = peak_memory_mb()


@dataclass(frozen=True, slots=True)
class Bench:
    """The job, the dataset as coir sees it, and whom to tell how far it is."""

    job: Job
    dataset: Dataset
    tell: Callable[[int, int | None], None]

    @property
    def extent(self) -> Extent:
        """The size of the dataset."""
        return self.job.extent

    def clock(self) -> Clock:
        """Give a clock that watches the server's processes."""
        return Clock(self.job.groups)
