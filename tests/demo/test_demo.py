"""`coir demo` as a person runs it: to its end, and interrupted in the middle."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.command import Terminal, started

pytestmark = pytest.mark.slow

SMALL = ("demo", "--images", "500")
# Where Linux tells which processes there are, and what environment each was started with.
PROCESSES = Path("/proc")


def _left(folder: Path) -> list[str]:
    """What a demo whose temporary folder lies there has left: files, and processes."""
    files = [str(path) for path in folder.iterdir()]
    mark = f"TMPDIR={folder}".encode()
    running = []
    for process in PROCESSES.glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                running.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return files + [one for one in running if one]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not (PROCESSES / "self" / "environ").exists():
        pytest.skip("only Linux tells what is running")
    return tmp_path


def _rows(text: str) -> list[list[str]]:
    """The rows of the tables: name, time, requests, ids, missed, repeated, changes."""
    cells = [[one.strip() for one in line.split("│")] for line in text.splitlines() if "│" in line]
    return [[one for one in row if one] for row in cells]


def test_demo(folder: Path) -> None:
    """The demo shows both comparisons and both certificates, and leaves nothing behind; neither
    a proxy nor the settings of somebody's server matter."""
    settings = {"COIR_DATABASE": "postgresql://nowhere.invalid/x", "COIR_REGISTRATION": "no"}
    elsewhere = {"TMPDIR": str(folder), "HTTP_PROXY": "http://127.0.0.1:9"}
    process = started(*SMALL, env=elsewhere | settings)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err
    assert _left(folder) == []

    rest, work = err.split("A few people upload and delete")
    for part, verdicts in ((rest, {"complete"}), (work, {"complete", "changed"})):
        rows = _rows(part)
        assert [row[0] for row in rows] == ["coir", "coir, ids alone", "copied script"]
        assert all(re.fullmatch(r"\d+\.\d\d s", row[1]) for row in rows)
        assert {(row[4], row[5]) for row in rows[:2]} == {("0", "0")}
        [verdict] = re.findall(r"^(\w+): .*\n\d+ ids up to \d+, sha256 ", part, re.MULTILINE)
        assert verdict in verdicts
    at_rest = _rows(rest)
    assert [row[3] for row in at_rest] == ["500"] * 3
    assert [row[4:] for row in at_rest] == [["0", "0", "0"]] * 3
    assert "coir ids DATASET --server" in err
    assert "coir serve" in err


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("Starting the server", signal.SIGTERM),
        ("Making pictures", signal.SIGTERM),
        ("Nobody else is at work", signal.SIGTERM),
        ("Starting the server", signal.SIGINT),
        ("Nobody else is at work", signal.SIGINT),
        ("Making pictures", signal.SIGHUP),
    ],
)
def test_ended_in_the_middle(step: str, number: signal.Signals, folder: Path) -> None:
    """A demo that is ended in the middle removes its folder and ends its server all the same."""
    process = started(
        *SMALL, env={"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}, stdout=subprocess.DEVNULL
    )
    seen = ""
    while step not in seen:
        line = process.stderr.readline()
        assert line, f"ended without {step}: {seen}"
        seen += line
    assert any("coir-demo-" in one for one in _left(folder))
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert _left(folder) == []
    assert "Traceback" not in err
    assert time.monotonic() - sent < 15


def test_interrupted_at_a_terminal(folder: Path) -> None:
    """Ctrl-C at a terminal reaches the demo's server as well; nothing is left all the same."""
    with Terminal(*SMALL, env={"TMPDIR": str(folder)}) as terminal:
        terminal.expect("Making pictures")
        terminal.type("\x03")
        done = terminal.end()
    assert done.code == 130
    assert "Traceback" not in done.err
    assert _left(folder) == []


def test_progress_at_a_terminal(folder: Path) -> None:
    """At a terminal bars show what is done, and the same tables come at the end."""
    with Terminal(*SMALL, env={"TMPDIR": str(folder)}) as terminal:
        done = terminal.end()
    assert (done.code, done.out) == (0, "")
    for step in ("Making pictures", "Annotating some"):
        assert step in done.err
    assert len(_rows(done.err)) >= 4
    assert _left(folder) == []
