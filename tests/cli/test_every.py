"""`coir sync --every`: rounds that outlive their server, and end when they are told to."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import coir as coir_
from client.misbehaving import (
    DATA,
    DATASETS,
    LOGIN,
    UNAUTHORIZED,
    Asked,
    Misbehaving,
    Reply,
    listing,
)
from client.misbehaving import json as answer
from client.serving import Serving
from coir.mirror.lock import holder
from server.running import created, uploaded

from .command import coir, started

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}
HOW = ("--images", "none", "--annotations", "none")


def original(ids: Iterable[int]) -> dict[str, Any]:
    """What a server like the original tells of a dataset with these images."""
    have = sorted(ids)
    details = [
        {"id": one, "dataset_id": 1, "path": f"/datasets/birds/{one}.jpg", "width": 4, "height": 3}
        for one in have
    ]
    return {
        DATA: listing(have),
        "GET /api/image/": [answer({"total": len(have), "images": details})],
        "GET /api/category/": [answer([])],
    }


@contextmanager
def syncing(url: str, home: Path, *more: str, every: str = "0.2s") -> Iterator[Any]:
    """A command that syncs `birds` again and again; it is ended in any case."""
    process = started(
        "sync", "birds", str(home), "--every", every, *HOW, *more, "-s", url, env=ADMIN
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=120)


def until(process: Any, pattern: str) -> str:
    """The next line of stderr that a pattern is found in."""
    for line in process.stderr:
        if re.search(pattern, line):
            return str(line)
    raise AssertionError(f"ended without {pattern}")


@pytest.mark.slow
def test_rounds(tmp_path: Path) -> None:
    """Each round is a line; a server that was away is found again; Ctrl-C ends it in order."""
    first = Serving(tmp_path / "data")
    admin = first.user("admin")
    dataset = created(admin, "birds")
    uploaded(admin, dataset, "one.jpg")
    home, port = tmp_path / "m", first.url.rpartition(":")[2]
    with syncing(first.url, home) as process:
        assert process.stderr.readline() == f"Syncing {home} every 0.2 s; Ctrl-C ends it.\n"
        line = until(process, r"images \+1 ")
        assert re.match(r"sync 1 \(full\): images \+1 \*0 -0, .*; next in 0\.\d+ s$", line)
        uploaded(admin, dataset, "two.jpg")
        until(process, r"\(feed\): images \+1 \*0 -0")
        first.kill()
        pauses = [
            float(re.search(r"next in ([\d.]+) s\)$", until(process, "next in .*\\)$"))[1])  # type: ignore[index]
            for _ in range(2)
        ]
        assert pauses == [0.4, 0.8]
        second = Serving(first.data, "--port", port)
        until(process, r"^sync \d+ \(feed\)")
        uploaded(second.user("admin"), dataset, "three.jpg")
        until(process, r"images \+1 \*0 -0")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        second.end()
    assert process.returncode == 130
    assert "Ended; the mirror is whole" in err
    assert "Traceback" not in err
    with coir_.Mirror(home) as mirror:
        assert len(mirror) == 3
        assert mirror.status().scheduled is None


@pytest.mark.slow
def test_one_instance(tmp_path: Path) -> None:
    """A second instance is refused with the first one's process; a killed one refuses nobody."""
    home = tmp_path / "m"
    with Misbehaving(original(range(1, 4))) as server:
        with syncing(server.url, home, every="1h") as process:
            until(process, r"images \+3")
            assert holder(home / ".coir" / "schedule") == process.pid
            second = coir("sync", str(home), "--every", "1h", env=ADMIN)
            assert second.code == 14, second.err
            assert f"Another process ({process.pid}) is at work on {home}." in second.err
            by_hand = coir("sync", str(home), *HOW, env=ADMIN)
            assert by_hand.code == 0, by_hand.err
            assert f"again and again by process {process.pid}" in coir("status", str(home)).out
            process.send_signal(signal.SIGKILL)
            process.wait(120)
        with syncing(server.url, home, every="1h") as process:
            until(process, r"next in")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)
            assert process.returncode == 143


@pytest.mark.slow
def test_guards_are_told_and_tried_again(tmp_path: Path) -> None:
    """A guard is told in each round, with --json-log as an object, and the mirror stays."""
    home = tmp_path / "m"
    with (
        Misbehaving(original(range(1, 101))) as server,
        syncing(server.url, home, "--json-log") as process,
    ):
        until(process, '"images_added":100')
        server.routes[DATA] = listing(range(1, 11))
        for _ in range(2):
            told = json.loads(until(process, '"warning"'))
            assert told["error"] == "SyncStopped"
            assert "add --max-delete 90" in told["text"]
        server.routes[DATA] = listing(range(1, 99))
        until(process, '"images_removed":2')


@pytest.mark.slow
def test_sessions_that_end(tmp_path: Path) -> None:
    """A session that ends is renewed by logging in; when that fails, it ends with code 6."""
    with (
        Misbehaving(original(range(1, 4))) as server,
        syncing(server.url, tmp_path / "m") as process,
    ):
        until(process, r"images \+3")
        logins = sum(one.route == LOGIN for one in server.asked)
        once = [UNAUTHORIZED]

        def ended(_: Asked) -> Reply:
            return once.pop() if once else answer([{"id": 1, "name": "birds"}])

        server.routes[DATASETS] = ended
        until(process, r"^sync ")
        until(process, r"^sync ")
        assert sum(one.route == LOGIN for one in server.asked) > logins
        server.routes[DATASETS] = server.routes[LOGIN] = [UNAUTHORIZED]
        _, err = process.communicate(timeout=120)
    assert process.returncode == 6
    assert "does not accept this password" in err


def test_a_mistake_ends_it(tmp_path: Path) -> None:
    """A dataset that was never there is a mistake, and not waited for."""
    with Misbehaving({DATASETS: [answer([])]}) as server:
        done = coir(
            "sync", "birds", str(tmp_path / "m"), "--every", "1m", "-s", server.url, env=ADMIN
        )
    assert done.code == 7
    assert not (tmp_path / "m" / "coir.db").exists()
