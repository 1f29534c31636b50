"""The recorded answers of the original, replayed in their order against a real process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from .comparison import differences
from .databases import Place
from .running import Running
from .scene import Exchange, Scene, key

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "tests" / "contract" / "transcripts.jsonl"
DIFFERENCES = ROOT / "docs" / "differences.md"

EXCHANGES: list[Exchange] = [json.loads(line) for line in RECORD.read_text().splitlines()]


def listed() -> dict[str, int]:
    """The exchanges that docs/differences.md lists, with the status that it says coir answers.

    A row names them in its last column, as ``section/name → status``.
    """
    found = {}
    for line in DIFFERENCES.read_text().splitlines():
        if line.startswith("|"):
            for name, status in re.findall(r"`([^`]+)` → (\d{3})", line.rsplit("|", 2)[1]):
                found[name] = int(status)
    return found


LISTED = listed()


@pytest.fixture(scope="module")
def answers(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, httpx.Response]]:
    """The answers to all recorded requests, sent in their order."""
    server = Running(place.data(tmp_path_factory.mktemp("contract") / "data"))
    scene = Scene(server)
    yield {key(exchange): scene.send(exchange) for exchange in EXCHANGES}
    code, out, err = server.end()
    assert (code, out, err) == (0, "", "")


@pytest.mark.parametrize("exchange", EXCHANGES, ids=key)
def test_answer_is_the_recorded_one(exchange: Exchange, answers: dict[str, httpx.Response]) -> None:
    """An answer is the recorded one, or the one that docs/differences.md lists."""
    answer = answers[key(exchange)]
    status = LISTED.get(key(exchange))
    if status is None:
        assert differences(exchange, answer) == []
        return
    assert answer.status_code == status, answer.text[:300]
    if status >= 400:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["message"]
    else:
        # Listed for something else than its status: then it must indeed differ.
        assert differences(exchange, answer) != []


def test_no_crash_of_the_original_is_copied() -> None:
    """Every recorded 500 is listed as a 4xx."""
    crashes = {key(e) for e in EXCHANGES if e["response"]["status"] >= 500}
    assert {name for name in crashes if not 400 <= LISTED.get(name, 0) < 500} == set()


def test_named_tests_exist() -> None:
    """Every test that docs/differences.md names is there."""
    named = set(re.findall(r"`(test_\w+\.py)`", DIFFERENCES.read_text()))
    assert {name for name in named if not (Path(__file__).parent / name).exists()} == set()


def test_every_listed_exchange_is_recorded() -> None:
    """docs/differences.md names no exchange that does not exist."""
    assert set(LISTED) <= {key(exchange) for exchange in EXCHANGES}
