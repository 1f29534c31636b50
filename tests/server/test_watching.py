"""`--watch`: files that change lead to scans, bursts to one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .databases import Place
from .running import Running, completed, created, picture, uploaded

SECONDS = 20
NUMBERS = count(1)


@pytest.fixture(scope="module")
def running(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that watches."""
    made = Running(place.data(tmp_path_factory.mktemp("watching") / "data"), "--watch")
    yield made
    code, out, err = made.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err, err


@pytest.fixture(scope="module")
def admin(running: Running) -> httpx.Client:
    return running.user("admin")


def until(admin: httpx.Client, dataset: int, number: int, **query: Any) -> None:
    """Wait until so many images match."""
    deadline = time.monotonic() + SECONDS
    path = f"/api/dataset/{dataset}/data"
    while (found := admin.get(path, params=query).json()["total"]) != number:
        assert time.monotonic() < deadline, f"{found} of {number}"
        time.sleep(0.05)


def after_all_changes(running: Running, admin: httpx.Client) -> None:
    """Wait until a change has led to a scan: those that were seen before it are due by then."""
    name = f"later {next(NUMBERS)}"
    dataset = created(admin, name)
    (running.directory(name) / "x.jpg").write_bytes(picture())
    until(admin, dataset, 1)


def scans(admin: httpx.Client, name: str) -> int:
    jobs = completed(admin)
    return sum(job["name"] == f"Scanning {name} for new images" for job in jobs)


def test_burst_of_changes_is_one_scan(running: Running, admin: httpx.Client) -> None:
    """Files copied one after the other, in new folders too, are registered by one scan."""
    dataset, directory = created(admin, "burst"), running.directory("burst")
    for number in range(60):
        place = directory / f"{number % 3}" / "deep" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture())
        time.sleep(0.01)
    until(admin, dataset, 60)
    after_all_changes(running, admin)
    assert scans(admin, "burst") == 1


def test_vanished_and_moved_files_are_noticed(running: Running, admin: httpx.Client) -> None:
    """A file that goes is marked, a folder that is renamed takes its images along."""
    dataset, directory = created(admin, "gone"), running.directory("gone")
    (directory / "sub").mkdir()
    (directory / "a.jpg").write_bytes(picture())
    (directory / "sub" / "b.jpg").write_bytes(picture(color="red"))
    until(admin, dataset, 2)
    (directory / "a.jpg").unlink()
    until(admin, dataset, 1, vanished="true")
    (directory / "sub").rename(directory / "other")
    until(admin, dataset, 1, path__endswith="/other/b.jpg")
    (directory / "a.jpg").write_bytes(picture())
    until(admin, dataset, 0, vanished="true")


def test_what_no_scan_sees_starts_none(running: Running, admin: httpx.Client) -> None:
    """Hidden files, exports and files that are no pictures lead to no scan."""
    dataset, directory = created(admin, "quiet", categories=["cat"]), running.directory("quiet")
    after_all_changes(running, admin)
    before = scans(admin, "quiet")
    (directory / "notes.txt").write_text("no picture")
    (directory / ".hidden").mkdir()
    (directory / ".hidden" / "x.jpg").write_bytes(picture())
    assert admin.get(f"/api/dataset/{dataset}/export?categories=").status_code == 200
    after_all_changes(running, admin)
    assert scans(admin, "quiet") == before


def test_changes_during_a_scan_lead_to_another(running: Running, admin: httpx.Client) -> None:
    """What is written while a scan runs is not missed."""
    dataset, directory = created(admin, "during"), running.directory("during")
    for number in range(900):
        (directory / f"{number}.jpg").write_bytes(picture())
        if number % 300 == 299:
            assert admin.get(f"/api/dataset/{dataset}/scan").status_code == 200
    (directory / "0 first.jpg").write_bytes(picture())
    until(admin, dataset, 901)


def test_what_changed_while_nobody_watched(data: Path) -> None:
    """At the start each dataset is scanned; without the setting nothing is."""
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "before")
    (server.directory("before") / "x.jpg").write_bytes(picture())
    time.sleep(2)
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 0
    assert uploaded(admin, dataset, "y.jpg").status_code == 200
    server.end()
    server = Running(data, "--watch")
    until(server.user("admin"), dataset, 2)
    assert server.end()[0] == 0
