"""The categories of a mirror: those that its dataset lists, and those that its annotations have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgspec

from coir.client import routes
from coir.client.transport import Transport
from coir.mirror.counts import Counts
from coir.mirror.database import keep
from coir.mirror.record import category_record
from coir.mirror.store import BURIED_DUE, HIDDEN_DUE, Store
from coir.model import CategoryInfo

__all__ = ["Categories"]

# All categories that the server told in the last sync.
TOLD = "categories_told"


@dataclass
class Categories:
    """Reads the categories for one sync, once."""

    transport: Transport
    dataset_id: int
    store: Store
    sync: int
    counts: Counts

    def hold(self) -> None:
        """Hold those that are wanted now, and make annotations due that others hid."""
        listed, told = self._told
        wanted = {*listed, *self.store.used_categories()}
        self._look_behind({one.id for one in told})
        records = [category_record(one) for one in told if one.id in wanted]
        self.store.put_categories(self.sync, self.counts, records)

    def _look_behind(self, told: set[int]) -> None:
        """Look for annotations that a category hid until now; neither rows nor a feed show that.

        Of a category that only annotations have the dataset does not tell that it came back.
        """
        before = self.store.database.setting(TOLD, set[int])
        if told == before:
            return
        with self.store.database.write() as connection:
            if before is not None and (came := told - before):
                connection.execute(HIDDEN_DUE, (self.sync,))
                connection.execute(BURIED_DUE, (msgspec.json.encode(sorted(came)).decode(),))
            keep(connection, TOLD, sorted(told))

    @cached_property
    def _told(self) -> tuple[tuple[int, ...], list[CategoryInfo]]:
        """Which categories the dataset lists now, and all that there are."""
        told = self.transport.run(routes.categories())
        # Asked afterwards: who may not see the dataset any more may not see its categories, either.
        now = self.transport.run(routes.visible(self.dataset_id))
        return now.categories, told
