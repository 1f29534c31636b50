"""Uploads many files: the synchronous driver uses threads, the asynchronous one anyio."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing

import anyio
import msgspec

from coir.client.connection import AsyncDataset, Dataset
from coir.client.crew import each
from coir.client.local_file import PathLike
from coir.errors import CoirError, InvalidRequest
from coir.model import DatasetInfo, Image
from coir.scan import AsyncScan, Progress, Scan
from coir.uploads.choice import Choice, choice
from coir.uploads.course import Course
from coir.uploads.report import Outcome, UploadPhase, UploadProgress, UploadReport, Watcher

__all__ = ["CONCURRENCY", "upload", "upload_async"]

# Receiving and checking a picture is the server's work: a few hide the waiting.
CONCURRENCY = 4


def upload(
    dataset: Dataset,
    paths: Iterable[PathLike] | PathLike,
    *,
    into: str = "",
    concurrency: int = CONCURRENCY,
    watch: Watcher | None = None,
) -> UploadReport:
    """Send files and folders to a dataset, and skip what is there.

    A file goes under its own name; of a folder go the pictures below it, with the paths they
    have in that folder; hidden ones are passed over. A file is there when the dataset has an
    image in the same folder with the same file name: what the pictures show is not compared.
    After an interruption the same call goes on with what is missing.

    Args:
        dataset: where to.
        paths: files and folders, or one of them.
        into: a folder of the dataset below which they go.
        concurrency: the files under way at the same time, at most.
        watch: is called with an `UploadProgress` after each file.

    Raises:
        InvalidRequest: a path is not there, there is nothing to send, or two files would have
            the same place; nothing was sent.
        IncompleteUpload: some files were refused, or could not be sent; ``report`` says which
            and why, and that the others are there.
        CoirError: what is there could not be told; nothing was sent.

    """
    chosen = _chosen(paths, into, concurrency)
    scan = Scan(dataset, fields=("path",), watch=_looking(watch))
    course = Course(chosen, {_place(dataset.info, row) for row in scan})
    waiting = iter(course.next, None)
    with closing(
        each(lambda one: dataset.upload(one.path, name=one.name), waiting, concurrency)
    ) as ends:
        for end in ends:
            one = end.item
            image_id = None if end.error else end.result
            _tell(watch, course.ended(Outcome(one.name, one.path, image_id, end.error)))
    return course.report()


async def upload_async(
    dataset: AsyncDataset,
    paths: Iterable[PathLike] | PathLike,
    *,
    into: str = "",
    concurrency: int = CONCURRENCY,
    watch: Watcher | None = None,
) -> UploadReport:
    """Send files and folders to a dataset as `upload` does, asynchronously."""
    chosen = _chosen(paths, into, concurrency)
    scan = AsyncScan(dataset, fields=("path",), watch=_looking(watch))
    course = Course(chosen, {_place(dataset.info, row) async for row in scan})

    async def work() -> None:
        while (one := course.next()) is not None:
            try:
                image_id = await dataset.upload(one.path, name=one.name)
                outcome = Outcome(one.name, one.path, image_id=image_id)
            except CoirError as error:
                outcome = Outcome(one.name, one.path, error=error)
            _tell(watch, course.ended(outcome))

    async with anyio.create_task_group() as tasks:
        for _ in range(concurrency):
            tasks.start_soon(work)
    return course.report()


def _chosen(paths: Iterable[PathLike] | PathLike, into: str, concurrency: int) -> Choice:
    if concurrency < 1:
        raise InvalidRequest("The concurrency must be at least 1.")
    return choice([paths] if isinstance(paths, str | os.PathLike) else paths, into)


def _place(dataset: DatasetInfo, row: Image) -> str | None:
    """Give the place of an image in its dataset; None when it was deleted meanwhile."""
    if isinstance(row.path, msgspec.UnsetType):
        return None
    return row.path.removeprefix(f"{dataset.directory.rstrip('/')}/")


def _looking(watch: Watcher | None) -> Callable[[Progress], None]:
    def look(now: Progress) -> None:
        _tell(watch, UploadProgress(UploadPhase.LOOK, now.read, now.expected))

    return look


def _tell(watch: Watcher | None, progress: UploadProgress) -> None:
    if watch is not None:
        watch(progress)
