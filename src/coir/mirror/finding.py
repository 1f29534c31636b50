"""What is found of an image when a mirror is verified: pure, from what is known of both sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from coir.mirror.plan import told
from coir.mirror.record import ImageRecord

__all__ = ["Evidence", "Finding", "Sign", "Tally", "judged", "paired"]


class Sign(StrEnum):
    """What was found of an image."""

    SAME = "="
    THERE = "+"  # only on the server
    HERE = "-"  # only in the mirror
    DIFFERS = "*"
    ERROR = "!"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found of one image: ``what`` differs, or why it could not be found out.

    ``what`` is some of: row, annotations, annotations due, file due, file missing, file size,
    file hash, file on the server.
    """

    id: int
    sign: Sign
    what: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one image on both sides.

    ``there`` is None where the server does not list it, ``here`` where the mirror does not hold
    it. ``offline`` says that there was no server to ask, ``annotations_differ`` that both sides'
    were compared and differ; ``flaws`` are those of the mirror's own state and of its file.
    """

    here: ImageRecord | None
    there: ImageRecord | None
    offline: bool = False
    annotations_differ: bool = False
    file_differs: bool = False
    flaws: tuple[str, ...] = ()
    error: str = ""

    @property
    def id(self) -> int:
        """The id of the image."""
        record = self.here or self.there
        return 0 if record is None else record.id


def paired(
    here: Iterable[ImageRecord], there: Iterable[ImageRecord]
) -> Iterator[tuple[ImageRecord | None, ImageRecord | None]]:
    """Bring together the records of the same image; both ascend by id, and so do the pairs."""
    ours = iter(here)
    mine = next(ours, None)
    for theirs in there:
        while mine is not None and mine.id < theirs.id:
            yield mine, None
            mine = next(ours, None)
        if mine is not None and mine.id == theirs.id:
            yield mine, theirs
            mine = next(ours, None)
        else:
            yield None, theirs
    while mine is not None:
        yield mine, None
        mine = next(ours, None)


def judged(evidence: Evidence) -> Finding:
    """Say what the evidence means."""
    here, there = evidence.here, evidence.there
    if evidence.error:
        return Finding(evidence.id, Sign.ERROR, evidence.flaws, evidence.error)
    if here is None:
        return Finding(evidence.id, Sign.THERE)
    if there is None and not evidence.offline:
        return Finding(evidence.id, Sign.HERE)
    row = there is not None and told(there, here) != here
    what = (
        *(["row"] if row else []),
        *(["annotations"] if evidence.annotations_differ else []),
        *(["file on the server"] if evidence.file_differs else []),
        *evidence.flaws,
    )
    return Finding(evidence.id, Sign.DIFFERS if what else Sign.SAME, what)


@dataclass(slots=True)
class Tally:
    """How many images had which sign."""

    same: int = 0
    there: int = 0
    here: int = 0
    differs: int = 0
    errors: int = 0

    def count(self, sign: Sign) -> None:
        """Count an image."""
        match sign:
            case Sign.SAME:
                self.same += 1
            case Sign.THERE:
                self.there += 1
            case Sign.HERE:
                self.here += 1
            case Sign.DIFFERS:
                self.differs += 1
            case Sign.ERROR:
                self.errors += 1

    @property
    def verdict(self) -> str:
        """Whether all is ``same``, something ``differs``, or could not be found out: ``error``."""
        if self.errors:
            return "error"
        return "differs" if self.there or self.here or self.differs else "same"
