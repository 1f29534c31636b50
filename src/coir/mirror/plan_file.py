"""A plan in a file: what a sync would do, to be read, agreed to, and carried out later.

JSON lines: a head that says of which mirror it is, then one action a line. A file is believed only
where it fits: the same mirror, not synced since, and not a character of the actions edited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from coir.errors import CoirError, InvalidRequest
from coir.files import opened_whole
from coir.mirror.plan import Action, Add, Change, Look, Tally
from coir.mirror.sync import Sync
from coir.scan import Certificate
from coir.scan.filter import Filter

__all__ = ["Head", "PlanFile", "check", "counted", "digest", "fitting", "made", "read", "write"]

FORMAT = "coir.plan/1"
# No action is longer: a file name has 255 bytes, a path a few thousand.
LONGEST_LINE = 100_000
LONGEST_HEAD = 1_000_000
# What SQLite can hold, and no id or size exceeds.
LARGEST = 2**63 - 1

UNFINISHED = InvalidRequest(
    "An interrupted sync of this mirror is to be ended first.", hint="Run: coir sync DIR"
)

encode = msgspec.json.encode


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what the plan is: a mirror (None for a new one) after a sync, and a dataset.

    ``counts`` are those of the actions, ``sha256`` is of their lines.
    """

    format: str = FORMAT
    mirror: str | None
    sync: int
    server_url: str
    dataset_id: int
    dataset_name: str
    filters: dict[str, Any]
    mode: str
    counts: Tally
    sha256: str
    certificate: Certificate | None = None

    @property
    def where(self) -> Filter:
        """Which images the plan is about.

        Raises:
            InvalidRequest: no filter says so.

        """
        try:
            return msgspec.convert(self.filters, Filter)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The filters of the plan cannot be read: {error}.") from error


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What a file holds."""

    head: Head
    actions: Sequence[Action]


def lines_of(actions: Sequence[Action]) -> Iterator[bytes]:
    """Give the lines of actions."""
    return (encode(one) + b"\n" for one in actions)


def digest(actions: Sequence[Action]) -> str:
    """Give the hash of the lines of actions."""
    hashed = hashlib.sha256()
    for line in lines_of(actions):
        hashed.update(line)
    return hashed.hexdigest()


def write(path: Path, plan: PlanFile) -> None:
    """Write a plan; the file is there when it is whole.

    Raises:
        CoirError: it cannot be written.

    """
    try:
        with opened_whole(path) as file:
            file.write(encode(plan.head) + b"\n")
            file.writelines(lines_of(plan.actions))
    except OSError as error:
        raise CoirError(f"The plan could not be written to {path}: {error.strerror}.") from error


def read(path: Path) -> PlanFile:
    """Read a plan.

    Raises:
        InvalidRequest: it is not there, something else, cut off, or edited.

    """
    try:
        with path.open("rb") as file:
            head = _head(file, path)
            actions = list(_actions(file, path, head.sha256))
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}.",
            hint="Write one first: coir sync DATASET DIR --plan FILE",
        ) from error
    if counted(actions, head.counts.unchanged) != head.counts:
        raise _edited(path, "the counts are not those of its actions")
    return PlanFile(head, actions)


def counted(actions: Iterable[Action], unchanged: int) -> Tally:
    """Count actions."""
    tally = Tally(unchanged=unchanged)
    for action in actions:
        tally.count(action)
    return tally


def _head(file: BinaryIO, path: Path) -> Head:
    line = file.readline(LONGEST_HEAD)
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"{path} is not a plan: {error}.",
            hint="Write one with: coir sync DATASET DIR --plan FILE",
        ) from error
    if head.format != FORMAT:
        raise InvalidRequest(
            f"{path} is a plan in the format {head.format!r}, and this coir reads {FORMAT!r}.",
            hint="Write it anew with this version of coir.",
        )
    return head


def _actions(file: BinaryIO, path: Path, expected: str) -> Iterator[Action]:
    hashed = hashlib.sha256()
    number = 1
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise _edited(path, f"line {number} is too long")
        hashed.update(line)
        try:
            yield msgspec.json.decode(line, type=Action)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _edited(path, f"line {number}: {error}") from error
    if hashed.hexdigest() != expected:
        raise _edited(path, "its actions are not those that were written")


def _edited(path: Path, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"{path} was cut off, or edited: {why}.", hint="Write the plan anew, and apply that."
    )


def made(work: Sync, mirror: str | None) -> PlanFile:
    """Give the plan of a sync for a mirror; None for one that is not there yet.

    Raises:
        InvalidRequest: an interrupted sync is to be ended first.

    """
    if work.store.syncs.unfinished() is not None:
        raise UNFINISHED
    sync = work.store.syncs.last()  # before it looks: another sync may end meanwhile
    actions = list(work.plan())
    settings = work.settings
    head = Head(
        mirror=mirror,
        sync=sync,
        server_url=settings.server_url,
        dataset_id=settings.dataset_id,
        dataset_name=settings.dataset_name,
        filters=settings.filters,
        mode=work.mode,
        counts=counted(actions, work.tally.unchanged),
        sha256=digest(actions),
        certificate=work.certificate,
    )
    return PlanFile(head, actions)


def fitting(plan: PlanFile, work: Sync, mirror: str | None) -> None:
    """Refuse a plan that is not for this mirror, server and dataset as they are.

    Raises:
        InvalidRequest: it does not fit, or an interrupted sync is to be ended first.

    """
    if work.store.syncs.unfinished() is not None:
        raise UNFINISHED
    settings = work.settings
    there = (settings.server_url, settings.dataset_id)
    if there != (plan.head.server_url, plan.head.dataset_id):
        raise InvalidRequest(
            f"This plan is of dataset {plan.head.dataset_id} at {plan.head.server_url}, not of "
            f"{settings.dataset_id} at {settings.server_url}.",
            hint="Write the plan anew.",
        )
    check(plan, mirror, work.store.syncs.last(), set(work.store.image_ids()))


def check(plan: PlanFile, mirror: str | None, sync: int, held: Collection[int]) -> None:
    """Refuse a plan that does not fit a mirror as it is now.

    Args:
        plan: what was read.
        mirror: the mirror's uuid; None for one that is not there yet.
        sync: its last sync.
        held: the ids that it holds.

    Raises:
        InvalidRequest: it does not fit.

    """
    head = plan.head
    if head.mirror != mirror:
        raise InvalidRequest(
            "This plan was made for another mirror.", hint="Give the folder that it was made for."
        )
    if head.sync != sync:
        raise InvalidRequest(
            f"This plan was made after sync {head.sync} of the mirror, and now it is at {sync}.",
            hint="Write the plan anew.",
        )
    seen: set[int] = set()
    for action in plan.actions:
        twice = action.id in seen and not isinstance(action, Look)
        if twice or not _possible(action, held):
            raise InvalidRequest(
                f"The plan does not fit the mirror: {type(action).__name__.lower()} of image "
                f"{action.id}.",
                hint="Write the plan anew.",
            )
        if not isinstance(action, Look):  # which may follow a change
            seen.add(action.id)


def _possible(action: Action, held: Collection[int]) -> bool:
    if not 0 < action.id <= LARGEST:
        return False
    if isinstance(action, Add | Change):
        image = action.image
        numbers = (image.width or 0, image.height or 0, image.num_annotations)
        if not all(0 <= one <= LARGEST for one in numbers):
            return False
    return (action.id not in held) if isinstance(action, Add) else (action.id in held)
