"""The scan: brings the images of a dataset up to date with the files in its directory.

New files are registered, moved ones keep their image, changed ones are measured again. An image
whose file vanished is marked, never removed, and the mark goes when the file is back; one that was
deleted is not added again. A file that is as it was (size and time of writing) is not opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Row, select

from coir.server.folders import OutsideError, logical_directory
from coir.server.jobs.book import Order
from coir.server.jobs.job import Job, Run, Work
from coir.server.jobs.workplace import Workplace
from coir.server.reconciling import Known, difference
from coir.server.storage import Found, Passed, Stamp
from coir.server.store.tables import datasets, images
from coir.server.upkeep import Place, Upkeep

KIND = "scan"
GROUP = "Directory Image Scan"
# Rows that the driver fetches at a time.
ROWS = 10_000
# Files of one kind that the log names; the others are counted. A million lines help nobody.
MOST_NAMED = 1000


def order(dataset: Row[Any], creator_id: int) -> Order:
    """The scan of a dataset as a job, called as recorded."""
    name = f"Scanning {dataset.name} for new images"
    return Order(KIND, GROUP, name, dataset.id, creator_id)


def work(place: Workplace, run: Run) -> Work:
    """What a job of this kind does."""
    assert run.dataset_id is not None  # noqa: S101 - a scan is begun with a dataset
    with place.store.read() as connection:
        asked = select(datasets.c.name).where(datasets.c.id == run.dataset_id)
        return Scan(place, run.dataset_id, connection.execute(asked).scalar_one())


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan of one dataset, as the work of a job."""

    place: Workplace
    dataset_id: int
    dataset_name: str

    def __call__(self, job: Job) -> None:
        """Bring the images up to date; ends the log with counts."""
        root = logical_directory(self.dataset_name)
        log = Log(job)
        job.info(f"Scanning {root}")
        try:
            found, passed = self._walked(job)
        except (OutsideError, OSError):
            job.error(f"The directory {root} is not there; nothing was changed.")
            return
        for one in passed:
            log.note("skipped", f"{root}{one.name}: {one.reason}", warning=True)
        place = Place(self.place.folders, self.dataset_id, root, self.place.max_pixels)
        Upkeep(place, job, log).bring_up(difference(self._known(root), found, passed))
        log.close()

    def _walked(self, job: Job) -> tuple[list[Found], list[Passed]]:
        found: list[Found] = []
        passed: list[Passed] = []
        for one in self.place.folders.walk(self.dataset_name):
            job.check()
            if isinstance(one, Found):
                found.append(one)
            else:
                passed.append(one)
        return found, passed

    def _known(self, root: str) -> Iterator[Known]:
        """The images of the dataset, deleted ones too, ordered by name."""
        file = (images.c.file_size, images.c.file_mtime_ns, images.c.file_sample)
        asked = (
            select(images.c.id, images.c.path, *file, images.c.vanished, images.c.deleted)
            .where(images.c.dataset_id == self.dataset_id)
            .order_by(images.c.path)
        )
        with self.place.store.read() as connection:
            for row in connection.execute(asked, execution_options={"yield_per": ROWS}):
                yield _known(row, root)


def _known(row: Any, root: str) -> Known:
    size, modified_ns = row.file_size, row.file_mtime_ns
    stamp = None if size is None or modified_ns is None else Stamp(size, modified_ns)
    name = row.path.removeprefix(root)
    return Known(row.id, name, stamp, row.file_sample, row.vanished, row.deleted)


class Log:
    """What happened to files: named up to a bound, counted beyond it."""

    WORDS: ClassVar = {
        "new": "New file found: ",
        "moved": "Moved: ",
        "changed": "Changed: ",
        "vanished": "Vanished: ",
        "back": "Back again: ",
        "misfit": "Annotations may not fit any more: ",
        "skipped": "Skipped ",
    }

    def __init__(self, job: Job) -> None:
        self._job = job
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, text: str, *, warning: bool = False) -> None:
        """Name one file; what is a ``warning`` counts as one, named or not."""
        self.counts[kind] += 1
        if self.counts[kind] > MOST_NAMED:
            self._job.warnings += warning
        elif warning:
            self._job.warning(self.WORDS[kind] + text)
        else:
            self._job.info(self.WORDS[kind] + text)

    def close(self) -> None:
        """Say how many there were, those not named too."""
        for kind, number in self.counts.items():
            if number > MOST_NAMED:
                self._job.info(f"{self.WORDS[kind]}{number - MOST_NAMED} more")
        kinds = ("moved", "changed", "vanished", "back")
        if found := [f"{self.counts[kind]} {kind}" for kind in kinds if self.counts[kind]]:
            self._job.info(f"Of the images that were there: {', '.join(found)}")
        self._job.info(f"Created {self.counts['new']} new image(s)")
