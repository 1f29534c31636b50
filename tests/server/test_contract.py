"""The recorded answers of the original, replayed in their order against a real process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .comparison import differences
from .databases import Place
from .description import Description
from .otherwise import OTHERWISE
from .running import Running
from .scene import ANNOTATED, Exchange, Scene, key

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
def server(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = Running(place.data(tmp_path_factory.mktemp("contract") / "data"))
    yield server
    code, out, err = server.end()
    assert (code, out, err) == (0, "", "")


@pytest.fixture(scope="module")
def answers(server: Running) -> dict[str, httpx.Response]:
    """The answers to all recorded requests, sent in their order."""
    scene = Scene(server)
    return {key(exchange): scene.send(exchange) for exchange in EXCHANGES}


@pytest.fixture(scope="module")
def description(server: Running) -> Description:
    return Description(server)


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
    elif status == exchange["response"]["status"]:
        assert differences(exchange, answer) == OTHERWISE[key(exchange)]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=key)
def test_successes_are_as_described(
    exchange: Exchange, answers: dict[str, httpx.Response], description: Description
) -> None:
    """Each 200 looks as the OpenAPI document says, with every field named and no other."""
    answer = answers[key(exchange)]
    if answer.status_code == 200 and exchange["request"]["method"] not in ("HEAD", "OPTIONS"):
        assert description.errors(answer) == []


def test_what_is_there_instead(answers: dict[str, httpx.Response]) -> None:
    """Where a list is longer or shorter, or a key is new, what stands there is what the page
    says."""

    def body(name: str) -> Any:
        return answers[name].json()

    for name in ("info/info.empty_db", "info/cors_simple_origin"):
        assert list(body(name)["coir"]) == ["version", "features"]
    part = answers["image/get.original.conditional"]
    whole = answers["image/get.original_false_is_true"].content
    assert (part.content, part.headers["content-type"]) == (whole[:10], "image/jpeg")
    assert part.headers["content-range"] == f"bytes 0-9/{len(whole)}"

    found = body("dataset.data.filter/category_ids single")["images"]
    assert [one["id"] for one in found] == [1, 7, 10]  # SEEN has them with the category 1
    assert list(found[0]) == ["id", "file_name", "annotated", "annotating", "num_annotations"]
    assert body("dataset.data.folder/folder='//'")["subdirectories"] == ["dup", "sub b", "sub_a"]

    images = body("export/download")["images"]
    assert len(images) == len({one["id"] for one in images}) == 306
    assert sum(one["annotated"] for one in images) == ANNOTATED
    for one in images:
        assert one["annotated"] == bool(one["num_annotations"]) == bool(one["category_ids"])
    lines = [line.split("] ")[2] for line in body("tasks/logs_Exporting d1 into CO")["logs"]]
    assert lines[1:5] == [
        "Adding category: cat",
        "Adding category: dog",
        "Leaving out 83 annotations without outline and keypoints, or without a category",
        "Done export 0 annotations and 306 images from d1",
    ]

    jobs = [(one["group"].partition(" ")[2], one["name"]) for one in body("tasks/list_bob")]
    assert jobs == 3 * [("Export", "Exporting d1 into COCO format")] + [
        ("Import", "Import COCO format into d1")
    ]
    (undone,) = body("undo/list.bob")
    assert (undone["id"], undone["instance"]) == (2, "annotation")
    for name in ("admin/user_get", "admin/user_patch"):
        assert not re.search("password|hash|argon", answers[name].text)


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


def test_every_other_success_is_told() -> None:
    """Of each exchange that is listed with the status it was recorded with, what differs is known,
    and of no other."""
    recorded = {key(exchange): exchange["response"]["status"] for exchange in EXCHANGES}
    successes = {name for name, status in LISTED.items() if status < 400}
    same = {name for name in successes if LISTED[name] == recorded[name]}
    assert same == set(OTHERWISE)
    assert successes - same == {"image/get.original.conditional"}  # in `test_what_is_there_instead`
