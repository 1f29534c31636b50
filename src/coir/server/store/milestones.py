"""Where the pages of a whole dataset lie: reached from a place near them.

A database finds the row at a large OFFSET by walking over all the rows before it, 30 ms for a
million. Here the walk begins at a milestone: the key of a row whose place is known. What one
request finds out, the next ones use. Milestones hold as long as ``datasets.layout`` is the same,
which the triggers of the migration see to; the reader's own snapshot tells which one it sees, so
that no process can use what is old.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, tuple_

from coir.server.store.listing import Order, ordering
from coir.server.store.tables import images

# The rows that a page may have to walk over: half a millisecond.
STRIDE = 10_000
# Of so many lists (a dataset in one order) the milestones are kept, 100 of them for a million rows.
KEPT = 256
# The orders of which an index is kept, and the columns of each.
KEYS = {
    "id": (images.c.id,),
    "file_name": (images.c.file_name, images.c.id),
}


@dataclass(frozen=True, slots=True)
class Whole:
    """All living images of a dataset, as one snapshot shows them."""

    dataset_id: int
    layout: int
    total: int


@dataclass(slots=True)
class _Course:
    """The milestones of one list: for some offsets, the key of the row there."""

    layout: int
    offsets: list[int] = field(default_factory=list)
    keys: list[tuple[Any, ...]] = field(default_factory=list)

    def before(self, offset: int) -> tuple[int, tuple[Any, ...] | None]:
        """The last milestone that is not behind ``offset``; else the beginning."""
        index = bisect_right(self.offsets, offset) - 1
        return (self.offsets[index], self.keys[index]) if index >= 0 else (0, None)

    def add(self, offset: int, key: tuple[Any, ...]) -> None:
        index = bisect_right(self.offsets, offset)
        if index == 0 or self.offsets[index - 1] != offset:
            self.offsets.insert(index, offset)
            self.keys.insert(index, key)


class Milestones:
    """The milestones of the lists that were asked for lately; threads may share them."""

    def __init__(self) -> None:
        self._courses: OrderedDict[tuple[int, Order], _Course] = OrderedDict()
        self._lock = Lock()

    def near(
        self,
        connection: Connection,
        whole: Whole,
        condition: ColumnElement[bool],
        order: Order,
        offset: int,
    ) -> tuple[ColumnElement[bool], int]:
        """A condition and an offset that give the same rows as these, and are found sooner."""
        if order.name not in KEYS or offset < STRIDE:
            return condition, offset
        wanted = offset - offset % STRIDE
        with self._lock:
            start, key = self._course(whole, order).before(offset)
        if key is None or start < wanted:
            key = _key(connection, whole, condition, order, (start, key), wanted)
            start = wanted
            with self._lock:
                self._course(whole, order).add(start, key)
        return and_(condition, _from(order, key)), offset - start

    def _course(self, whole: Whole, order: Order) -> _Course:
        """The milestones as far as they hold in this snapshot."""
        which = (whole.dataset_id, order)
        course = self._courses.get(which)
        if course is None or course.layout != whole.layout:
            course = _Course(whole.layout)
            if which in self._courses and self._courses[which].layout > whole.layout:
                return course  # a reader of an older snapshot: what is newer stays
            self._courses[which] = course
        self._courses.move_to_end(which)
        while len(self._courses) > KEPT:
            self._courses.popitem(last=False)
        return course


def _key(
    connection: Connection,
    whole: Whole,
    condition: ColumnElement[bool],
    order: Order,
    before: tuple[int, tuple[Any, ...] | None],
    wanted: int,
) -> tuple[Any, ...]:
    """The key of the row at ``wanted``: from the milestone ``before`` it, or from the end."""
    start, key = before
    offset = wanted - start
    if whole.total - 1 - wanted < offset:
        order, offset = order.reversed, whole.total - 1 - wanted
    elif key is not None:
        condition = and_(condition, _from(order, key))
    asked = select(*KEYS[order.name]).where(condition).order_by(*ordering(order))
    return tuple(connection.execute(asked.limit(1).offset(offset)).one())


def _from(order: Order, key: tuple[Any, ...]) -> ColumnElement[bool]:
    """The rows from this key on, the row itself among them."""
    columns = tuple_(*KEYS[order.name])
    return columns <= key if order.descending else columns >= key
