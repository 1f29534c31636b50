"""What a scan has read so far, in a file, so that an interrupted one can go on.

JSON lines: a head that says what is read, then one line for each reading, in ascending
order of ids. Lines are only ever appended; one that was cut off by a kill is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import msgspec

from coir.errors import CoirError, InvalidRequest
from coir.model import Image
from coir.scan.ask import Window
from coir.scan.ledger import Reading, ascending
from coir.scan.window_plan import Resumed

__all__ = ["Entry", "Head", "Journal"]

FORMAT = "coir.journal/2"
HEAD_BEGINS = b'{"format":"coir.journal/'
# Of a file that is something else, no more is read than this.
LONGEST_HEAD = 1_000_000


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is read, of whom, since when (seconds since 1970, UTC), and what the probes said.

    ``params`` are the filters as the server was asked: a category's name may mean another one now.
    """

    format: str = FORMAT
    server_url: str
    dataset_id: int
    filters: Mapping[str, Any]
    params: Mapping[str, str] = {}
    with_rows: bool
    fields: tuple[str, ...] = ()
    started: float
    high: int
    low: int
    counted_at_start: int

    @property
    def question(self) -> tuple[Any, ...]:
        """What must be the same when it is taken up again."""
        filters = msgspec.json.decode(msgspec.json.encode(self.filters))
        mine = self.server_url, self.dataset_id, filters, self.params
        return *mine, self.with_rows, self.fields


class Entry(msgspec.Struct, frozen=True):
    """A reading: its window, how many rows the server gave, and the wanted ones of them.

    ``by_count`` stands for every id of the window.
    """

    start: int
    stop: int
    read: int
    ids: list[int] = []
    rows: list[Image] = []
    by_count: bool = False

    @classmethod
    def of(cls, reading: Reading, read: int, *, with_rows: bool) -> Entry:
        """Give the entry of a reading in which the server had ``read`` rows."""
        window = reading.window
        if reading.by_count and read:
            return cls(window.start, window.stop, read, by_count=True)
        if with_rows:
            return cls(window.start, window.stop, read, rows=list(reading.rows))
        return cls(window.start, window.stop, read, ids=list(reading.ids))

    @property
    def reading(self) -> Reading:
        """The reading that was entered."""
        window = Window(self.start, self.stop)
        if self.by_count:
            return Reading(window, range(self.start, self.stop), (), by_count=True)
        ids = [row.id for row in self.rows] if self.rows else self.ids
        return Reading(window, ids, self.rows)


class Journal:
    """The file of one scan; unless it is to ``keep``, it is removed when the scan has ended well.

    It is read twice, a line at a time: whole at the beginning, to refuse what is damaged
    before anything is asked for, and again to give what it holds.

    Raises:
        InvalidRequest: the file is something else, or in use.

    """

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        self.path = path
        self.keep = keep
        self.head: Head | None = None
        self.resumed: Resumed | None = None
        self._file: BinaryIO | None = None
        if path.exists():
            self._file = self._open("r+b")
            try:
                self._take_up(self._file)
            except BaseException:
                self.close(finished=False)
                raise

    def check(self, head: Head) -> None:
        """Refuse to go on with an answer to another question.

        Raises:
            InvalidRequest: another server, dataset, filter or kind of output.

        """
        if self.head is not None and self.head.question != head.question:
            raise InvalidRequest(
                f"{self.path} holds an interrupted listing of something else.",
                hint="Use the same server, dataset, filters and command as then, or another file.",
            )

    def entries(self) -> Iterator[Entry]:
        """Give the readings of the interrupted scan, in their order."""
        if self._file is not None and self.resumed is not None:
            self._file.seek(0)
            self._file.readline()
            for line in self._file:
                yield _entry(line, self.path)

    def append(self, head: Head, entry: Entry) -> None:
        """Write a reading down; the head goes before the first.

        Raises:
            CoirError: it cannot be written.

        """
        try:
            if self._file is None:
                self._file = self._open("x+b")
            self._file.seek(0, os.SEEK_END)
            if self.head is None:
                self.head = head
                self._file.write(msgspec.json.encode(head) + b"\n")
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        except OSError as error:
            raise CoirError(
                f"The progress could not be written to {self.path}: {error.strerror}.",
                hint="Free some space, and run it again; what was kept is still good.",
            ) from error

    def close(self, *, finished: bool) -> None:
        """Close the file, and remove it when nothing is left to go on with, unless it is kept."""
        if self._file is not None:
            with suppress(OSError):  # of a full disk, which was told already
                self._file.close()
            self._file = None
        if finished and not self.keep:
            self.path.unlink(missing_ok=True)

    def _open(self, mode: str) -> BinaryIO:
        file = cast("BinaryIO", self.path.open(mode))
        try:
            _lock(file, self.path)
        except BaseException:
            file.close()
            raise
        return file

    def _take_up(self, file: BinaryIO) -> None:
        first = file.readline(LONGEST_HEAD)
        kept = 0
        if first.endswith(b"\n"):
            self.head = _head(first, self.path)
            kept, next_id = len(first), self.head.low
            for line in file:
                if not line.endswith(b"\n"):
                    break  # cut off by a kill
                entry = _entry(line, self.path)
                if not _follows(entry, next_id, self.head.high):
                    raise InvalidRequest(
                        f"{self.path} is damaged: its parts do not follow each other.",
                        hint="Remove it, and begin anew.",
                    )
                kept, next_id = kept + len(line), entry.stop
            if kept > len(first):
                head = self.head
                self.resumed = Resumed(head.high, head.low, head.counted_at_start, next_id)
            else:  # nothing was read yet, and the probes will be other ones
                self.head, kept = None, 0
        elif first[: len(HEAD_BEGINS)] != HEAD_BEGINS[: len(first)]:
            _head(first, self.path)
        file.truncate(kept)


Line = TypeVar("Line", Head, Entry)


def _head(line: bytes, path: Path) -> Head:
    head = _decoded(line, path, Head)
    if head.format != FORMAT:
        raise InvalidRequest(f"{path} was written by another version of coir.")
    return head


def _entry(line: bytes, path: Path) -> Entry:
    return _decoded(line, path, Entry)


def _decoded(line: bytes, path: Path, kind: type[Line]) -> Line:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidRequest(
            f"{path} is not the progress of a listing: {error}.",
            hint="Give --resume a file that does not exist yet, or one that coir wrote.",
        ) from error


def _follows(entry: Entry, next_id: int, high: int) -> bool:
    """Whether an entry follows the one before, and is what a reading can be."""
    ids, window = entry.reading.ids, entry.reading.window
    inside = not ids or (ids[0] in window and ids[-1] in window)
    return (
        next_id == window.start < window.stop <= high + 1
        and entry.read >= len(ids)
        and inside
        and ascending(ids)
    )


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep a second run from writing into the same file, where the system can."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidRequest(
            f"{path} is in use by another run.", hint="Wait for it, or give another file."
        ) from error
