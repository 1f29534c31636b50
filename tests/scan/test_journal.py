"""The progress file: what it takes up, what it refuses, and that it is never whole in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec
import pytest

from coir.errors import InvalidRequest
from coir.scan.journal import Entry, Head, Journal

WIDTH = 100


def head(high: int) -> Head:
    """The head of a reading of all ids up to ``high``."""
    return Head(
        server_url="http://server",
        dataset_id=1,
        filters={},
        with_rows=False,
        started=0.0,
        high=high,
        low=1,
        counted_at_start=high,
    )


def entry(number: int) -> Entry:
    """The reading of the window with this number, from 0."""
    start = number * WIDTH + 1
    return Entry(start, start + WIDTH, WIDTH, ids=list(range(start, start + WIDTH)))


def write(path: Path, windows: int) -> Head:
    """Write a progress file with so many readings, as a run that was interrupted leaves it."""
    journal = Journal(path)
    above = head(windows * WIDTH)
    for number in range(windows):
        journal.append(above, entry(number))
    journal.close(finished=False)
    return above


def test_it_gives_what_was_written(tmp_path: Path) -> None:
    """[R1] The same head and readings, and where to go on."""
    above = write(tmp_path / "progress", 3)
    journal = Journal(tmp_path / "progress")
    assert journal.head == above
    assert list(journal.entries()) == [entry(0), entry(1), entry(2)]
    assert journal.resumed is not None
    assert journal.resumed.next_id == 3 * WIDTH + 1
    journal.close(finished=True)
    assert not (tmp_path / "progress").exists()


def test_it_is_cut_anywhere(tmp_path: Path) -> None:
    """[R1] Wherever a kill cut the file, what is whole in it is taken up, and can be added to."""
    path = tmp_path / "progress"
    write(path, 2)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        journal = Journal(path)
        kept = list(journal.entries())
        assert kept == [entry(0)][: content[:length].count(b"\n") - 1 if length else 0]
        journal.append(head(2 * WIDTH), entry(len(kept)))
        journal.close(finished=False)
        again = Journal(path)
        assert list(again.entries()) == [*kept, entry(len(kept))]
        again.close(finished=False)


@pytest.mark.parametrize(
    "content",
    [
        b"a letter",
        b"a letter\nof two lines\n",
        b'{"format": 1}\n',
        b'{"format":"coir.certificate/1","verdict":"complete"',
        b"\x89PNG\r\n\x1a\n" + bytes(2_000_000),
    ],
    ids=["letter", "lines", "number", "certificate", "picture"],
)
def test_what_is_no_progress_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    """Another file given by mistake is refused, and not a byte of it changes."""
    path = tmp_path / "progress"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest):
        Journal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("number", [0, 2, 7])
def test_parts_that_do_not_follow_are_refused(tmp_path: Path, number: int) -> None:
    """[R4] A reading twice, after a gap, or above the high-water mark."""
    path = tmp_path / "progress"
    journal = Journal(path)
    for one in (0, number):
        journal.append(head(5 * WIDTH), entry(one))
    journal.close(finished=False)
    content = path.read_bytes()
    with pytest.raises(InvalidRequest, match="damaged"):
        Journal(path)
    assert path.read_bytes() == content


def test_another_version(tmp_path: Path) -> None:
    """What another version wrote is refused by its name, before it is decoded any further."""
    path = tmp_path / "progress"
    write(path, 1)
    older = path.read_bytes().replace(b"coir.journal/2", b"coir.journal/1")
    path.write_bytes(older)
    with pytest.raises(InvalidRequest, match="another version"):
        Journal(path)
    assert path.read_bytes() == older


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run with the same file is told before it asks the server for anything."""
    path = tmp_path / "progress"
    write(path, 1)
    first = Journal(path)
    with pytest.raises(InvalidRequest, match="in use by another run"):
        Journal(path)
    first.close(finished=False)
    Journal(path).close(finished=False)


def test_it_is_never_whole_in_memory(tmp_path: Path) -> None:
    """Taking up a long reading needs the memory of one of its parts."""
    path = tmp_path / "progress"
    line = msgspec.json.encode(head(100_000 * WIDTH)) + b"\n"
    with path.open("wb") as file:
        file.write(line)
        for number in range(20_000):
            file.write(msgspec.json.encode(entry(number)) + b"\n")
    size = path.stat().st_size
    tracemalloc.start()
    journal = Journal(path)
    assert sum(len(one.ids) for one in journal.entries()) == 20_000 * WIDTH
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    journal.close(finished=False)
    assert peak < 1_000_000 < size / 10
