"""Fields that the listing does not tell: path, width, height, categories.

coir's server puts them into its rows. From the original there are two ways to them: a
list of the images of all datasets, whose rows cost about as much as a listing's, and one
request for each image. What is cheaper is taken; what the list leaves out, because it is
paged without an order, is asked for one by one, and what has gone meanwhile stays unset.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from coir.client import routes
from coir.client.exchange import Operation
from coir.errors import InvalidRequest
from coir.model import Details, Image

__all__ = ["FIELDS", "PER_PAGE", "Filler", "checked_fields", "list_pages", "with_details"]

FIELDS = ("path", "width", "height", "category_ids")
# Measured on the original: a row of the list, and a request for one image.
ROW_SECONDS, REQUEST_SECONDS = 6e-6, 5e-3
# Each page makes the server count everything: few large ones. One of these takes about
# as long as a page of the listing at its largest.
PER_PAGE = 20_000


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

    def __init__(self, dataset_id: int, fields: tuple[str, ...]) -> None:
        self.dataset_id = dataset_id
        self.fields = fields
        self.missing = 0
        self._known: dict[int, Details] | None = None

    def filled(self, rows: Sequence[Image], expected: int) -> Operation[Sequence[Image]]:
        """Give the rows with their fields; ``expected`` is how many rows the scan has in all."""
        if not self.fields or not any(self._lacks(row) for row in rows):
            return rows
        if self._known is None:
            self._known = yield from self._listed(expected)
        filled = []
        for row in rows:
            found = self._known.pop(row.id, None) or (yield from routes.details(row.id))
            self.missing += found is None
            filled.append(with_details(row, found, self.fields) if found else row)
        return filled

    def _lacks(self, row: Image) -> bool:
        return any(getattr(row, name) is UNSET for name in self.fields)

    def _listed(self, expected: int) -> Operation[dict[int, Details]]:
        """Read the list of all images, unless asking one by one is cheaper."""
        fields = ("dataset_id", *self.fields)
        first = yield from routes.all_details(fields, 1, 1)
        known = {}
        for page in list_pages(first.total, expected):
            answer = yield from routes.all_details(fields, page, PER_PAGE)
            known.update({one.id: one for one in answer.images
                          if one.dataset_id == self.dataset_id})  # fmt: skip
        return known


def with_details(row: Image, found: Details, fields: Sequence[str]) -> Image:
    """Give a row with those of the fields that were told."""
    told = {name: getattr(found, name) for name in fields}
    return replace(row, **{name: value for name, value in told.items() if value is not UNSET})


def list_pages(total: int, wanted: int) -> range:
    """Give the pages of the list of all images, of `PER_PAGE`, to be read for some of them.

    None where it is cheaper to ask for those one by one.
    """
    if wanted * REQUEST_SECONDS < total * ROW_SECONDS:
        return range(0)
    return range(1, -(-total // PER_PAGE) + 1)
