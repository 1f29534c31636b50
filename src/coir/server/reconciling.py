"""What a scan has to do: the rows of a dataset's images against the files that a walk found.

Nothing here reads a file or a row: rows and files come in, and what differs comes out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from coir.server.storage import Found, Passed, Stamp


@dataclass(frozen=True, slots=True)
class Known:
    """An image as its row has it; ``name`` is the path below the dataset."""

    id: int
    name: str
    stamp: Stamp | None  # of the last scan or the upload; none where neither has looked yet
    sample: str | None
    vanished: bool
    deleted: bool = False


@dataclass(slots=True)
class Difference:
    """Where rows and files disagree."""

    fresh: list[Found] = field(default_factory=list)  # files without a row, in the walk's order
    suspects: list[tuple[Known, Found]] = field(default_factory=list)  # another stamp, or none
    back: list[Known] = field(default_factory=list)  # vanished, and there as it was
    missing: list[Known] = field(default_factory=list)  # rows without a file, vanished or not


def difference(
    known: Iterable[Known], found: Sequence[Found], passed: Iterable[Passed]
) -> Difference:
    """Where the rows, ordered by name, and the files disagree.

    The rows are read once and not kept. What lies where the walk could not look is in no list.
    """
    different = Difference()
    dark = tuple(one.name for one in passed if one.unknown)
    by_name = sorted(range(len(found)), key=lambda index: found[index].name)
    fresh: list[int] = []
    at = 0
    for row in known:
        while at < len(by_name) and found[by_name[at]].name < row.name:
            fresh.append(by_name[at])
            at += 1
        if at < len(by_name) and found[by_name[at]].name == row.name:
            _compare(row, found[by_name[at]], different)
            at += 1
        elif not _in_the_dark(row.name, dark):
            different.missing.append(row)
    fresh += by_name[at:]
    different.fresh = [found[index] for index in sorted(fresh)]
    return different


def _compare(row: Known, file: Found, different: Difference) -> None:
    if row.stamp != file.stamp:
        different.suspects.append((row, file))
    elif row.vanished:
        different.back.append(row)


def _in_the_dark(name: str, dark: tuple[str, ...]) -> bool:
    """Whether the walk could not look there; the dataset's own directory has no name."""
    folders = tuple(one for one in dark if one.endswith("/"))
    return "" in dark or name in dark or name.startswith(folders)


@dataclass(frozen=True, slots=True)
class Content:
    """What lies at a name now, where no row says the same."""

    file: Found
    sample: str


def moves(contents: Iterable[Content], rows: Iterable[Known]) -> dict[str, Known]:
    """The rows whose content lies elsewhere now, by the name where it lies.

    Content has moved when its sample is a row's, and either the name of the file or the time of
    its writing is too: a copy keeps one of them, and large pictures that begin and end alike are
    told apart. Of several rows with the same content the one with most of the path in common moves,
    each once.
    """
    waiting: dict[str, list[Known]] = defaultdict(list)
    for row in rows:
        if row.sample is not None:
            waiting[row.sample].append(row)
    found: dict[str, Known] = {}
    for content in contents:
        candidates = waiting.get(content.sample, [])
        scored = [(_likeness(row, content.file), -row.id, row) for row in candidates]
        likeness, _, best = max(scored, default=((0, False), 0, None), key=lambda one: one[:2])
        if best is not None and likeness != (0, False):
            candidates.remove(best)
            found[content.file.name] = best
    return found


def _likeness(row: Known, file: Found) -> tuple[int, bool]:
    """How many segments of the path agree, from the end, and whether the time of writing does."""
    common = 0
    pairs = zip(reversed(row.name.split("/")), reversed(file.name.split("/")), strict=False)
    for one, other in pairs:
        if one != other:
            break
        common += 1
    return common, row.stamp is not None and row.stamp.modified_ns == file.stamp.modified_ns
