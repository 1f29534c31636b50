"""Cursors of the change feed, as the wire has them: opaque texts."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from coir.server.answers import invalid
from coir.server.parameters import MAX_INTEGER
from coir.server.store.changes import Place

FORM = re.compile(r"([0-9a-f]{12})\.(\d{1,19})\.(\d{1,19})\.(\d{1,19})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the feed with this key, as a follower of a dataset has it."""

    key: str
    dataset_id: int
    place: Place

    @classmethod
    def of(cls, text: str, dataset_id: int) -> Cursor:
        """The cursor in a text. Refuses what is none, and one of another dataset."""
        found = FORM.fullmatch(decoded(text).decode("ascii", "replace"))
        numbers = [int(part) for part in found.groups()[1:]] if found else []
        if found is None or max(numbers) > MAX_INTEGER:
            raise invalid({"since": "this is no cursor: take it as an answer gave it, unchanged"})
        if numbers[0] != dataset_id:
            raise invalid({"since": f"this is a cursor of the dataset {numbers[0]}"})
        return cls(found[1], dataset_id, Place(*numbers[1:]))

    def __str__(self) -> str:
        text = f"{self.key}.{self.dataset_id}.{self.place.xid}.{self.place.seq}"
        return encoded(text.encode())


def encoded(content: bytes) -> str:
    """What a cursor holds, as a text for an address."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """What a cursor holds; nothing, if the text is none."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeError, binascii.Error):
        return b""
