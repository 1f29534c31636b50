from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.serving import Serving, serving
from coir.client import connect
from coir.client.credentials import Credentials
from coir.demo.comparison import Reading, _judged, read_with_coir, read_with_script
from coir.demo.stage import Stage
from coir.demo.writers import Work, people_at_work
from coir.errors import CoirError
from server.running import created

ADMIN = Credentials("admin", "admin-pw")


@pytest.mark.parametrize(
    ("ids", "throughout", "counts"),
    [
        ([1, 2, 3], {1, 2, 3}, (3, 0, 0)),
        ([3, 1, 2], {1, 2, 3}, (3, 0, 0)),
        ([], {1, 2, 3}, (0, 3, 0)),
        ([], set(), (0, 0, 0)),
        ([1, 3], {1, 2, 3}, (2, 1, 0)),
        ([1, 2, 2, 3], {1, 2, 3}, (4, 0, 1)),
        ([1, 2, 2, 2, 3, 3], {1, 2, 3}, (6, 0, 3)),
        ([1, 1, 3], {1, 2, 3}, (3, 1, 1)),
        # What was deleted or uploaded meanwhile counts neither when missed nor when repeated.
        ([1, 4, 4, 9], {1, 2, 3}, (4, 2, 0)),
    ],
)
def test_counting(ids: list[int], throughout: set[int], counts: tuple[int, int, int]) -> None:
    """Missed and repeated are counted among the images that were there throughout."""
    reading = _judged(ids, throughout, 1.5, 7, 3)
    assert (reading.ids, reading.missed, reading.repeated) == counts
    assert (reading.seconds, reading.requests, reading.changes) == (1.5, 7, 3)


@given(st.lists(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_counting_adds_up(ids: list[int], throughout: set[int]) -> None:
    """Of those there throughout, read = there - missed + repeated."""
    reading = _judged(ids, throughout, 0, 0, 0)
    read = sum(one in throughout for one in ids)
    assert read == len(throughout) - reading.missed + reading.repeated
    assert reading.ids == len(ids)


def test_changes() -> None:
    """A change is a deletion or an upload."""
    assert Work(deleted={1, 2}, uploaded={7}).changes == 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def stage(server: Serving, tmp_path: Path) -> Iterator[Stage]:
    client = server.user("admin")
    name = tmp_path.name
    dataset = created(client, name)
    server.fill([dataset] * 1500)
    with connect(server.url, username="admin", password="admin-pw") as connection:
        yield Stage(connection, connection.dataset(name), ADMIN, 0)


def _right(reading: Reading) -> bool:
    return reading.missed == reading.repeated == 0


@pytest.mark.parametrize("rows", [True, False])
def test_at_rest(stage: Stage, rows: bool) -> None:
    """Undisturbed, on coir's server, both ways of reading are right; the requests are counted."""
    reading, certificate = read_with_coir(stage, rows=rows, disturbed=False)
    assert _right(reading)
    assert (reading.ids, reading.changes) == (1500, 0)
    assert reading.requests == certificate.requests > 0
    script = read_with_script(stage, disturbed=False)
    assert _right(script)
    assert (script.ids, script.changes, script.requests) == (1500, 0, 16)


@pytest.mark.parametrize("rows", [True, False])
def test_at_work(stage: Stage, rows: bool) -> None:
    """While people work, coir misses and repeats nothing, and their changes are counted."""
    reading, certificate = read_with_coir(stage, rows=rows, disturbed=True)
    assert _right(reading), reading
    assert certificate.count == reading.ids
    script = read_with_script(stage, disturbed=True)
    assert script.changes > 0


def test_progress_is_told(stage: Stage) -> None:
    """Whoever watches sees the script's progress, page by page."""
    told: list[tuple[int, int | None]] = []
    read_with_script(
        stage, disturbed=False, watch=lambda now: told.append((now.read, now.expected))
    )
    assert told == [(100 * page, 1500) for page in range(1, 16)]


def test_people_stop(stage: Stage) -> None:
    """When the block ends, also by an error, nobody is at work any more."""
    ids, before = range(1, 10), set(threading.enumerate())
    with (
        pytest.raises(KeyboardInterrupt),
        people_at_work(stage.server.url, ADMIN, stage.dataset.info.id, ids),
    ):
        raise KeyboardInterrupt
    assert set(threading.enumerate()) <= before


def test_people_who_cannot_work(stage: Stage) -> None:
    """When somebody at work fails, the demonstration fails: its figures would mean nothing."""
    wrong = Credentials("admin", "wrong")
    with (
        pytest.raises(CoirError),
        people_at_work(stage.server.url, wrong, stage.dataset.info.id, [1, 2, 3]),
    ):
        pass
