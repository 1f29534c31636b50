"""The images that a request asks for: of a visible dataset, in a folder, by filters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, true

from coir.server.access import visible_dataset
from coir.server.answers import refused
from coir.server.filters import Condition
from coir.server.folders import OutsideError, logical_directory, segments
from coir.server.sessions import Caller
from coir.server.state import ServerState
from coir.server.store import listing
from coir.server.store.conditions import where
from coir.server.store.tables import images

NO_DATASET = "No such dataset, or you have no access to it: see GET /api/dataset/."


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a dataset that was asked for and exists; ``shown`` is empty for the whole."""

    shown: str
    subdirectories: list[str]

    @classmethod
    def of(cls, state: ServerState, dataset_name: str, folder: str) -> Folder:
        """The folder of this name, or the recorded refusal."""
        try:
            relative = segments(folder)
            names = state.folders.subdirectories(dataset_name, relative)
        except (OutsideError, OSError):
            raise refused("Directory does not exist.") from None
        return cls("".join(f"{segment}/" for segment in relative), names)

    def condition(self, dataset_name: str) -> ColumnElement[bool]:
        """The images below it: a range of paths."""
        return below(dataset_name, self.shown)


def below(dataset_name: str, folder: str) -> ColumnElement[bool]:
    """The condition on `images` for those in a folder, as `Folder` shows it."""
    if not folder:
        return true()
    prefix = logical_directory(dataset_name) + folder
    above = prefix[:-1] + chr(ord("/") + 1)  # the first text behind all that begin so
    return and_(images.c.path >= prefix, images.c.path < above)


@dataclass(frozen=True)
class Selection:
    """The living images of a visible dataset that lie in a folder and meet the conditions."""

    dataset: Row[Any]
    folder: Folder
    conditions: tuple[Condition, ...]

    @classmethod
    def of(
        cls,
        state: ServerState,
        connection: Connection,
        caller: Caller,
        dataset_id: int,
        folder: str,
        conditions: tuple[Condition, ...],
    ) -> Selection:
        """What was asked for, or the refusal of a dataset or a folder that is not there."""
        row = visible_dataset(connection, caller, dataset_id, NO_DATASET, 404)
        return cls(row, Folder.of(state, row.name, folder), conditions)

    @cached_property
    def condition(self) -> ColumnElement[bool]:
        """The condition on `images`."""
        return self.meeting(self.conditions)

    def meeting(self, conditions: Iterable[Condition]) -> ColumnElement[bool]:
        """The condition on `images` with other conditions in the place of those asked for."""
        below = self.folder.condition(self.dataset.name)
        return listing.living(self.dataset.id, and_(where(conditions), below))

    @property
    def kept_total(self) -> int | None:
        """How many images there are, where that is kept and need not be counted."""
        everything = not self.conditions and not self.folder.shown
        return int(self.dataset.num_images) if everything else None

    def total(self, connection: Connection) -> int:
        """How many images there are."""
        kept = self.kept_total
        return listing.count(connection, self.condition) if kept is None else kept
