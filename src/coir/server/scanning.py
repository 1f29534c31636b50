"""The scan: registers the pictures in a dataset's directory that are not registered yet.

A file that vanished stays registered, and one whose image was deleted is not added again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from coir.server.folders import (
    OutsideError,
    checked_name,
    is_scanned_folder,
    is_unicode,
    logical_directory,
)
from coir.server.jobs.job import Job, Run, Work
from coir.server.jobs.workplace import Workplace
from coir.server.pictures import PictureError, has_picture_name, measure
from coir.server.store.engine import now_ms
from coir.server.store.tables import datasets, images

KIND = "scan"
GROUP = "Directory Image Scan"
# One transaction each: small enough that an upload waits for milliseconds, large enough that
# the fsync of a commit does not count.
BATCH = 200


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
        """Register what is new; ends the log with a count."""
        root = logical_directory(self.dataset_name)
        job.info(f"Scanning {root}")
        try:
            directory = self.place.folders.directory(self.dataset_name)
        except (OutsideError, OSError):
            job.error(f"The directory {root} is not there; nothing was changed.")
            return
        known = self._known()
        fresh = [name for name in pictures_below(directory, job) if root + name not in known]
        added = 0
        for start in range(0, len(fresh), BATCH):
            job.check()
            rows = self._rows(directory, fresh[start : start + BATCH], job)
            added += self._register(rows, job, 100.0 * start / len(fresh))
        job.info(f"Created {added} new image(s)")

    def _known(self) -> set[str]:
        with self.place.store.read() as connection:
            asked = select(images.c.path).where(images.c.dataset_id == self.dataset_id)
            return set(connection.execute(asked).scalars())

    def _rows(self, directory: Path, names: list[str], job: Job) -> list[dict[str, Any]]:
        root = logical_directory(self.dataset_name)
        rows = []
        for name in names:
            try:
                size = measure(directory / name, self.place.max_pixels)
            except PictureError as error:
                job.warning(f"Skipped {root}{name}: {_without(directory, str(error))}")
                continue
            rows.append(
                {
                    "dataset_id": self.dataset_id,
                    "path": root + name,
                    "file_name": name.rpartition("/")[2],
                    "width": size.width,
                    "height": size.height,
                    "created_at": now_ms(),
                }
            )
        return rows

    def _register(self, rows: list[dict[str, Any]], job: Job, progress: float) -> int:
        """Insert what an upload has not registered in the meantime, and log it."""
        paths = [row["path"] for row in rows]
        with job.write(progress) as connection:
            asked = select(images.c.path).where(
                images.c.dataset_id == self.dataset_id, images.c.path.in_(paths)
            )
            present = set(connection.execute(asked).scalars())
            new = [row for row in rows if row["path"] not in present]
            if new:
                connection.execute(insert(images), new)
            for row in new:
                job.info(f"New file found: {row['path']}")
        return len(new)


def pictures_below(directory: Path, job: Job) -> list[str]:
    """The relative paths of the files that are named as pictures, folder by folder, sorted.

    What cannot be read, has no Unicode name or is a link that leads out is logged and left out.
    """
    found: list[str] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        job.check()
        try:
            with os.scandir(directory / prefix) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            job.warning(f"Skipped the folder {prefix or '/'}: {error.strerror}")
            continue
        folders = [entry.name for entry in entries if is_scanned_folder(entry)]
        pending.extend(f"{prefix}{name}/" for name in reversed(folders))
        found.extend(
            prefix + entry.name for entry in entries if _is_picture(entry, directory, prefix, job)
        )
    return found


def _is_picture(entry: os.DirEntry[str], directory: Path, prefix: str, job: Job) -> bool:
    if not is_unicode(entry.name):
        shown = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
        job.warning(f"Skipped {prefix}{shown}: its name is not valid UTF-8; rename it.")
        return False
    if not has_picture_name(entry.name) or entry.name.startswith(".coir-"):
        return False
    try:
        checked_name(entry.name)
    except OutsideError as error:
        job.warning(f"Skipped {prefix}{entry.name!r}: {error}")
        return False
    if entry.is_symlink() and not _stays_inside(Path(entry.path), directory):
        job.warning(f"Skipped {prefix}{entry.name}: a link that leads out of the dataset.")
        return False
    return entry.is_file()


def _stays_inside(link: Path, directory: Path) -> bool:
    try:
        return directory in link.resolve().parents
    except (OSError, RuntimeError):  # a loop of links
        return False


def _without(directory: Path, message: str) -> str:
    """The message without the place of the data on this machine."""
    return message.replace(f"{directory}{os.sep}", "")
