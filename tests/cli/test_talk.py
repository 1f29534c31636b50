"""What is said on stderr: in words, as log lines, as JSON; and how fast requests go out."""

from __future__ import annotations

import json as json_
import time
from typing import Any

import pytest

from client.misbehaving import DATA, DATASETS, Asked, Misbehaving, Reply, json, listing

from .command import coir, started

SOME = range(1, 6_000)
LONG = range(1, 32_000, 2)  # with holes: no window is known by its count


def events(err: str) -> list[dict[str, Any]]:
    """The lines of a JSON log."""
    return [json_.loads(line) for line in err.splitlines()]


def _leisurely(asked: Asked) -> Reply:
    reply = listing(LONG)(asked)
    time.sleep(reply.body.count(b'"id"') * 0.0005)  # however many are asked for at a time
    return reply


@pytest.mark.slow
def test_a_long_scan_says_that_it_lives() -> None:
    """Where no terminal is, a line comes now and then instead of a bar; or JSON, if asked for."""
    with Misbehaving({DATA: _leisurely}) as server:
        command = ("ids", "birds", "--concurrency", "1", "-s", server.url)
        both = [started(*command), started(*command, "--json-log")]
        (out, words), (same, log) = [process.communicate(timeout=60) for process in both]
        assert [process.returncode for process in both] == [0, 0]
    assert out == same
    lines = words.splitlines()
    assert lines[0].startswith("Reading birds: reading, ")
    assert " of 16,000, " in lines[0]
    assert lines[0].endswith("/s")
    assert "\x1b" not in words
    assert "\r" not in words
    said = events(log)
    assert [one["event"] for one in said if one["event"] != "progress"] == ["done"]
    progress = said[0]
    assert progress.keys() == {"time", "event", "phase", "read", "expected", "rate"}
    assert (progress["event"], progress["phase"]) == ("progress", "reading")
    assert progress["expected"] == len(LONG)
    assert 0 < progress["read"] <= len(LONG)
    assert 0 < progress["rate"] < len(LONG)
    assert said[-1]["certificate"]["verdict"] == "complete"
    assert said[0]["time"] < said[-1]["time"] <= time.time()


def test_json_log_of_a_short_one() -> None:
    """A listing that is done at once says one thing: its certificate."""
    with Misbehaving({DATA: listing(SOME)}) as server:
        done = coir("images", "birds", "--json-log", "-s", server.url)
    assert done.code == 0
    [said] = events(done.err)
    assert said.keys() == {"time", "event", "certificate"}
    assert said["event"] == "done"
    assert said["certificate"]["count"] == len(SOME)


def test_json_log_of_an_error() -> None:
    """An error is an event with its name, its sentences and the exit code."""
    with Misbehaving({DATASETS: [json({"message": "oh"}, 500)]}) as server:
        done = coir("ids", "birds", "--json-log", "-q", "-s", server.url)
    [said] = events(done.err)
    assert said.keys() == {"time", "event", "error", "message", "hint", "exit_code"}
    assert (said["event"], said["error"]) == ("error", "ServerFailed")
    assert said["exit_code"] == done.code == 9


def test_max_rps() -> None:
    """No more requests go out in a second than were allowed."""
    with Misbehaving({DATA: listing(SOME)}) as server:
        done = coir("ids", "birds", "--max-rps", "10", "--json-log", "-s", server.url)
        asked = server.count(DATA)
    [said] = events(done.err)
    assert asked == said["certificate"]["requests"] > 4
    assert said["certificate"]["seconds"] >= (asked - 1) / 10 * 0.95


@pytest.mark.parametrize("rate", ["0", "nan"])
def test_no_requests_a_second_make_no_sense(rate: str) -> None:
    """A rate of nothing is refused."""
    with Misbehaving() as server:
        done = coir("ids", "birds", "--max-rps", rate, "-s", server.url)
        assert server.count(DATA) == 0
    assert (done.code, done.out) == (2, "")
    assert done.sentences[0] == "Error: The requests per second must be more than 0."
