"""`coir log` and `coir diff`: what syncs changed in a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from coir.cli import options
from coir.cli.output import ending_in_order, put
from coir.cli.talk import printable
from coir.mirror import Mirror
from coir.mirror.history import Difference, SyncEntry, entry
from coir.mirror.record import AnnotationRecord, ImageRecord
from coir.mirror.report import count_words

__all__ = ["diff", "log", "moment", "sync_words"]

# Values that are longer say less than that they differ.
SHORT = 40

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def log(
    home: options.MirrorFolder,
    sync: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default=False, help="Only this sync, and all that it changed."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Print what each sync of a mirror changed, the newest first.

    With --sync, each image, annotation and category that one sync changed: `+` came, `-` went,
    `*` changed, with the fields that did.
    """
    ending_in_order()
    with Mirror(home, create=False) as mirror:
        if sync is None:
            # Closed before the database is, also where the reader has seen enough.
            with closing(mirror.log()) as entries:
                put(_json(entries) if json else map(sync_words, entries))
            return
        head = entry(mirror.database, sync)
        if not json:
            put([sync_words(head)])
        with closing(mirror.changed_by(sync)) as changes:
            put(_lines(changes, json=json))


def diff(
    home: options.MirrorFolder,
    since: Annotated[
        int,
        typer.Option(
            metavar="SYNC",
            min=0,
            show_default=False,
            help="The number of a sync; 0 is before the first. `coir log` tells them.",
        ),
    ],
    json: AsJson = False,
) -> None:
    """Print what is different in a mirror from how it was after a sync.

    `+` came, `-` went, `*` changed, with the fields that did. What came and went again in between
    is not there.
    """
    ending_in_order()
    with Mirror(home, create=False) as mirror, closing(mirror.diff(since)) as changes:
        put(_lines(changes, json=json))


def moment(milliseconds: int) -> str:
    """Give a moment in this machine's time zone."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().isoformat(" ", "seconds")


def sync_words(one: SyncEntry) -> str:
    """Give a sync in one line."""
    state = {"done": "", "stopped": "; stopped by a guard, nothing was changed"}.get(
        one.state, "; interrupted"
    )
    return f"sync {one.sync} ({one.mode}), {moment(one.started)}: {count_words(one.counts)}{state}"


def _json(entries: Iterable[Any]) -> Iterator[str]:
    return (msgspec.json.encode(one).decode() for one in entries)


def _lines(differences: Iterable[Difference], *, json: bool) -> Iterator[str]:
    for one in differences:
        if json:
            told = {"sign": one.sign, "fields": list(one.fields), **msgspec.structs.asdict(one)}
            yield msgspec.json.encode(told).decode()
        else:
            yield printable(_words(one))


def _words(one: Difference) -> str:
    fields = ", ".join(_field(name, *pair) for name, pair in one.fields.items())
    return f"{one.sign} {one.kind} {one.id}{_named(one)}{fields and ': '}{fields}"


def _named(one: Difference) -> str:
    record = one.after or one.before
    if isinstance(record, AnnotationRecord):
        return f" of image {record.image_id}"
    name = record.file_name if isinstance(record, ImageRecord) else getattr(record, "name", "")
    return f" {name}"


def _field(name: str, before: Any, after: Any) -> str:
    was, now = (msgspec.json.encode(one).decode() for one in (before, after))
    return f"{name} {was} to {now}" if len(was) + len(now) <= SHORT else name
