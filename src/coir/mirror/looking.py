"""Which way a sync looks at the server: the cheapest that sees what it should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coir.client import Dataset
from coir.client.operations import DatasetCalls
from coir.client.transport import Transport
from coir.errors import InvalidRequest
from coir.mirror import plan
from coir.mirror.database import keep
from coir.mirror.first_list import Step
from coir.mirror.first_reading import FirstReading
from coir.mirror.following import Following
from coir.mirror.options import Options
from coir.mirror.plan import Add, Tally
from coir.mirror.reading import FIELDS, OVERLAPPING, Reader
from coir.mirror.report import Watch
from coir.mirror.store import LARGEST, Store
from coir.scan import Filter, Scan
from coir.scan.filter import Compiled
from coir.scan.prices import Prices

__all__ = ["Look", "Looking", "follows", "is_quick"]

# Where the feed is to be followed from after the listing whose progress is kept.
LISTING_CURSOR = "listing_cursor"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the server gives: its steps, while they are read, and who reads them.

    ``cursor`` is where the change feed is to be followed from afterwards, if there is one;
    ``goes_on`` says that a first sync was interrupted, and goes on.
    """

    mode: str
    reader: Reader
    steps: Iterator[Step]
    cursor: str | None = None
    goes_on: bool = False


@dataclass
class Looking:
    """Looks at one dataset for one mirror."""

    dataset: Dataset
    where: Filter
    options: Options
    store: Store
    transport: Transport
    prices: Prices
    watch: Watch | None = None

    def look(self, reader: Reader, progress: Path | None) -> Look:
        """Look at the server through a reader; a listing keeps its progress in a file.

        Raises:
            InvalidRequest: counts would prove nothing here, and a quick sync was asked for.

        """
        calls = DatasetCalls(self.transport, self.dataset.info)
        held = self.store.syncs.cursor() if follows(self.dataset) else None
        if held is not None and self._means_the_same(reader.compiled):
            try:
                steps, cursor = Following(reader).feed(held)
            except InvalidRequest:
                pass  # it has expired, or does not arrive: everything is read
            else:
                return Look("feed", reader, steps, cursor)
        if follows(self.dataset):
            # Counts do not show what changed before the feed is followed: all is read, once.
            return Look("full", reader, reader.listing(progress), self._since(calls, progress))
        self._check_quick(reader.compiled)
        first = FirstReading(reader)
        begun = None if progress is None else first.begun()
        if is_quick(self.options, self.store):
            return Look("quick", reader, self._looked_into(reader.quick(), reader))
        if begun is not None:
            return Look("full", reader, first.rest(begun), goes_on=True)
        tells_all = "fields" in self.dataset.server.info.features
        if not (self.store.held() or tells_all) and (total := first.total()):
            return Look("full", reader, first.anew(total, progress))
        return Look("full", reader, self._looked_into(reader.listing(progress), reader))

    def _looked_into(self, steps: Iterator[Step], reader: Reader) -> Iterator[Step]:
        """Look into images that come back, and may have annotations that their rows do not show.

        Of those that are new to the server, the new annotations are (`posted.py`).
        """
        if not self.store.held():
            yield from steps
            return
        # What a filter left out until now may be old, whatever its id.
        last = LARGEST if self.where.describe() else self.store.newest()
        for step in steps:
            yield step
            if isinstance(step, Add) and step.id <= last:
                look = plan.Look(step.id, annotations=True)
                reader.tally.count(look)
                yield look

    def _since(self, calls: DatasetCalls[Transport], progress: Path | None) -> str | None:
        """Give the cursor of the moment at which a listing began, also one that goes on."""
        if progress is not None and progress.exists():
            since: str | None = self.store.database.setting(LISTING_CURSOR, str)
            return since
        now = calls.changes().cursor
        if progress is not None:
            with self.store.database.write() as connection:
                keep(connection, LISTING_CURSOR, now)
        return now

    def _means_the_same(self, compiled: Compiled) -> bool:
        """Whether the filter means what it did: of images that did not change no feed tells.

        Only the name of a category may come to mean another one.
        """
        return not self.where.categories or self.store.syncs.meant() == compiled.params

    def _check_quick(self, compiled: Compiled) -> None:
        if self.options.quick and (compiled.checks or not self.where.is_stable):
            raise InvalidRequest(
                "A quick sync counts images, and of a filter that they begin and cease to match, "
                "or that the server does not know, a count proves nothing.",
                hint="Leave out --quick.",
            )

    def reader(self) -> Reader:
        """Give what reads the dataset.

        Raises:
            InvalidRequest: the filter means nothing to it.

        """
        server = self.dataset.server
        order = Scan(self.dataset, self.where, fields=FIELDS)
        compiled = self.transport.run(order.compile(self.dataset.info, server.info))
        return Reader(
            dataset=self.dataset,
            where=self.where,
            compiled=compiled,
            transport=self.transport,
            store=self.store,
            tally=Tally(),
            prices=self.prices,
            concurrency=self.options.concurrency,
            max_rps=self.options.max_rps,
            watch=self.watch,
        )


def is_quick(options: Options, store: Store) -> bool:
    """Whether counts are to show what changed, and there is a listing since which they do."""
    last = store.syncs.last_certificate()
    return options.quick and last is not None and last.strategy != OVERLAPPING


def follows(dataset: Dataset) -> bool:
    """Whether the server has a change feed."""
    return "changes" in dataset.server.info.features
