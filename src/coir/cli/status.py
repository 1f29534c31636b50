"""`coir status`: how a mirror is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import msgspec
import typer

from coir.cli import options
from coir.cli.history import moment, sync_words
from coir.cli.output import put
from coir.cli.talk import printable
from coir.mirror import Mirror
from coir.mirror.report import size_words
from coir.mirror.status import Status

__all__ = ["status"]

# Further ones are in the JSON.
SHOWN = 20


def status(
    home: options.MirrorFolder,
    json: Annotated[
        bool, typer.Option("--json", help="Print all of it as one JSON object.")
    ] = False,
) -> None:
    """Print how a mirror is: what it is of, its last sync, what it holds, is due, or is wrong.

    Nothing is asked of the server; what changed there since, `coir sync --dry-run` says.
    """
    with Mirror(home, create=False) as mirror:
        now = mirror.status()
        if json:
            told = msgspec.structs.asdict(now) | {"troubles": list(mirror.troubles())}
            put([msgspec.json.encode(told).decode()])
            return
        shown = [
            f"  image {one.image_id} {one.file_name}: {one.words}"
            for one in islice(mirror.troubles(), SHOWN)
        ]
    put(map(printable, [*_lines(now, shown)]))


def _lines(now: Status, troubles: list[str]) -> Iterator[str]:
    if now.settings is not None:
        of = now.settings
        yield f"{of.dataset_name} ({of.dataset_id}) at {of.server_url}"
        if of.filters:
            filters = ", ".join(f"{name}={value}" for name, value in of.filters.items())
            yield f"filters: {filters}"
        yield f"files kept: {of.images}"
    yield from _syncs(now)
    yield (
        f"{now.images:,} images, {now.annotations:,} annotations, {now.categories:,} categories, "
        f"{now.files:,} files"
    )
    if (looked := now.looked) is not None:
        yield (
            f"annotations looked into: of {looked.images:,} images, the longest ago in sync "
            f"{looked.sync}, {moment(looked.started)}"
        )
    yield (
        f"on disk: database {size_words(now.disk.database)}, files {size_words(now.disk.files)}, "
        f"trash {size_words(now.disk.trash)}"
    )
    if now.annotations_due or now.files_due:
        yield f"due: annotations of {now.annotations_due:,} images, {now.files_due:,} files"
    if now.troubled:
        yield f"trouble with {now.troubled:,} images:"
        yield from troubles
        if now.troubled > len(troubles):
            yield f"  and {now.troubled - len(troubles):,} more, which --json has"


def _syncs(now: Status) -> Iterator[str]:
    yield f"last: {sync_words(now.last)}" if now.last is not None else "no sync ended yet"
    if now.busy is not None:
        yield f"a sync is under way, by process {now.busy or 'unknown'}"
    elif now.interrupted is not None:
        yield f"sync {now.interrupted.sync} was interrupted; the next one goes on with it"
    if now.stopped is not None:
        yield f"sync {now.stopped.sync} was stopped by a guard, and changed nothing"
    if now.scheduled is not None:
        yield f"synced again and again by process {now.scheduled or 'unknown'}"
