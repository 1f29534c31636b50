"""Images that a listing lacks, where no range of ids proves that they are gone.

A proxy that strips filters strips those of ranges, too. What the server says of one image reaches
it all the same: each is asked for by its own route. Where that is dearer, the list of the images of
all datasets is read, a second witness beside the listing: it takes no filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from coir.client import Dataset, routes
from coir.client.crew import each
from coir.client.transport import Transport
from coir.errors import UnexpectedAnswer
from coir.mirror.record import ImageRecord, image_record
from coir.mirror.report import Watch
from coir.model import Details, Image
from coir.scan.details import Page, every_page, list_pages, listed, single, with_details
from coir.scan.filter import Compiled
from coir.scan.prices import ListPrices

__all__ = ["Asking"]

# One costs the original about a tenth of a second where it has 200,000 images.
MOST = 2_000
# As often as a scan asks for what does not add up (L6).
ATTEMPTS = 4
FIELDS = ("file_name", "annotated", "num_annotations", "path", "width", "height")


@dataclass
class Asking:
    """Asks for images of which no range can be asked for; gives those that are wanted, by id.

    Of what it does not give the server says that it is gone, or not wanted.
    """

    dataset: Dataset
    compiled: Compiled
    transport: Transport
    prices: ListPrices
    concurrency: int
    watch: Watch | None = None

    def __post_init__(self) -> None:
        """Prepare to look at rows.

        Raises:
            InvalidRequest: a part of the filter is about what rows do not show.

        """
        self._by_rows = self.compiled.by_rows_alone()

    def alone(self, ids: Sequence[int]) -> Iterator[ImageRecord]:
        """Ask for each by itself.

        Raises:
            UnexpectedAnswer: what comes does not tell an image.
            DatasetNotFound: the dataset is not there, or may not be seen any more.

        """
        return self._wanted(self._single(ids), len(ids))

    def still_there(self, ids: Sequence[int]) -> Iterator[ImageRecord]:
        """Ask for images that a listing lacks, in the cheapest way.

        Raises:
            UnexpectedAnswer: as `alone`; or there are too many to ask for each, and the list of all
                does not add up.
            DatasetNotFound: as `alone`.

        """
        found = self._listed(ids)
        if found is None and len(ids) > MOST:
            raise UnexpectedAnswer(
                f"The listing lacks {len(ids):,} images of the mirror, and a proxy that strips "
                "filters lets nothing prove that they are gone.",
                hint="Sync again when fewer images come and go, or ask the server directly once, "
                "without the proxy.",
            )
        return self._wanted(self._single(ids) if found is None else found, len(ids))

    def _single(self, ids: Sequence[int]) -> list[Details]:
        def ask(image_id: int) -> Details | None:
            return self.transport.run(single(image_id, self.prices))

        found: list[Details] = []
        for number, end in enumerate(each(ask, ids, self.concurrency), 1):
            if end.result is not None:
                found.append(end.result)
            if self.watch is not None:
                self.watch("reading", number, len(ids))
        return found

    def _listed(self, ids: Sequence[int]) -> list[Details] | None:
        """Give those that the list of all has; None where it proves nothing of the others.

        It is whole when it has as many images as it counts on each of its pages. Rows that move
        to other pages may hide an image even so: alone it is no proof.
        """
        fields, wanted, many = ("dataset_id", *FIELDS), set(ids), len(ids) > MOST
        for _ in range(ATTEMPTS):
            first = self.transport.run(listed(fields, Page(1, 1), self.prices))
            if any(getattr(one, name) is UNSET for one in first.images for name in FIELDS):
                return None  # a fork's, which tells less
            pages = (
                every_page(first.total) if many else list_pages(first.total, len(ids), self.prices)
            )
            if not pages and first.total:
                return None  # asking for each is cheaper
            found: list[Details] = []
            seen: set[int] = set()
            totals = {first.total}
            for page in pages:
                answer = self.transport.run(listed(fields, page, self.prices))
                totals.add(answer.total)
                found += [one for one in answer.images if one.id in wanted and one.id not in seen]
                seen.update(one.id for one in answer.images)
            if totals == {len(seen)}:
                return found
        return None

    def _wanted(self, found: Sequence[Details], asked: int) -> Iterator[ImageRecord]:
        if len(found) < asked:
            # Who may not see the dataset any more is told the same of its images.
            self.transport.run(routes.visible(self.dataset.info.id))
        folder, directory = self._by_rows.params.get("folder"), self.dataset.info.directory
        for one in sorted(found, key=lambda one: one.id):
            row = with_details(Image(one.id, ""), one, FIELDS)
            if (
                one.dataset_id == self.dataset.info.id
                and self._by_rows.passes(row)
                and _is_in(folder, directory, one)
            ):
                yield image_record(row)


def _is_in(folder: str | None, directory: str, image: Details) -> bool:
    """Whether an image lies in a folder of its dataset, as far as its path tells."""
    home, path = f"{directory.rstrip('/')}/", image.path
    if folder is None or not isinstance(path, str) or not path.startswith(home):
        return True
    return path.startswith(f"{home}{folder}/")
