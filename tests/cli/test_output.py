"""Files appear whole or not at all; rows that are wanted at once come at once."""

from __future__ import annotations

import json as json_
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from client.misbehaving import DATA, Asked, Fault, Misbehaving, Reply, json, listing
from client.serving import serving
from coir.cli.formats import FORMATS
from server.running import created

from .command import coir, started

MANY = range(5, 30_000)
HALF = 15_000


def beyond(asked: Asked) -> bool:
    """Whether rows of the second half are asked for, and not a probe or a count."""
    params = asked.params
    return int(params.get("id__gte", 0)) > HALF and params.get("limit") != "1"


ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}
ROWS = 20_000
MEMORY_MIB = 96  # docs/retrieval.md


def _fails_later(asked: Asked) -> Reply:
    if beyond(asked):
        return json({"message": "Internal Server Error"}, 500)
    return listing(MANY)(asked)


def _hangs_later(asked: Asked) -> Reply:
    return Fault.HANG if beyond(asked) else listing(MANY)(asked)


def _in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _once_it_hangs(server: Misbehaving) -> None:
    """Wait until a command has read the first half, and waits for the second."""
    deadline = time.monotonic() + 30
    while not any(beyond(asked) for asked in server.asked):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)


@pytest.mark.parametrize("name", ["ndjson", "parquet"])
def test_a_failure_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    """A listing that fails half-way leaves the file of before, and none beside it."""
    path = tmp_path / "birds.out"
    path.write_text("of before")
    with Misbehaving({DATA: _fails_later}) as server:
        done = coir("images", "birds", "-f", name, "-o", str(path), "-s", server.url)
    assert (done.code, done.out) == (10, "")
    assert [line.split(":")[0] for line in done.sentences[:1]] == ["Error"]
    assert "Traceback" not in done.err
    assert path.read_text() == "of before"
    assert _in(tmp_path) == ["birds.out"]


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [
        ("ndjson", signal.SIGINT, 130),
        ("parquet", signal.SIGINT, 130),
        ("ndjson", signal.SIGTERM, 143),
        ("ndjson", signal.SIGHUP, 129),
    ],
)
def test_an_end_half_way_leaves_the_old_file(
    tmp_path: Path, name: str, number: signal.Signals, code: int
) -> None:
    """Whoever interrupts it, ends it or closes its terminal finds the file of before."""
    path = tmp_path / "birds.out"
    path.write_text("of before")
    with Misbehaving({DATA: _hangs_later}) as server:
        process = started("images", "birds", "-f", name, "-o", str(path), "-s", server.url)
        _once_it_hangs(server)
        assert len(_in(tmp_path)) == 2, "nothing is being written"
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (code, ""), err
    assert "Traceback" not in err
    assert path.read_text() == "of before"
    assert _in(tmp_path) == ["birds.out"]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """Under nohup a terminal that is closed ends nothing."""
    with Misbehaving({DATA: _slow}) as server:
        process = started(
            "ids", "birds", "-q", "-s", server.url,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )  # fmt: skip
        _until(server, DATA, 6)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.split() == [str(one) for one in SOME]


def test_the_mode_of_a_file_is_the_usual(tmp_path: Path) -> None:
    """A file is as readable as any other that the user makes."""
    (tmp_path / "usual").touch()
    with Misbehaving({DATA: listing(range(1, 9))}) as server:
        done = coir("ids", "birds", "-o", str(tmp_path / "ids"), "-s", server.url)
    assert done.code == 0
    assert (tmp_path / "ids").stat().st_mode == (tmp_path / "usual").stat().st_mode


SOME = range(1, 6_000)


def _slow(asked: Asked) -> Reply:
    time.sleep(0.15)
    return listing(SOME)(asked)


def _until(server: Misbehaving, route: str, times: int) -> None:
    deadline = time.monotonic() + 30
    while server.count(route) < times:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "name"),
    [("ids", "lines"), ("images", "json")],
)
def test_rows_come_at_once(command: str, name: str) -> None:
    """With --at-once the first rows are there while the server still answers."""
    with Misbehaving({DATA: _slow}) as server:
        process = started(command, "birds", "--at-once", "-f", name, "-s", server.url)
        first = os.read(process.stdout.fileno(), 100).decode()
        asked_then = server.count(DATA)
        out, err = process.communicate(timeout=120)
        assert asked_then < server.count(DATA)
    assert process.returncode == 0, err
    assert "complete: " in err
    text = first + out
    assert text.count("5999") >= 1
    if name == "lines":
        assert text.split() == [str(one) for one in SOME]
    if name == "json":
        assert [row["id"] for row in json_.loads(text)] == list(SOME)


def test_without_it_nothing_comes_before_the_proof() -> None:
    """Unless rows are wanted at once, the first is printed after the last request."""
    with Misbehaving({DATA: _slow}) as server:
        process = started("images", "birds", "-s", server.url)
        first = os.read(process.stdout.fileno(), 1)
        asked_then = server.count(DATA)
        process.communicate(timeout=120)
        assert asked_then == server.count(DATA)
    assert first == b"{"


def test_the_exit_code_tells_that_rows_are_missing() -> None:
    """What was printed at once and ends without proof ends with code 10."""
    with Misbehaving({DATA: _fails_later}) as server:
        done = coir("images", "birds", "--at-once", "-f", "lines", "-s", server.url)
    assert done.code == 10
    shown = [int(line.split("\t")[0]) for line in done.out.splitlines()]
    assert shown == list(MANY[: len(shown)])
    assert 0 < len(shown) < len(MANY)
    assert done.sentences[0].startswith("Error: Only ")


@pytest.mark.parametrize(
    ("name", "at_once"),
    [*((name, ("--at-once",)) for name in sorted(FORMATS)), ("parquet", ())],
)
def test_head(name: str, at_once: tuple[str, ...]) -> None:
    """A reader that has seen enough is no error in any format, at once or not."""
    with Misbehaving({DATA: listing(MANY)}) as server:
        process = started("images", "birds", "-f", name, *at_once, "-s", server.url)
        first = process.stdout.buffer.read(1)  # some formats are no text
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        code = process.wait(30)
    assert len(first) == 1
    assert (code, "Error" in err, "Traceback" in err, "Exception" in err) == (0,) + (False,) * 3, (
        err
    )


def _peak(process: Any) -> int:
    """The most memory that a process had so far, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024  # type: ignore[index]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
@pytest.mark.slow
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Images at once take no more memory than the documentation says, program and all."""
    with serving(tmp_path) as running:
        ids = running.fill([created(running.user("admin"), "birds")] * ROWS)[1]
        process = started("images", "birds", "--at-once", "-s", running.url, env=ADMIN)
        # So far from its end that what is left does not fit into the pipe: it is still there.
        begin = [process.stdout.readline() for _ in range(ROWS - 2_000)]
        peak = _peak(process)
        # Not `communicate`, which passes over what the lines before have left in a buffer.
        rest, err = process.stdout.readlines(), process.stderr.read()
        process.wait(30)
        process.stdout.close()
        process.stderr.close()
    assert process.returncode == 0, err
    rows = map(json_.loads, [*begin, *rest])
    assert [row["id"] for row in rows] == ids
    assert peak < MEMORY_MIB
