"""The export: a dataset as a COCO file, written as a job and kept until it is deleted."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import insert, select

from coir.server.answers import Refusal
from coir.server.contents import EXPORT, Contents
from coir.server.folders import EXPORTS, Incoming, OutsideError, logical_directory
from coir.server.jobs.job import Job, Run, Work
from coir.server.jobs.workplace import Workplace
from coir.server.store.engine import now_ms
from coir.server.store.tables import datasets, exports

KIND = "export"
GROUP = "Annotation Export"
# Between two looks at how far it is; each is a transaction.
PROGRESS_SECONDS = 1.0


def work(place: Workplace, run: Run) -> Work:
    """What a job of this kind does."""
    assert run.dataset_id is not None  # noqa: S101 - an export is begun with a dataset
    categories, empty = run.arguments["categories"], run.arguments["with_empty_images"]
    return Export(place, run.dataset_id, tuple(categories), empty)


@dataclass(frozen=True, slots=True)
class Export:
    """An export of one dataset, as the work of a job; no categories mean all."""

    place: Workplace
    dataset_id: int
    categories: tuple[int, ...]
    with_empty_images: bool

    def __call__(self, job: Job) -> None:
        """Write the file; it appears whole, together with its row."""
        job.info("Beginning Export (COCO Format)")
        incoming = None
        try:
            with self.place.store.read() as connection:
                asked = select(datasets).where(datasets.c.id == self.dataset_id)
                dataset = connection.execute(asked).one()
                contents = Contents(
                    connection,
                    dataset,
                    EXPORT,
                    self.categories,
                    with_empty_images=self.with_empty_images,
                )
                name = _name(job.run)
                # No other export of this dataset runs: its jobs take turns.
                self.place.folders.sweep_exports(dataset.name)
                incoming = self.place.folders.reserve(dataset.name, [EXPORTS, name])
                incoming.write_pieces(self._pieces(contents, dataset.name, job))
            path = f"{logical_directory(dataset.name)}{EXPORTS}/{name}"
            job.info(f"Writing export to file {path}")
            self._keep(incoming, path, ["COCO", *contents.names], job)
        except Refusal:
            job.error("A category is not in the dataset any more; nothing was kept.")
        except (OutsideError, OSError) as error:
            job.error(f"The file cannot be written ({type(error).__name__}); nothing was kept.")
        finally:
            if incoming is not None:
                incoming.discard()

    def _pieces(self, contents: Contents, name: str, job: Job) -> Iterator[bytes]:
        for category in contents.names:
            job.info(f"Adding category: {category}")
        images, annotations = contents.number_of_images(), contents.number_of_annotations()
        if left_out := contents.number_left_out():
            job.info(
                f"Leaving out {left_out} annotations without outline and keypoints, or without a "
                "category"
            )
        # An image and an annotation take about the same space, outlines aside.
        expected, size = 400 * (images + annotations) + 1, 0
        looked = time.monotonic()
        for piece in contents.pieces():
            job.check()
            yield piece
            size += len(piece)
            if time.monotonic() - looked > PROGRESS_SECONDS:
                looked = time.monotonic()
                job.note(min(99.0, 100.0 * size / expected))
        job.info(f"Done export {annotations} annotations and {images} images from {name}")

    def _keep(self, incoming: Incoming, path: str, tags: list[str], job: Job) -> None:
        """Row, file and the end of the job appear together."""
        try:
            with job.write(100.0, completed=True) as connection:
                job.info("Creating export object")
                connection.execute(
                    insert(exports).values(
                        dataset_id=self.dataset_id,
                        path=path,
                        tags=tags,
                        created_at=now_ms(),
                    )
                )
                incoming.keep_again()
        except BaseException:
            incoming.undo()  # the row was not committed
            raise


def _name(run: Run) -> str:
    """The name of the file: of every attempt the same, and of no two jobs.

    The moment in microseconds, as recorded; the last three digits are of the job.
    """
    seconds, milliseconds = divmod(run.created_at, 1000)
    return f"coco-{seconds}.{milliseconds:03}{run.task_id % 1000:03}.json"
