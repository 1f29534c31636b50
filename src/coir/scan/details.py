"""Fields that the listing does not tell: path, width, height, categories.

coir's server puts them into its rows. From the original there are two ways to them: a
list of the images of all datasets, whose rows cost about as much as a listing's, and one
request for each image. What is cheaper is taken. The list has no order that is promised, but
new images stand at its end: for a few, its last page is tried before all of it. What the list
leaves out is asked for one by one, and what has gone meanwhile stays unset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from coir.client import routes
from coir.client.exchange import Answer, Operation
from coir.errors import InvalidRequest
from coir.model import Details, DetailsPage, Image
from coir.scan.prices import ListPrices

__all__ = [
    "FIELDS",
    "Filler",
    "Page",
    "checked_fields",
    "every_page",
    "last_page",
    "list_pages",
    "listed",
    "single",
    "with_details",
]

T = TypeVar("T")

FIELDS = ("path", "width", "height", "category_ids")
# Each page makes the server count everything: few large ones. One of these takes about
# as long as a page of the listing at its largest.
PER_PAGE = 20_000
# The last page that is tried has so many rows for each that is wanted: other datasets' are among
# them, and images that came and went.
AROUND = 1.5


def checked_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """Give the fields in their own order.

    Raises:
        InvalidRequest: there is no such field.

    """
    if isinstance(fields, str) or not set(fields) <= set(FIELDS):
        raise InvalidRequest(
            f"There are no fields {fields!r} to ask for.",
            hint=f"The fields are {', '.join(FIELDS)}; give them as a list.",
        )
    return tuple(name for name in FIELDS if name in fields)


class Filler:
    """Fills in the fields that rows lack; ``missing`` counts those of images that are gone."""

    def __init__(
        self, dataset_id: int, fields: tuple[str, ...], prices: ListPrices | None = None
    ) -> None:
        self.dataset_id = dataset_id
        self.fields = fields
        self.prices = prices or ListPrices()
        self.missing = 0
        self._known: dict[int, Details] | None = None

    def filled(self, rows: Sequence[Image], expected: int) -> Operation[Sequence[Image]]:
        """Give the rows with their fields; ``expected`` is how many rows the scan has in all."""
        if not self.fields or not self._lacking(rows):
            return rows
        if self._known is None:
            self._known = yield from self._listed({row.id for row in rows}, expected)
        filled = []
        for row in rows:
            found = self._known.pop(row.id, None) or (yield from single(row.id, self.prices))
            self.missing += found is None
            filled.append(with_details(row, found, self.fields) if found else row)
        return filled

    def _lacking(self, rows: Sequence[Image]) -> bool:
        """Whether any field of any row is missing; of a million rows this is a part of the time."""
        return any(UNSET in map(attrgetter(name), rows) for name in self.fields)

    def _listed(self, first: set[int], expected: int) -> Operation[dict[int, Details]]:
        """Read the list of all images, or its end, unless asking one by one is cheaper.

        What the end of the list lacks of the ``first`` rows decides whether the rest is read.
        """
        fields = ("dataset_id", *self.fields)
        total = (yield from listed(fields, Page(1, 1), self.prices)).total
        known: dict[int, Details] = {}
        tried = last_page(total, expected, self.prices)
        if tried:
            yield from self._read(tried, fields, known)
            expected = expected * len(first - known.keys()) // len(first)
        yield from self._read(list_pages(total, expected, self.prices), fields, known)
        return known

    def _read(
        self, pages: Sequence[Page], fields: Sequence[str], known: dict[int, Details]
    ) -> Operation[None]:
        for page in pages:
            answer = yield from listed(fields, page, self.prices)
            mine = (one for one in answer.images if one.dataset_id == self.dataset_id)
            known.update((one.id, one) for one in mine)


def with_details(row: Image, found: Details, fields: Sequence[str]) -> Image:
    """Give a row with those of the fields that were told."""
    told = {name: getattr(found, name) for name in fields}
    return replace(row, **{name: value for name, value in told.items() if value is not UNSET})


class Page(NamedTuple):
    """A page of the list of all images, counted from 1, and how many images each page has."""

    number: int
    size: int


def listed(fields: Sequence[str], page: Page, prices: ListPrices) -> Operation[DetailsPage]:
    """Read a page of the list of all images, and learn what it costs."""
    asked = routes.all_details(fields, page.number, page.size)
    return (yield from _timed(asked, partial(prices.read, page.size)))


def single(image_id: int, prices: ListPrices) -> Operation[Details | None]:
    """Read all fields of one image, and learn what that costs; None when it is gone."""
    return (yield from _timed(routes.details(image_id), prices.asked))


def _timed(operation: Operation[T], learn: Callable[[float], None]) -> Operation[T]:
    answer: Answer | None = None
    try:
        while True:
            request = operation.send(answer) if answer else next(operation)
            answer = yield request
            learn(answer.seconds)
    except StopIteration as stop:
        result: T = stop.value
        return result


def last_page(total: int, wanted: int, prices: ListPrices) -> list[Page]:
    """Give the last page of the list, so large that it may hold the ``wanted`` newest images.

    None where all of it, or asking for each image, would be as cheap.
    """
    number = int(total / (AROUND * wanted)) if wanted else 0
    if number < 2:
        return []
    # The smallest size whose page of this number is the last one.
    size = -(-total // number)
    cheap = prices.reading(total, 1, size) < prices.asking(total, wanted)
    return [Page(number, size)] if cheap and size <= PER_PAGE else []


def list_pages(total: int, wanted: int, prices: ListPrices) -> list[Page]:
    """Give the pages of the whole list, to be read for some of its images.

    None where it is cheaper to ask for those one by one.
    """
    pages = every_page(total)
    cheap = prices.reading(total, len(pages), total) <= prices.asking(total, wanted)
    return pages if cheap else []


def every_page(total: int) -> list[Page]:
    """Give the pages of the whole list."""
    return [Page(one, PER_PAGE) for one in range(1, -(-total // PER_PAGE) + 1)]
