"""Rows of some windows of a dataset, each answer checked as a scan checks it.

The rules are those of docs/spec/scan.md: an answer that does not add up is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coir.client import routes
from coir.client.exchange import Operation
from coir.errors import UnexpectedAnswer
from coir.model import Image, ImageId
from coir.scan.ask import Ask, Purpose, Reply, Window
from coir.scan.filter import Compiled
from coir.scan.ledger import Ledger

__all__ = ["WIDEST", "are_obeyed", "count", "grouped", "rows"]

# As often as a scan asks for what does not add up (L6).
ATTEMPTS = 4
# A row more costs less than a request: ids that lie so near to each other are read together.
APART = 64
# Rows of one answer, and so the ids of a window.
WIDEST = 2_000


def grouped(ids: Iterable[int], apart: int = APART, widest: int = WIDEST) -> Iterator[Window]:
    """Give windows that hold these ids, which ascend, and few others."""
    start = last = None
    for one in ids:
        if start is None or last is None:
            start = last = one
        elif one - last > apart or one - start >= widest:
            yield Window(start, last + 1)
            start = one
        last = one
    if start is not None and last is not None:
        yield Window(start, last + 1)


def rows(dataset_id: int, compiled: Compiled, window: Window) -> Operation[list[Image]]:
    """Read all rows of a window.

    Raises:
        UnexpectedAnswer: what comes does not add up, also when it is asked for again.

    """
    ledger = Ledger(keep_ids=False, shown=compiled.shows)
    found: list[Image] = []
    rest: Window | None = window
    while rest is not None:
        reply = yield from _checked(dataset_id, compiled, rest, ledger, WIDEST)
        found += [row for row in reply.rows if compiled.passes(row)]
        more = len(reply.ids) < reply.total
        rest = Window(reply.ids[-1] + 1, window.stop) if more else None
    return found


def are_obeyed(dataset_id: int, compiled: Compiled) -> Operation[bool]:
    """Ask whether filters reach the server: what must be empty is not where a proxy strips them."""
    ask = Ask(Purpose.EMPTY, Window(1, 1))
    params = {**compiled.params, **ask.params}
    return (yield from routes.images(dataset_id, params, ImageId)).total == 0


def count(dataset_id: int, compiled: Compiled, window: Window) -> Operation[int]:
    """Ask how many images a window has."""
    reply = yield from _checked(dataset_id, compiled, window, Ledger(keep_ids=False), 1)
    return reply.total


def _checked(
    dataset_id: int, compiled: Compiled, window: Window, ledger: Ledger, limit: int
) -> Operation[Reply]:
    ask = Ask(Purpose.READ, window, limit)
    for _ in range(ATTEMPTS):
        page = yield from routes.images(dataset_id, {**compiled.params, **ask.params}, Image)
        ids = [row.id for row in page.images]
        reply = Reply(page.total, ids, page.images, per_page=page.per_page)
        problem = ledger.check(ask, reply)
        if problem is None:
            return reply
    raise UnexpectedAnswer(
        f"The answer for the ids {window} does not add up: {problem and problem.value}.",
        hint="Look whether a proxy changes requests on their way; a full sync may still work.",
    )
