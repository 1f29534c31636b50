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

from sqlalchemy import select

from coir.server.folders import OutsideError, logical_directory
from coir.server.jobs import Job
from coir.server.reconciling import Known, difference
from coir.server.storage import Found, Passed, Stamp, Storage
from coir.server.store.engine import Store
from coir.server.store.tables import images
from coir.server.upkeep import Place, Upkeep

GROUP = "Directory Image Scan"
# Rows that the driver fetches at a time.
ROWS = 10_000
# Files of one kind that the log names; the others are counted. A million lines help nobody.
MOST_NAMED = 1000


def title(dataset_name: str) -> str:
    """What the job is called, as recorded."""
    return f"Scanning {dataset_name} for new images"


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan of one dataset, as the work of a job."""

    store: Store
    folders: Storage
    dataset_id: int
    dataset_name: str
    max_pixels: int

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
        place = Place(self.store, self.folders, self.dataset_id, root, self.max_pixels)
        Upkeep(place, job, log).bring_up(difference(self._known(root), found, passed))
        log.close()

    def _walked(self, job: Job) -> tuple[list[Found], list[Passed]]:
        found: list[Found] = []
        passed: list[Passed] = []
        for one in self.folders.walk(self.dataset_name):
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
        with self.store.read() as connection:
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
