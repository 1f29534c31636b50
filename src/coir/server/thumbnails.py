"""Thumbnails made ahead: the renditions that a page of a dataset shows, before anybody asks.

A thumbnail that is kept already is not made again, so that a job that was interrupted goes on where
it was. The job ends when the renditions have taken their room, since more would push out what it
made itself; and it gives way: while other jobs wait, what is left becomes a job behind them. What
is not kept is made on request, as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, false, select

from coir.server.folders import OutsideError
from coir.server.jobs.book import Order, enter, is_waited_for
from coir.server.jobs.job import Job, Run, Work
from coir.server.jobs.workplace import Workplace
from coir.server.pictures import THUMBNAIL, PictureError
from coir.server.store.tables import datasets, images

KIND = "thumbnails"
GROUP = "Thumbnail Generation"
# What a page of a dataset asks for: `?width=250&thumbnail=true`, and `?width=250`.
BOXES = (THUMBNAIL, (THUMBNAIL[0], 0))
# Between two looks at whether others wait: some seconds of photographs.
BATCH = 50
# Pictures that cannot be read, that the log names; the others are counted.
MOST_NAMED = 100


def order(dataset: Row[Any], creator_id: int, after: int = 0) -> Order:
    """The thumbnails of the images with larger ids, as a job."""
    name = f"Generating thumbnails of {dataset.name}"
    return Order(KIND, GROUP, name, dataset.id, creator_id, {"after": after})


def work(place: Workplace, run: Run) -> Work:
    """What a job of this kind does."""
    assert run.dataset_id is not None  # noqa: S101 - it is begun with a dataset
    with place.store.read() as connection:
        asked = select(datasets).where(datasets.c.id == run.dataset_id)
        return Thumbnails(place, connection.execute(asked).one(), run.arguments["after"])


@dataclass(slots=True)
class Thumbnails:
    """The thumbnails of a dataset, as the work of a job."""

    place: Workplace
    dataset: Row[Any]
    after: int
    made: int = 0
    kept: int = 0
    unread: int = 0

    def __call__(self, job: Job) -> None:
        """Make what is not kept; ends the log with counts."""
        done, total = 0, self.dataset.num_images or 1
        while batch := self._batch():
            for row in batch:
                job.check()
                if self.place.renditions.is_full():
                    job.info(f"The renditions have taken their room; last image {self.after}")
                    return self._end(job)
                self._one(job, row)
                self.after = row.id
            done += len(batch)
            with job.write(min(99.0, 100.0 * done / total)) as connection:
                waiting = is_waited_for(connection, job.run)
            if waiting and len(batch) == BATCH:
                return self._give_way(job)
        return self._end(job)

    def _batch(self) -> list[Row[Any]]:
        asked = (
            select(images.c.id, images.c.path)
            .where(
                images.c.id > self.after,
                images.c.dataset_id == self.dataset.id,
                images.c.deleted == false(),
                images.c.vanished == false(),
            )
            .order_by(images.c.id)
            .limit(BATCH)
        )
        with self.place.store.read() as connection:
            return list(connection.execute(asked))

    def _one(self, job: Job, row: Row[Any]) -> None:
        try:
            file = self.place.folders.file(row.path)
            for box in BOXES:
                if self.place.renditions.has(row.path, file, box):
                    self.kept += 1
                else:
                    self.place.renditions.rendition(row.path, file, box, self.place.max_pixels)
                    self.made += 1
        except (PictureError, OutsideError, OSError) as error:
            self.unread += 1
            if self.unread <= MOST_NAMED:
                said = error if isinstance(error, PictureError) else "it cannot be reached"
                job.warning(f"Skipped {row.path}: {said}")
            else:
                job.warnings += 1

    def _give_way(self, job: Job) -> None:
        self._count(job)
        job.info("Another job waits: the others are made behind it")
        with job.write(100.0, completed=True) as connection:
            enter(connection, order(self.dataset, job.run.creator_id, self.after), join=False)

    def _end(self, job: Job) -> None:
        self._count(job)
        job.finish()

    def _count(self, job: Job) -> None:
        job.info(f"Made {self.made} thumbnail(s), {self.kept} were there, {self.unread} unreadable")
