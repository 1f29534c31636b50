"""How a first sync reads the original: once, from the list that tells the further fields, too.

The dataset's listing tells no path, and a row costs as much in either list. The list of all images
proves nothing, as its rows have no order that is promised; which images there are is shown by
counts, and what it told says where to count. Of a part of a dataset the ids come first: the list
takes no filters.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import UNSET, structs

from coir.client.crew import each
from coir.mirror.first_list import FirstList, Step, Turned, enter, kept, pages_read
from coir.mirror.plan import Add, Remove
from coir.mirror.reading import FIELDS, Reader
from coir.mirror.record import image_record
from coir.model import Details, DetailsPage, Image
from coir.scan import Certificate
from coir.scan.details import Page, every_page, last_page, list_pages, listed, single, with_details

__all__ = ["FirstReading"]

# What the listing's own columns tell beside the id.
COLUMNS = ("file_name", "annotated", "num_annotations")
ALL = (*COLUMNS, *FIELDS)
# Pages of the list of all images under way: one is made while another is on its way; more would
# only make other people's requests wait.
PAGES = 2


@dataclass
class FirstReading:
    """Reads all images for a mirror that has none, or only those of a first sync that was ended."""

    reader: Reader
    _expected: int = field(default=0, init=False)
    _went: int = field(default=0, init=False)

    def total(self) -> int:
        """Count the list of all images; 0 where it does not tell what the listing tells, too.

        A fork's may not.
        """
        page = self._page(Page(1, 1), ALL)
        one = next(iter(page.images), None)
        return page.total if all(getattr(one, name, UNSET) is not UNSET for name in ALL) else 0

    def begun(self) -> FirstList | None:
        """Give the list of a first sync that was interrupted, where it can go on."""
        first = kept(self.reader.store.database)
        return first if first is not None and first.holds(self.total()) else None

    def anew(self, total: int, progress: Path | None) -> Iterator[Step]:
        """Read all images; the list of all has ``total``. With a file it can be gone on with.

        Raises:
            IncompleteScan: there is no proof that they are all.

        """
        started, reader = time.monotonic(), self.reader
        first = self._begin(total, progress)
        if progress is not None:
            enter(reader.store.database, first)
        yield from self._read(first, set(), set(), started)

    def rest(self, first: FirstList) -> Iterator[Step]:
        """Go on with a list of which some pages were read.

        Raises:
            IncompleteScan: there is no proof that they are all.

        """
        started, store = time.monotonic(), self.reader.store
        held = set(store.image_ids())
        self.reader.tally.unchanged = len(held)
        yield from self._read(first, held, pages_read(store.database), started)

    def _begin(self, total: int, progress: Path | None) -> FirstList:
        reader = self.reader
        compiled = reader.compiled
        # A plan cannot take back what it said of an image that is not there in the end.
        planned = progress is None
        if not (planned or compiled.params or compiled.checks or compiled.after_id):
            _, self._expected = reader.highest()
            if list_pages(total, self._expected, reader.prices.lists):
                return FirstList(total)
        ids, certificate = self._ids(progress)
        return FirstList(total, list(ids), certificate)

    def _ids(
        self, progress: Path | None = None, known: Sequence[int] = ()
    ) -> tuple[array[int], Certificate]:
        with self.reader.scan((), progress) as scan:
            ids = scan.ids(known)
        self.reader.prices.take(scan.prices)
        return ids, scan.certificate

    def _read(
        self, first: FirstList, held: set[int], read: set[Page], started: float
    ) -> Iterator[Step]:
        certificate = first.certificate
        if first.ids is None or certificate is None:
            certificate = yield from self._by_counts(first.total, held, read)
        else:
            self._expected = len(first.ids)
            wanted = set(first.ids) - held
            pages = last_page(first.total, self._expected, self.reader.prices.lists)
            yield from self._among(pages, wanted, read)
            yield from self._others(first.total, wanted, read)
        self.reader.certificate = structs.replace(certificate, details_missing=self._went)
        self.reader.seconds = time.monotonic() - started

    def _by_counts(
        self, total: int, known: set[int], read: set[Page]
    ) -> Generator[Step, None, Certificate]:
        """Read the list, then see by counts which of its images there are, and what it lacks."""
        mine, tally, before = self.reader.dataset.info.id, self.reader.tally, frozenset(known)
        for page, images in self._pages(every_page(total), read, ("dataset_id", *ALL)):
            for one in images:
                if one.dataset_id == mine and one.id not in known:
                    known.add(one.id)
                    yield self._added(one)
            yield Turned(page)
        found, certificate = self._ids(known=sorted(known))
        ids = set(found)
        self._expected = len(ids)
        for gone in sorted(known - ids):
            # Nothing that a sync before this one held: no guard asks after it.
            if gone in before:
                tally.unchanged -= 1
            else:
                tally.added -= 1
            yield Remove(gone)
        if wanted := ids - known:
            total = self.total()
            pages = last_page(total, len(wanted), self.reader.prices.lists)
            yield from self._among(pages, wanted, set())
            yield from self._others(total, wanted, set())
        return certificate

    def _others(self, total: int, wanted: set[int], read: set[Page]) -> Iterator[Step]:
        """Give the wanted images, from all of the list, or each by itself."""
        prices, reader = self.reader.prices.lists, self.reader
        yield from self._among(list_pages(total, len(wanted), prices), wanted, read)

        def ask(image_id: int) -> Details | None:
            return reader.transport.run(single(image_id, prices))

        for left in each(ask, sorted(wanted), reader.concurrency):
            if left.result is None:
                self._went += 1
            else:
                yield self._added(left.result)

    def _among(self, pages: Sequence[Page], wanted: set[int], read: set[Page]) -> Iterator[Step]:
        """Give those of the wanted images that stand on some pages; they are wanted no more."""
        for page, images in self._pages(pages, read, ALL):
            for one in images:
                if one.id in wanted:
                    wanted.remove(one.id)
                    yield self._added(one)
            yield Turned(page)

    def _pages(
        self, pages: Sequence[Page], read: set[Page], fields: Sequence[str]
    ) -> Iterator[tuple[Page, list[Details]]]:
        left = [one for one in pages if one not in read]

        def ask(page: Page) -> list[Details]:
            return self._page(page, fields).images

        reader = self.reader
        for done in each(ask, left, min(PAGES, reader.concurrency)):
            if reader.watch is not None:
                tally = reader.tally
                reader.watch("reading", tally.added + tally.unchanged, self._expected or None)
            yield done.item, done.result

    def _page(self, page: Page, fields: Sequence[str]) -> DetailsPage:
        return self.reader.transport.run(listed(fields, page, self.reader.prices.lists))

    def _added(self, one: Details) -> Add:
        action = Add(image_record(with_details(Image(one.id, ""), one, ALL)))
        self.reader.tally.count(action)
        return action
