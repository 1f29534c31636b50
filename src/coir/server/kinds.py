"""The kinds of jobs, by the names that the book has for them; they outlive a version of coir."""

from __future__ import annotations

from functools import partial

from coir.server import exporting, importing, removing, scanning, thumbnails
from coir.server.jobs.job import Job, Kind, Run, Work
from coir.server.jobs.workplace import Workplace

# The job that does nothing, to see that jobs run.
TEST = "test"


def kinds(place: Workplace) -> dict[str, Kind]:
    """What jobs do in a workplace."""
    return {
        exporting.KIND: Kind(partial(exporting.work, place)),
        importing.KIND: Kind(partial(importing.work, place)),
        # Half of a dataset is of no use to anybody.
        removing.KIND: Kind(partial(removing.work, place), cancellable=False),
        scanning.KIND: Kind(partial(scanning.work, place)),
        thumbnails.KIND: Kind(partial(thumbnails.work, place)),
        TEST: Kind(_test),
    }


def sweep(place: Workplace) -> None:
    """Remove what jobs left that will not go on."""
    importing.sweep(place)


def _test(_: Run) -> Work:
    return _nothing


def _nothing(job: Job) -> None:
    job.info("Jobs run.")
