"""The stage: what an import has read, kept aside until all of it is moved in one transaction.

It is written in batches, so that others write in between, and moved inside the database, where
the rows need not pass through this process again.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    delete,
    exists,
    false,
    insert,
    literal,
    select,
)

from coir.server.jobs.job import Job
from coir.server.store.engine import Store, now_ms
from coir.server.store.loading import load
from coir.server.store.tables import annotations, staged_annotations, staged_categories, tasks

# Rows in one transaction, for which others wait: 16 ms on SQLite, 54 ms on PostgreSQL (medians of
# outlines with 20 points, beside other work).
BATCH = 1000
# Rows removed in one transaction: quicker than writing them.
SWEPT = 2000

JSON_COLUMNS = ("segmentation", "bbox", "keypoints", "metadata")
# What is moved as it is.
COLUMNS = ("image_id", "area", "iscrowd", "isbbox", "color", *JSON_COLUMNS)
STAGED = ("task_id", "category", *COLUMNS)


class Stage:
    """The staged annotations of one import."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._task_id = job.run.task_id
        self._rows: list[tuple[Any, ...]] = []
        self.number = 0

    def clear(self) -> None:
        """Remove what an earlier attempt staged."""
        mine = staged_annotations.c.task_id == self._task_id
        some = select(staged_annotations.c.id).where(mine).limit(SWEPT)
        more = True
        while more:
            with self._job.write(0) as connection:
                more = _removed(connection, some) == SWEPT

    def add(self, row: Mapping[str, Any], progress: float) -> None:
        """Stage an annotation: COLUMNS, JSON as text, and the number of its category."""
        self._rows.append((self._task_id, *(row[name] for name in STAGED[1:])))
        self.number += 1
        if len(self._rows) == BATCH:
            self.flush(progress)

    def flush(self, progress: float) -> None:
        """Write what is not written yet, and how far the job is."""
        self._job.check()
        with self._job.write(progress) as connection:
            if self._rows:
                load(connection, staged_annotations, STAGED, self._rows)
        self._rows = []

    def move(
        self, connection: Connection, dataset_id: int, creator_id: int, ids: Mapping[int, int]
    ) -> None:
        """Make annotations of all that is staged, in its order; ``ids`` are of the categories."""
        if not self.number:
            return
        numbered = [
            {"task_id": self._task_id, "number": number, "category_id": category_id}
            for number, category_id in ids.items()
        ]
        connection.execute(insert(staged_categories), numbered)
        same = {
            "dataset_id": literal(dataset_id, BigInteger),
            "creator_id": literal(creator_id, BigInteger),
            "created_at": literal(now_ms(), BigInteger),
        }
        chosen = (
            select(
                *(staged_annotations.c[name] for name in COLUMNS),
                staged_categories.c.category_id,
                *same.values(),
            )
            .join_from(
                staged_annotations,
                staged_categories,
                (staged_categories.c.task_id == staged_annotations.c.task_id)
                & (staged_categories.c.number == staged_annotations.c.category),
            )
            .where(staged_annotations.c.task_id == self._task_id)
            .order_by(staged_annotations.c.id)
        )
        connection.execute(
            insert(annotations).from_select([*COLUMNS, "category_id", *same], chosen)
        )
        connection.execute(
            delete(staged_categories).where(staged_categories.c.task_id == self._task_id)
        )


def sweep(store: Store) -> None:
    """Remove what is staged for jobs that are completed, a little at a time."""
    unfinished = exists().where(
        tasks.c.id == staged_annotations.c.task_id, tasks.c.completed == false()
    )
    some = select(staged_annotations.c.id).where(~unfinished).limit(SWEPT)
    with store.read() as connection:
        more = connection.execute(some.limit(1)).first() is not None
    while more:
        with store.write() as connection:
            more = _removed(connection, some) == SWEPT


def _removed(connection: Connection, some: Select[int]) -> int:
    """Remove the rows of these ids; gives how many there were.

    Their ids are told one by one: PostgreSQL takes the table to be empty, as it mostly is, and
    might look through all of it for each row of a query.
    """
    ids = connection.execute(some).scalars().all()
    connection.execute(delete(staged_annotations).where(staged_annotations.c.id.in_(ids)))
    return len(ids)
