"""Reads one dataset in two ways, and says what each of them got right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from coir.demo.page_loop import page_loop
from coir.demo.stage import Stage
from coir.demo.writers import Work, people_at_work
from coir.scan import Certificate, Progress, Scan
from coir.scan.plan import Phase
from coir.scan.run import Watcher

__all__ = ["Reading", "read_with_coir", "read_with_script"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one way of reading returned, and what it cost.

    ``missed`` and ``repeated`` count among the images that were there throughout.
    """

    seconds: float
    requests: int
    ids: int
    missed: int
    repeated: int
    changes: int


def read_with_coir(
    stage: Stage, *, rows: bool, disturbed: bool, watch: Watcher | None = None
) -> tuple[Reading, Certificate]:
    """Read the dataset by coir, while people rest or work.

    Its ids alone come as coir's server offers them; its rows, which the copied script reads
    too, by windows, as from any server.
    """
    scan = Scan(stage.dataset, watch=watch)

    def read() -> tuple[Sequence[int], int]:
        ids = [image.id for image in scan] if rows else scan.ids()
        return ids, scan.certificate.requests

    return _measure(stage, disturbed, read), scan.certificate


def read_with_script(stage: Stage, *, disturbed: bool, watch: Watcher | None = None) -> Reading:
    """Read the dataset by the copied script, while people rest or work."""
    requests = 1  # the last page, which is empty

    def seen(read: int, total: int) -> None:
        nonlocal requests
        requests += 1
        if watch:
            watch(Progress(Phase.READ, read, total))

    def read() -> tuple[Sequence[int], int]:
        cookies = stage.server.transport.cookies
        ids = page_loop(stage.server.url, stage.dataset.info.id, cookies, seen=seen)
        return ids, requests

    return _measure(stage, disturbed, read)


def _measure(
    stage: Stage, disturbed: bool, read: Callable[[], tuple[Sequence[int], int]]
) -> Reading:
    before = set(Scan(stage.dataset).ids())
    with _company(stage, disturbed, sorted(before)) as work:
        at_start = before | work.uploaded - work.deleted
        changes_before = work.changes
        started = time.perf_counter()
        ids, requests = read()
        seconds = time.perf_counter() - started
        throughout = at_start - work.deleted
        changes = work.changes - changes_before
    return _judged(ids, throughout, seconds, requests, changes)


def _company(stage: Stage, disturbed: bool, ids: Sequence[int]) -> AbstractContextManager[Work]:
    if not disturbed:
        return nullcontext(Work())
    return people_at_work(stage.server.url, stage.credentials, stage.dataset.info.id, ids)


def _judged(
    ids: Iterable[int], throughout: Set[int], seconds: float, requests: int, changes: int
) -> Reading:
    times = Counter(ids)
    missed = len(throughout - times.keys())
    repeated = sum(times[image_id] - 1 for image_id in throughout if times[image_id] > 1)
    return Reading(seconds, requests, times.total(), missed, repeated, changes)
