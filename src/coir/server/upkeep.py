"""The part of a scan that opens files and writes rows.

Each transaction leaves the rows as true as they were before: a scan that is interrupted has done a
part, and the next one finds the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, bindparam, insert, select, update

from coir.server.folders import HIDDEN, OutsideError
from coir.server.jobs.job import Job
from coir.server.pictures import PictureError, measure
from coir.server.reconciling import Content, Difference, Known, moves
from coir.server.sample import sampled
from coir.server.storage import Found, Storage
from coir.server.store.engine import now_ms
from coir.server.store.tables import images

# One transaction each: small enough that an upload waits for milliseconds, large enough that
# the fsync of a commit does not count.
BATCH = 200
# The folder of images whose name another file has; it is on no disk.
ASIDE = ".vanished"

Item = TypeVar("Item")


class Notes(Protocol):
    """Takes what happened to a file."""

    def note(self, kind: str, text: str, *, warning: bool = False) -> None:
        """Note one file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose files and rows: a dataset's, whose logical paths begin with ``root``."""

    folders: Storage
    dataset_id: int
    root: str
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that was opened."""

    file: Found
    width: int
    height: int
    sample: str


class Upkeep:
    """One run over what differs."""

    def __init__(self, place: Place, job: Job, notes: Notes) -> None:
        self._place = place
        self._job = job
        self._notes = notes
        self._done, self._total = 0, 1

    def bring_up(self, different: Difference) -> None:
        """Do what has to be done; what moved first, so that it is neither new nor vanished."""
        self._total += len(different.suspects) + len(different.fresh) + len(different.back)
        self._total += len(different.missing)
        self._mark(different.back, vanished=False)
        rewritten = self._look_again(different.suspects)
        moved = self._moved(different, rewritten)
        away = {row.id for row in moved.values()}
        staying = [
            (row, one) for row, one in rewritten if row.id not in away and row.name not in moved
        ]
        for batch in _batches(staying):
            self._measured(batch, changed=True)
        fresh = [file for file in different.fresh if file.name not in moved]
        fresh += [
            one.file for row, one in rewritten if row.id in away and one.file.name not in moved
        ]
        self._register(fresh)
        missing = [row for row in different.missing if row.id not in away and not row.vanished]
        self._mark([row for row in missing if self._is_gone(row)], vanished=True)

    def _look_again(self, suspects: Sequence[tuple[Known, Found]]) -> list[tuple[Known, Examined]]:
        """Record files that were only touched, or never recorded; gives those written anew."""
        rewritten: list[tuple[Known, Examined]] = []
        for batch in _batches(suspects):
            opened = [(row, self._examined(file)) for row, file in batch]
            readable = [(row, one) for row, one in opened if one is not None]
            same = [(row, one) for row, one in readable if row.sample in (None, one.sample)]
            self._measured(same, changed=False)
            rewritten += [pair for pair in readable if pair not in same]
        return rewritten

    def _measured(self, pairs: Sequence[tuple[Known, Examined]], *, changed: bool) -> None:
        """Write what is known of the files at the names of these rows."""
        with self._writing(len(pairs)) as connection:
            columns = (images.c.id, images.c.width, images.c.height, images.c.num_annotations)
            asked = select(*columns).where(images.c.id.in_([row.id for row, _ in pairs]))
            before = {row.id: row for row in connection.execute(asked)}
            pairs = [(row, one) for row, one in pairs if row.id in before]
            values = [
                {"row": row.id, "width": one.width, "height": one.height} | _recorded(one)
                for row, one in pairs
            ]
            _update(connection, values)
            for row, one in pairs:
                was = before[row.id]
                resized = (was.width, was.height) != (one.width, one.height)
                path = self._place.root + row.name
                if row.vanished:
                    self._notes.note("back", path)
                if changed or resized:
                    self._notes.note("changed", path)
                if resized and was.num_annotations:
                    sizes = f"{was.width}x{was.height} before, {one.width}x{one.height} now"
                    self._notes.note("misfit", f"{path} ({sizes})", warning=True)

    def _moved(
        self, different: Difference, rewritten: Sequence[tuple[Known, Examined]]
    ) -> Mapping[str, Known]:
        """Give rows the names where their content lies now.

        Of new files only those are opened that are as large as one that is missed.
        """
        rows = [*different.missing, *(row for row, _ in rewritten)]
        sizes = {row.stamp.size for row in rows if row.stamp is not None}
        contents = [Content(one.file, one.sample) for _, one in rewritten]
        contents += [
            Content(file, sample)
            for file in different.fresh
            if file.stamp.size in sizes and (sample := self._sample(file))
        ]
        found = moves(contents, rows)
        if not found:
            return found
        files = {content.file.name: content for content in contents}
        with self._writing(len(found)) as connection:
            for name in self._registered(connection, list(found), rewritten):
                del found[name]
            away = {row.id for row in found.values()}
            self._put_aside(
                connection,
                [row for row, _ in rewritten if row.name in found and row.id not in away],
            )
            self._rename(connection, [(row, files[name]) for name, row in found.items()])
            for name, row in found.items():
                root = self._place.root
                self._notes.note("moved", f"{root}{row.name} to {root}{name}")
        return found

    def _registered(
        self, connection: Connection, names: list[str], rewritten: Sequence[tuple[Known, Examined]]
    ) -> list[str]:
        """The names that an upload has taken since the rows were read."""
        ours = {row.name for row, _ in rewritten}
        return [
            name
            for batch in _batches(names)
            for name in self._present(connection, batch)
            if name not in ours
        ]

    def _put_aside(self, connection: Connection, rows: Sequence[Known]) -> None:
        """Mark rows whose file is gone while another has its name: they need a name of their own.

        It begins with a dot: no walk enters there.
        """
        values = []
        for row in rows:
            aside = f"{self._place.root}{ASIDE}/{row.id}/{row.name.rpartition('/')[2]}"
            values.append({"row": row.id, "path": aside, "vanished": True})
            if not row.deleted:
                self._notes.note("vanished", f"{self._place.root}{row.name}, kept as {aside}")
        _update(connection, values)

    def _rename(self, connection: Connection, pairs: Sequence[tuple[Known, Content]]) -> None:
        """In two steps, the first to names that no file has: rows may change places."""
        away = [{"row": row.id, "path": f"{self._place.root}{HIDDEN}{row.id}"} for row, _ in pairs]
        _update(connection, away)
        there = [
            {
                "row": row.id,
                "path": self._place.root + content.file.name,
                "file_name": content.file.name.rpartition("/")[2],
            }
            | _recorded(content)
            for row, content in pairs
        ]
        _update(connection, there)

    def _register(self, fresh: Sequence[Found]) -> None:
        """Insert what an upload has not registered in the meantime."""
        for batch in _batches(fresh):
            opened = [one for file in batch if (one := self._examined(file)) is not None]
            with self._writing(len(batch)) as connection:
                present = set(self._present(connection, [one.file.name for one in opened]))
                new = [one for one in opened if one.file.name not in present]
                if new:
                    connection.execute(insert(images), [self._row(one) for one in new])
                for one in new:
                    self._notes.note("new", self._place.root + one.file.name)

    def _row(self, one: Examined) -> dict[str, Any]:
        return {
            "dataset_id": self._place.dataset_id,
            "path": self._place.root + one.file.name,
            "file_name": one.file.name.rpartition("/")[2],
            "width": one.width,
            "height": one.height,
            "created_at": now_ms(),
        } | _recorded(one)

    def _mark(self, rows: Sequence[Known], *, vanished: bool) -> None:
        for batch in _batches(rows):
            with self._writing(len(batch)) as connection:
                _update(connection, [{"row": row.id, "vanished": vanished} for row in batch])
                for row in batch:
                    if not row.deleted:
                        kind = "vanished" if vanished else "back"
                        self._notes.note(kind, self._place.root + row.name)

    def _is_gone(self, row: Known) -> bool:
        """Asked again: an upload may have come between the walk and the reading of the rows."""
        return not self._place.folders.exists(self._place.root + row.name)

    def _present(self, connection: Connection, names: Sequence[str]) -> list[str]:
        paths = [self._place.root + name for name in names]
        asked = select(images.c.path).where(
            images.c.dataset_id == self._place.dataset_id, images.c.path.in_(paths)
        )
        found = connection.execute(asked).scalars()
        return [path.removeprefix(self._place.root) for path in found]

    def _examined(self, file: Found) -> Examined | None:
        """What a file says of itself, or None with a warning."""
        self._job.check()
        path = self._place.root + file.name
        try:
            with self._place.folders.open(path) as source:
                size = measure(source, self._place.max_pixels)
                return Examined(file, size.width, size.height, sampled(source, file.stamp.size))
        except PictureError as error:
            self._notes.note("skipped", f"{path}: {error}", warning=True)
        except (OutsideError, OSError) as error:
            self._notes.note("skipped", f"{path}: {_reason(error)}", warning=True)
        return None

    def _sample(self, file: Found) -> str | None:
        self._job.check()
        try:
            with self._place.folders.open(self._place.root + file.name) as source:
                return sampled(source, file.stamp.size)
        except (OutsideError, OSError):  # said when it is to be registered
            return None

    @contextmanager
    def _writing(self, done: int) -> Iterator[Connection]:
        """A transaction in which so many files are done with."""
        self._done += done
        with self._job.write(min(99.0, 100.0 * self._done / self._total)) as connection:
            yield connection


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _recorded(one: Examined | Content) -> dict[str, Any]:
    """What a row keeps of its file."""
    return {
        "file_size": one.file.stamp.size,
        "file_mtime_ns": one.file.stamp.modified_ns,
        "file_sample": one.sample,
        "vanished": False,
    }


def _update(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Set the same columns of several images, each named by ``row``."""
    if rows:
        columns = [name for name in rows[0] if name != "row"]
        changed = update(images).where(images.c.id == bindparam("row"))
        connection.execute(changed.values({name: bindparam(name) for name in columns}), rows)


def _reason(error: Exception) -> str:
    """Without the place of the data on this machine."""
    said = error.strerror if isinstance(error, OSError) else None
    return said or "it cannot be reached any more"
