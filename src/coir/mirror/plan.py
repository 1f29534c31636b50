"""What a sync would do: decided from what the mirror holds and what the server says.

Pure: it knows neither the network nor the database. Actions come in ascending order of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from coir.mirror.record import ImageRecord
from coir.model import Image

__all__ = ["Action", "Add", "Adds", "Change", "Limits", "Look", "MaxDelete", "Remove", "Tally",
           "compare", "obstacle"]  # fmt: skip

# So many may always go: of a small dataset a few images are a large part.
ALWAYS_ALLOWED = 10


class Add(msgspec.Struct, frozen=True, tag_field="action", tag="add"):
    """An image that the mirror does not have."""

    image: ImageRecord

    @property
    def id(self) -> int:
        """The id of the image."""
        return self.image.id


class Adds(msgspec.Struct, frozen=True):
    """Many images that the mirror does not have, as they were listed with all that it holds.

    A first sync is little else: their rows are written as they came.
    """

    rows: list[Image]


class Change(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="action", tag="change"):
    """An image whose row differs; ``image`` is as it is on the server.

    With another file name or path it is ``renamed``; or it is another image that got its id.
    """

    image: ImageRecord
    renamed: bool = False

    @property
    def id(self) -> int:
        """The id of the image."""
        return self.image.id


class Remove(msgspec.Struct, frozen=True, tag_field="action", tag="remove"):
    """An image that the server does not have any more."""

    id: int


class Look(msgspec.Struct, frozen=True, tag_field="action", tag="look"):
    """An image whose annotations, or file, may differ though its row does not."""

    id: int
    annotations: bool = False
    file: bool = False


Action: TypeAlias = Add | Change | Remove | Look


@dataclass(slots=True)
class Tally:
    """How many images a plan adds, changes, removes, looks at, and leaves as they are.

    Those that are renamed are among the changed ones.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    looked_at: int = 0
    unchanged: int = 0
    renamed: int = 0

    def count(self, action: Action) -> None:
        """Count an action."""
        match action:
            case Add():
                self.added += 1
            case Change(renamed=renamed):
                self.changed += 1
                self.renamed += renamed
            case Remove():
                self.removed += 1
            case Look():
                self.looked_at += 1


def compare(
    here: Iterable[ImageRecord], there: Iterable[ImageRecord], tally: Tally
) -> Iterator[Action]:
    """Give what makes the one like the other; both ascend by id, and the tally is kept.

    What a row of the server does not tell (None) is no difference.
    """
    ours = iter(here)
    mine = next(ours, None)
    for theirs in there:
        while mine is not None and mine.id < theirs.id:
            yield from _counted(Remove(mine.id), tally)
            mine = next(ours, None)
        if mine is None or mine.id > theirs.id:
            yield from _counted(Add(theirs), tally)
            continue
        wanted = told(theirs, mine)
        if wanted == mine:
            tally.unchanged += 1
        else:
            yield from _counted(Change(wanted, _is_renamed(mine, wanted)), tally)
        mine = next(ours, None)
    while mine is not None:
        yield from _counted(Remove(mine.id), tally)
        mine = next(ours, None)


def told(there: ImageRecord, here: ImageRecord) -> ImageRecord:
    """Give the server's record, with what it does not tell as it is here."""
    if there.path is not None:
        return there
    return msgspec.structs.replace(there, path=here.path, width=here.width, height=here.height)


def _is_renamed(here: ImageRecord, there: ImageRecord) -> bool:
    moved = here.path is not None and here.path != there.path
    return moved or here.file_name != there.file_name


def _counted(action: Action, tally: Tally) -> Iterator[Action]:
    tally.count(action)
    yield action


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """The most images that a sync may remove, or take for others under the same ids.

    A number, or a part of those in the mirror.
    """

    number: int | None = None
    percent: float | None = None

    def allows(self, number: int, held: int) -> bool:
        """Whether so many of those held may go."""
        if self.number is not None:
            return number <= self.number
        return number <= (max(ALWAYS_ALLOWED, held * self.percent / 100) if self.percent else 0)

    def __str__(self) -> str:
        return str(self.number) if self.number is not None else f"{self.percent:g}%"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan may do without being asked again."""

    max_delete: MaxDelete = MaxDelete(percent=20.0)
    allow_empty: bool = False


def obstacle(
    tally: Tally, held: int, limits: Limits, *, followed: bool = False
) -> tuple[str, str] | None:
    """Say what keeps a plan from being carried out, and which flag allows it; None for nothing.

    ``held`` is how many images the mirror holds. What a feed that is ``followed`` tells is of the
    server that it was: whole folders may be renamed there.
    """
    if held and tally.removed == held and not tally.added and not limits.allow_empty:
        return (
            f"The server lists no image any more, and the mirror holds {held:,}.",
            "If the dataset was emptied on purpose, add --allow-empty.",
        )
    if limits.allow_empty and tally.removed == held and not tally.added:
        return None
    if not limits.max_delete.allows(tally.removed, held):
        return (
            f"{tally.removed:,} of {held:,} images would be removed, and --max-delete is "
            f"{limits.max_delete}.",
            f"If they were deleted on purpose, add --max-delete {tally.removed}.",
        )
    if not followed and not limits.max_delete.allows(tally.renamed, held):
        return (
            f"{tally.renamed:,} of {held:,} images would have another file name or path, and "
            f"--max-delete is {limits.max_delete}.",
            "A server that was set up anew gives the same ids to other images: sync it into "
            "another folder. If they were renamed on purpose, add "
            f"--max-delete {tally.renamed}.",
        )
    return None
