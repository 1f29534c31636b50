"""The removal of a dataset for good: a job of short transactions, which nobody sees at work.

From its first transaction on the dataset is marked as removed, without its name, and its files are
aside; what is left of it then goes in batches. It cannot be cancelled, and goes on after a kill.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, false, func, select, update

from coir.server.answers import refused
from coir.server.directories import REMOVED
from coir.server.jobs.book import Order, Ticket, cancel
from coir.server.jobs.job import Job, Run, Work
from coir.server.jobs.jobs import Jobs
from coir.server.jobs.workplace import Workplace
from coir.server.storage import Storage
from coir.server.store.tables import annotations, datasets, images, tasks

KIND = "removal"
GROUP = "Dataset Removal"
# Rows in one transaction, for which others wait: annotations 16 ms on SQLite, 38 ms on PostgreSQL
# (medians, beside other work), images longer.
BATCH = 1000


def begin(
    connection: Connection, jobs: Jobs, folders: Storage, dataset: Row[Any], creator_id: int
) -> Ticket:
    """Make a dataset disappear, and write down the job that removes what is left of it.

    Its unfinished jobs are cancelled. The files are moved aside, to be emptied by whoever runs
    the server.
    """
    asked = select(tasks.c.id).where(
        tasks.c.dataset_id == dataset.id, tasks.c.completed == false(), tasks.c.kind.is_not(None)
    )
    for task_id in connection.execute(asked).scalars().all():
        cancel(connection, task_id)
    name = f"Removing {dataset.name} for good"
    order = Order(KIND, GROUP, name, dataset.id, creator_id)
    ticket = jobs.enter(connection, order, join=False)
    # No dataset can be given such a name, and this one's is free.
    aside = {"removed": True, "name": f"{REMOVED}/{dataset.id}"}
    connection.execute(update(datasets).where(datasets.c.id == dataset.id).values(aside))
    try:
        folders.retire(dataset.name, dataset.id)
    except OSError as error:
        raise refused(f"The directory cannot be moved: {error.strerror}.") from None
    return ticket


def work(place: Workplace, run: Run) -> Work:
    """What a job of this kind does."""
    assert run.dataset_id is not None  # noqa: S101 - a removal is begun with a dataset
    return Removal(place, run.dataset_id)


@dataclass(frozen=True, slots=True)
class Removal:
    """The removal of one dataset, as the work of a job."""

    place: Workplace
    dataset_id: int

    def __call__(self, job: Job) -> None:
        """Remove the rows, a little at a time, and the dataset with the last ones."""
        tables = (annotations, images)
        with self.place.store.read() as connection:
            numbers = [connection.execute(self._count(table)).scalar_one() for table in tables]
        job.info(f"Removing {numbers[0]} annotations and {numbers[1]} images")
        gone = 0
        for table in tables:
            removed = BATCH
            while removed == BATCH:
                job.check()
                removed = self._remove(table, job, 99.0 * gone / max(1, sum(numbers)))
                gone = min(gone + removed, sum(numbers))
        with job.write(100.0, completed=True) as connection:
            job.info("The dataset is removed")
            for table in tables:  # an upload that was under way
                connection.execute(delete(table).where(table.c.dataset_id == self.dataset_id))
            mine = tasks.c.dataset_id == self.dataset_id
            connection.execute(update(tasks).where(mine).values(dataset_id=None))
            connection.execute(delete(datasets).where(datasets.c.id == self.dataset_id))

    def _count(self, table: Table) -> Any:
        asked = select(func.count()).select_from(table)
        return asked.where(table.c.dataset_id == self.dataset_id)

    def _remove(self, table: Table, job: Job, progress: float) -> int:
        some = select(table.c.id).where(table.c.dataset_id == self.dataset_id).limit(BATCH)
        with job.write(progress) as connection:
            return connection.execute(delete(table).where(table.c.id.in_(some))).rowcount
