"""Cursors of `/data`: where in an order a page ended, as opaque texts.

A cursor holds the last image's place in the order: its value and its id. The next page begins
behind that place, whether the image is still there or not, so that nothing is skipped or repeated
when images come and go. It is not signed: it says where to begin in a list that the caller may see
anyway, and what it holds is checked as parameters are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from coir.server.answers import Refusal, invalid
from coir.server.cursors import decoded, encoded
from coir.server.filters import FLAGS, TEXTS, Condition
from coir.server.parameters import MAX_INTEGER
from coir.server.store.listing import Order
from coir.server.store.places import Place, Value, can_be_absent

MARK_BYTES = 6  # against mistakes, not against attacks


@dataclass(frozen=True, slots=True)
class Course:
    """What a cursor belongs to: the images of a dataset that were asked for, in an order."""

    dataset_id: int
    order: Order
    mark: str  # of the folder and the filters

    @classmethod
    def of(
        cls, dataset_id: int, order: Order, folder: str, conditions: Sequence[Condition]
    ) -> Course:
        """The course of a request; the order of its parameters means nothing."""
        told = "\0".join([folder, *sorted(map(repr, conditions))])
        digest = hashlib.blake2b(told.encode(errors="surrogatepass"), digest_size=MARK_BYTES)
        return cls(dataset_id, order, digest.hexdigest())

    def cursor(self, place: Place) -> str:
        """The cursor for a place."""
        name, down = self.order.name, self.order.descending
        return encoded(
            msgspec.json.encode((self.dataset_id, name, down, self.mark, place.value, place.id))
        )

    def place(self, cursor: str) -> Place:
        """The place in a cursor. Refuses what is none, and one of another course."""
        try:
            found = msgspec.json.decode(decoded(cursor), type=_Form)
        except (msgspec.MsgspecError, UnicodeError):
            raise _none() from None
        dataset_id, name, down, mark, value, image_id = found
        if dataset_id != self.dataset_id:
            raise invalid({"cursor": f"this is a cursor of the dataset {dataset_id}"})
        if (name, down, mark) != (self.order.name, self.order.descending, self.mark):
            said = "this is a cursor of another order, folder or filter: keep them, or begin anew"
            raise invalid({"cursor": said})
        if not _fits(name, value) or abs(image_id) > MAX_INTEGER:
            raise _none()
        return Place(value, image_id)


_Form = tuple[int, str, bool, str, int | str | bool | None, int]


def _fits(name: str, value: Value) -> bool:
    """Whether an image can have this value."""
    if value is None:
        return can_be_absent(name)
    if name in TEXTS:
        return isinstance(value, str) and "\0" not in value
    if name in FLAGS:
        return isinstance(value, bool)
    if isinstance(value, (bool, str)):
        return False
    return abs(value) <= MAX_INTEGER


def _none() -> Refusal:
    return invalid({"cursor": "this is no cursor: take it as an answer gave it, unchanged"})
