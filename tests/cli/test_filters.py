"""Which images are wanted, said on the command line."""

from __future__ import annotations

import json as json_
from pathlib import Path

import pytest

from client.misbehaving import DATA, DATASETS, Misbehaving, json, listing
from client.serving import Serving
from server.running import created, picture, scanned

from .command import coir

NOWHERE = "http://127.0.0.1:9"  # what asks there ends with another code
CATEGORIES = "GET /api/category/"


def test_filters(place: Serving, tmp_path: Path) -> None:
    """Every option gives what it says, and several together what all of them say."""
    admin = place.user("admin")
    dataset = created(admin, "cats", categories=["cat", "dog"])
    top = place.directory("cats")
    for name, size in (("a/one.jpg", 40), ("a/b/Two.jpg", 60), ("c.jpg", 80), ("d.jpg", 90)):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(picture(size, 30))
    scanned(admin, dataset)
    rows = admin.get(f"/api/dataset/{dataset}/data?order=id").json()["images"]
    ids = {row["file_name"]: row["id"] for row in rows}
    categories = {one["name"]: one["id"] for one in admin.get("/api/category/").json()}
    for name, category in (("c.jpg", "cat"), ("d.jpg", "dog")):
        body = {"image_id": ids[name], "category_id": categories[category]}
        assert admin.post("/api/annotation/", json=body).status_code == 200
    certificate = tmp_path / "certificate.json"
    env = {"COIR_COOKIE": str(admin.cookies["session"])}
    for options, names in (
        ("--annotated --where height=30", {"c.jpg", "d.jpg"}),
        ("--not-annotated --folder a/b/", {"Two.jpg"}),
        ("-c cat", {"c.jpg"}),
        (f"-c cat --category {categories['dog']}", {"c.jpg", "d.jpg"}),
        ("--name-contains o --where width__lt=50", {"one.jpg"}),
        ("--name-startswith T -w file_name__istartswith=t", {"Two.jpg"}),
        ("-w width__gte=60 -w path__contains=/b/ -w width__lte=80", {"Two.jpg"}),
        ("--name-contains =", set()),
        (f"--after-id {min(ids.values())}", set(ids) - {min(ids, key=ids.__getitem__)}),
    ):
        command = ("images", "cats", *options.split(), "--certificate", str(certificate))
        done = coir(*command, "-s", place.url, env=env)
        assert done.code == 0, done.err
        found = {json_.loads(line)["file_name"] for line in done.out.splitlines()}
        assert found == names, options
        assert json_.loads(certificate.read_bytes())["count"] == len(names)
    done = coir("ids", "cats", "-c", "bird", "-s", place.url, env=env)
    assert (done.code, done.out) == (2, "")
    assert done.sentences == [
        "Error: The dataset has no category 'bird'.",
        f"Its categories are 'cat' ({categories['cat']}), 'dog' ({categories['dog']}).",
    ]


def test_what_is_sent(tmp_path: Path) -> None:
    """Options become the parameters that the original understands, in every request for rows."""
    routes = {
        DATA: listing(range(1, 9)),
        DATASETS: [json([{"id": 1, "name": "birds", "categories": [3, 4]}])],
        CATEGORIES: [json([{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}])],
    }
    options = "-c dog -c 3 --folder /a/ --name-contains .jpg -w path__endswith=.png -w width__gte=8"
    certificate = tmp_path / "certificate.json"
    command = ("ids", "birds", *options.split(), "--certificate", str(certificate))
    with Misbehaving(routes) as server:
        done = coir(*command, "-s", server.url)
        sent = [asked.params for asked in server.asked if asked.route == DATA]
    assert done.code == 0, done.err
    ours = {"page", "limit", "order", "id__gte", "id__lt"}
    for params in sent:
        assert {name: value for name, value in params.items() if name not in ours} == {
            "category_ids__in": "3,4",
            "annotated": "true",
            "folder": "a",
            "file_name__contains": ".jpg",
            "path__endswith": ".png",
            "width__gte": "8",
        }
    says = json_.loads(certificate.read_bytes())
    assert says["filters"] == {
        "categories": ["dog", "3"],
        "folder": "/a/",
        "name_contains": ".jpg",
        "conditions": [["path__endswith", ".png"], ["width__gte", "8"]],
    }
    assert (says["claims"], says["checked_here"]) == (["S1", "S2", "S5"], [])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--where width", "'width' is not a condition."),
        ("--where width>=800", "There is no field 'width>' to filter by."),
        ("--where width__gte=", "'width__gte' has no value."),
        ("--where width__gte=wide", "'width__gte' needs a whole number, not 'wide'."),
        ("--where file_name__gt=a", "'file_name__gt' has no operator 'gt'."),
        ("--where annotated=1", "There is no field 'annotated' to filter by."),
        ("--not-annotated -c cat", "An image that is not annotated has no category."),
        ("--folder a/../../b", "The folder must lie inside the dataset."),
        ("--name-contains=", "'file_name__contains' has no value."),
    ],
)
def test_mistakes(options: str, says: str) -> None:
    """What a server would misunderstand is told in a sentence, before anything is sent."""
    done = coir("ids", "birds", *options.split(), "-s", NOWHERE)
    assert (done.code, done.out) == (2, "")
    sentence, *hint = done.sentences
    assert sentence == f"Error: {says}"
    assert hint or "whole number" in says or "inside the dataset" in says


def test_a_condition_that_nobody_can_check() -> None:
    """Of the same condition twice the server hears one, and rows show no width."""
    with Misbehaving({DATA: listing(range(1, 9))}) as server:
        command = ("ids", "birds", "-w", "width__gte=80", "-w", "width__gte=90")
        done = coir(*command, "-s", server.url)
        assert server.count(DATA) == 0
    assert (done.code, done.out) == (2, "")
    assert "'width__gte=90' cannot be answered by this server." in done.sentences[0]
