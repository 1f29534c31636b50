"""What a scan has read so far, in a file, so that an interrupted one can go on.

JSON lines: a head that says what is read, then one line for each reading, in ascending
order of ids. Lines are only ever appended; one that was cut off by a kill is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from coir.errors import CoirError, InvalidRequest
from coir.model import Image
from coir.scan.ask import Window
from coir.scan.ledger import Reading, ascending
from coir.scan.window_plan import Resumed

__all__ = ["Entry", "Head", "Journal"]

FORMAT = "coir.journal/2"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is read, of whom, since when (seconds since 1970, UTC), and what the probes said."""

    format: str = FORMAT
    server_url: str
    dataset_id: int
    filters: Mapping[str, Any]
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
        return self.server_url, self.dataset_id, filters, self.with_rows, self.fields


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
    """The file of one scan; it is removed when the scan has come to its end.

    Raises:
        InvalidRequest: the file is something else.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head: Head | None = None
        self.entries: list[Entry] = []
        self._file: Any = None
        if path.exists():
            self._read()

    @property
    def resumed(self) -> Resumed | None:
        """Where to go on, if there is something to go on from."""
        head = self.head
        if head is None or not self.entries:
            return None
        return Resumed(head.high, head.low, head.counted_at_start, self.entries[-1].stop)

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

    def append(self, head: Head, entry: Entry) -> None:
        """Write a reading down; the head goes before the first.

        Raises:
            CoirError: it cannot be written.

        """
        try:
            if self._file is None:
                self._file = self.path.open("ab")
                _lock(self._file, self.path)
            if self.head is None:
                self.head = head
                self._file.write(msgspec.json.encode(head) + b"\n")
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        except OSError as error:
            raise CoirError(
                f"The progress could not be written to {self.path}: {error.strerror}.",
                hint="Free some space or give --resume another place; what was kept is still good.",
            ) from error

    def close(self, *, finished: bool) -> None:
        """Close the file, and remove it when nothing is left to go on with."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if finished:
            self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        first, *rest = whole.splitlines() or [b""]
        if not whole and not content:
            return
        try:
            self.head = msgspec.json.decode(first, type=Head)
            self.entries = [msgspec.json.decode(line, type=Entry) for line in rest]
        except msgspec.DecodeError as error:
            raise InvalidRequest(
                f"{self.path} is not the progress of a listing: {error}.",
                hint="Give --resume a file that does not exist yet, or one that coir wrote.",
            ) from error
        if self.head.format != FORMAT:
            raise InvalidRequest(f"{self.path} was written by another version of coir.")
        if not _adds_up(self.head, self.entries):
            raise InvalidRequest(
                f"{self.path} is damaged: its parts do not follow each other.",
                hint="Remove it, and begin anew.",
            )
        keep = len(whole)
        if not self.entries:  # nothing was read yet, and the probes will be other ones
            self.head, keep = None, 0
        if keep < len(content):
            with self.path.open("r+b") as file:
                file.truncate(keep)


def _adds_up(head: Head, entries: list[Entry]) -> bool:
    """Whether the entries follow each other, and each is what a reading can be."""
    next_id = head.low
    for entry in entries:
        ids, window = entry.reading.ids, entry.reading.window
        inside = not ids or (ids[0] in window and ids[-1] in window)
        if window.start != next_id or entry.read < len(ids) or not (inside and ascending(ids)):
            return False
        next_id = window.stop
    return next_id <= head.high + 1


def _lock(file: Any, path: Path) -> None:
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
