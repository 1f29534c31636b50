"""The ways to read a dataset that are compared, and what each needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import inprocess, reading
from bench.job import Bench
from bench.measurement import Measurement
from bench.walk import KeysetWalk, PageWalk, WindowWalk

__all__ = ["BASE", "WAYS", "Way"]

BASE = "page loop"


@dataclass(frozen=True, slots=True)
class Way:
    """One way: its name in the table, how to run it, and where it can be run."""

    name: str
    title: str
    run: Callable[[Bench], Measurement]
    feature: str = ""  # what the server has to announce
    own: bool = False  # it reads the SQLite file itself


def _pages(limit: int) -> Callable[[Bench], Measurement]:
    return lambda bench: reading.by_hand(bench, PageWalk(bench.extent, limit))


def _windows(width: int) -> Callable[[Bench], Measurement]:
    return lambda bench: reading.by_hand(bench, WindowWalk(bench.extent, width))


def _keyset(bench: Bench) -> Measurement:
    return reading.by_hand(bench, KeysetWalk(bench.extent, 1_000))


def _ids(concurrency: int) -> Callable[[Bench], Measurement]:
    return lambda bench: reading.scan_ids(bench, concurrency)


ALL = (
    Way(BASE, "the published page loop, limit=100", _pages(100)),
    Way("pages-1000", "the same with limit=1000", _pages(1_000)),
    Way("keyset", "keyset, limit=1000", _keyset),
    Way("windows-1000", "windows of 1,000, one after the other", _windows(1_000)),
    Way("windows-5000", "windows of 5,000, one after the other", _windows(5_000)),
    Way("windows-20000", "windows of 20,000, one after the other", _windows(20_000)),
    Way("ids-1", "coir.Scan, ids, one in flight", _ids(1)),
    Way("ids-4", "coir.Scan, ids, four in flight", _ids(4)),
    Way("rows", "coir.Scan, rows, four in flight", reading.scan_rows),
    Way("stream", "the streamed ids, decoded by msgspec", reading.stream, feature="ids"),
    Way("sqlite3", "in-process: sqlite3 fetchall", inprocess.fetchall, own=True),
    Way("sqlalchemy", "in-process: SQLAlchemy rows", inprocess.rows, own=True),
)
WAYS = {way.name: way for way in ALL}
