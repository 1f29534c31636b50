"""What the change feed tells of: it says where to look, and the images are asked for as they are.

By ranges of ids; where a proxy strips those, each by itself, or all by a listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from coir.mirror.plan import Action, Change, Look, compare
from coir.mirror.reading import FIELDS, Reader
from coir.mirror.record import ImageRecord, image_record
from coir.mirror.windows import are_obeyed, grouped
from coir.model import Change as Entry
from coir.scan.details import Filler
from coir.scan.offset_plan import LARGEST

__all__ = ["Following"]

# Entries of the feed in one answer: the most that the server gives.
ENTRIES = 10_000


@dataclass
class Following:
    """Follows the change feed for one mirror, whose server a reader reads."""

    reader: Reader

    def feed(self, cursor: str) -> tuple[Iterator[Action], str]:
        """Compare what the change feed tells of; gives the actions, and the next cursor.

        Raises:
            InvalidRequest: the cursor has expired, or does not reach the server: everything is to
                be read.

        """
        touched: dict[int, Look] = {}
        while True:
            answer = self.reader.dataset.changes(cursor, limit=ENTRIES)
            for entry in answer.changes:
                _touch(entry, touched)
            cursor = answer.cursor
            if not answer.more:
                break
        return self._followed(touched), cursor

    def _followed(self, touched: dict[int, Look]) -> Iterator[Action]:
        store, tally = self.reader.store, self.reader.tally
        held, after = store.held(), self.reader.compiled.after_id
        for action in self._told_of(sorted(one for one in touched if one > after)):
            look = touched.get(action.id)
            yield action
            if look is None:
                continue
            del touched[action.id]
            if isinstance(action, Change):
                yield look
        for image_id in sorted(touched):
            if store.image(image_id) is not None:
                tally.looked_at += 1
                yield touched[image_id]
        tally.unchanged = held - tally.removed - tally.changed

    def _told_of(self, ids: Sequence[int]) -> Iterator[Action]:
        """Compare the images that the feed tells of."""
        reader = self.reader
        if not ids:
            return
        if reader.transport.run(are_obeyed(reader.dataset.info.id, reader.compiled)):
            yield from reader.within(grouped(ids))
            return
        listing = reader.prices.reading(reader.store.held(), LARGEST)
        if len(ids) * reader.prices.request < listing:
            there = list(reader.asking().alone(ids))
        else:
            there = self._listed(ids)
        yield from compare(reader.held(ids), there, reader.tally)

    def _listed(self, ids: Sequence[int]) -> list[ImageRecord]:
        """Give those of some images that a listing has.

        What it lacks was not there at some moment of it (S1). Of what came back since then the
        feed tells, behind the cursor.
        """
        reader, wanted = self.reader, set(ids)
        with reader.scan() as scan:
            rows = [row for row in scan if row.id in wanted]
        reader.certificate = scan.certificate
        filler = Filler(reader.dataset.info.id, FIELDS, reader.prices.lists)
        filled = reader.transport.run(filler.filled(rows, len(rows)))
        return [image_record(row) for row in filled if row.path is not UNSET]


def _touch(entry: Entry, touched: dict[int, Look]) -> None:
    """Enter what an entry says of an image; categories are looked at anyhow."""
    image_id = entry.image_id if entry.kind == "annotation" else entry.id
    if entry.kind == "category" or image_id is None:
        return
    before = touched.get(image_id, Look(image_id))
    touched[image_id] = Look(
        image_id,
        annotations=before.annotations or entry.kind == "annotation" or entry.change == "restored",
        file=before.file or entry.kind == "image",
    )
