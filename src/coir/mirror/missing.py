"""Images that a listing lacks, where no range of ids proves that they are gone.

A proxy that strips filters strips those of ranges, too. What the server says of one image reaches
it all the same: each is asked for by its own route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from coir.client import Dataset, routes
from coir.client.crew import each
from coir.client.transport import Transport
from coir.errors import UnexpectedAnswer
from coir.mirror.record import ImageRecord, image_record
from coir.model import Details, Image
from coir.scan.details import with_details
from coir.scan.filter import Compiled

__all__ = ["still_there"]

# One costs the original about a tenth of a second where it has 200,000 images.
MOST = 2_000
FIELDS = ("file_name", "annotated", "num_annotations", "path", "width", "height")


def still_there(
    dataset: Dataset,
    compiled: Compiled,
    transport: Transport,
    ids: Sequence[int],
    concurrency: int,
    watch: Callable[[int], None],
) -> Iterator[ImageRecord]:
    """Give those that the server has, and that are wanted; of the others it says that they went.

    Raises:
        UnexpectedAnswer: there are too many, or what comes does not tell an image.
        DatasetNotFound: the dataset is not there, or may not be seen any more.

    """
    if len(ids) > MOST:
        raise UnexpectedAnswer(
            f"The listing lacks {len(ids):,} images of the mirror, and a proxy that strips filters "
            "lets nothing prove that they are gone.",
            hint="Ask the server directly once, without the proxy.",
        )

    def ask(image_id: int) -> Details | None:
        return transport.run(routes.details(image_id))

    found: list[Details] = []
    for number, end in enumerate(each(ask, ids, concurrency), 1):
        if end.result is not None:
            found.append(end.result)
        watch(number)
    if len(found) < len(ids):
        # Who may not see the dataset any more is told the same of its images.
        transport.run(routes.visible(dataset.info.id))
    by_rows = compiled.by_rows_alone()
    for one in sorted(found, key=lambda one: one.id):
        row = with_details(Image(one.id, ""), one, FIELDS)
        if (
            one.dataset_id == dataset.info.id
            and by_rows.passes(row)
            and _is_in(by_rows.params.get("folder"), dataset.info.directory, one)
        ):
            yield image_record(row)


def _is_in(folder: str | None, directory: str, image: Details) -> bool:
    """Whether an image lies in a folder of its dataset, as far as its path tells."""
    home, path = f"{directory.rstrip('/')}/", image.path
    if folder is None or not isinstance(path, str) or not path.startswith(home):
        return True
    return path.startswith(f"{home}{folder}/")
