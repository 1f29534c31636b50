"""Categories: who may see and change them, keypoints, counts, deletion."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest

from .running import Running, created, uploaded


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def bob(server: Running) -> httpx.Client:
    return server.user("bob")


def made(client: httpx.Client, name: str, **more: Any) -> int:
    answer = client.post("/api/category/", json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


LABELS = ["head", "foot", "hand"]


@pytest.mark.parametrize(
    ("wrong", "more"),
    [
        ("keypoint_edges", {"keypoint_edges": [[1, 2]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": [[0, 1]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": [[1, 4]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": [[-1, 2]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": [[2, 2]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": [[1]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": [[True, 2]]}),
        ("keypoint_edges", {"keypoint_labels": LABELS, "keypoint_edges": "1-2"}),
        ("keypoint_labels", {"keypoint_labels": [1]}),
        ("keypoint_colors", {"keypoint_labels": ["head"], "keypoint_colors": ["#111", "#222"]}),
        ("keypoint_colors", {"keypoint_labels": ["head"], "keypoint_colors": ["#12"]}),
        ("color", {"color": "red;background:url(x)"}),
        ("metadata", {"metadata": "x"}),
    ],
)
def test_wrong_fields_are_refused(admin: httpx.Client, wrong: str, more: dict[str, Any]) -> None:
    """Making or changing a category with such a field is refused by its name; nothing changes."""
    before = admin.get("/api/category/").json()
    target = before[0]["id"] if before else made(admin, "first")
    for answer in (
        admin.post("/api/category/", json={"name": "wrong", **more}),
        admin.put(f"/api/category/{target}", json={"name": "wrong", **more}),
    ):
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [wrong])
    assert "wrong" not in [one["name"] for one in admin.get("/api/category/").json()]


def test_keypoints_and_colors_are_kept(admin: httpx.Client) -> None:
    """Labels, edges and colours come back as they were given, from each route."""
    given = {
        "keypoint_labels": LABELS,
        "keypoint_edges": [[1, 2], [3, 1]],
        "keypoint_colors": ["#ff0000", "teal", "rgb(1, 2, 3)"],
        "color": "#abc",
    }
    category = made(admin, "walker", **given)
    assert given.items() <= admin.get(f"/api/category/{category}").json().items()
    other = made(admin, "runner")
    assert admin.put(f"/api/category/{other}", json={"name": "runner", **given}).json() == {
        "success": True
    }
    assert given.items() <= admin.get(f"/api/category/{other}").json().items()
    again = admin.put(f"/api/category/{other}", json={"name": "runner", **given})
    assert (again.status_code, again.json()) == (200, {"message": "Nothing to update"})


def test_metadata_may_be_an_empty_list(admin: httpx.Client) -> None:
    """The original's page sends its changes with a list in the place of no metadata."""
    category = made(admin, "edited on the page", metadata=[])
    change = {"name": "edited on the page", "supercategory": "page", "metadata": []}
    assert admin.put(f"/api/category/{category}", json=change).json() == {"success": True}
    shown = admin.get(f"/api/category/{category}").json()
    assert (shown["supercategory"], shown["metadata"]) == ("page", {})


def test_only_its_creator_changes_a_category(admin: httpx.Client, bob: httpx.Client) -> None:
    """Who sees a category through a dataset cannot change it; who sees no such dataset, nothing."""
    category = made(admin, "guarded")
    path = f"/api/category/{category}"
    hidden = [bob.request(method, path, json={"name": "x"}) for method in ("GET", "PUT", "DELETE")]
    assert [answer.status_code for answer in hidden] == [400] * 3
    dataset = created(admin, "with guarded", categories=["guarded"])
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    assert bob.get(path).json()["name"] == "guarded"
    assert bob.put(path, json={"name": "x"}).status_code == 403
    assert bob.delete(path).status_code == 403
    assert admin.delete(f"/api/dataset/{dataset}").status_code == 200
    own = made(bob, "bobs own")
    assert admin.put(f"/api/category/{own}", json={"name": "by admin"}).status_code == 200
    assert bob.delete(f"/api/category/{own}").json() == {"success": True}


def counted(client: httpx.Client) -> dict[int, int]:
    """The annotations of each category that somebody sees."""
    page = client.get("/api/category/data?limit=1000").json()
    return {one["id"]: one["numberAnnotations"] for one in page["categories"]}


def test_counts_are_of_what_the_caller_sees(admin: httpx.Client, bob: httpx.Client) -> None:
    """A page counts the living annotations of each category in the caller's datasets."""
    name = "counted here"
    category = made(bob, name)
    numbers, datasets = {admin: 2, bob: 1}, {}
    # On a server that tests share, an annotation of a category that did not exist may have its id.
    before = {client: counted(client)[category] for client in numbers}
    for client, dataset in ((admin, "counts of admin"), (bob, "counts of bob")):
        datasets[client] = created(client, dataset)
        image = uploaded(client, datasets[client], "x.jpg").json()
        given = {"image_id": image, "category_id": category}
        kept, gone = (client.post("/api/annotation/", json=given).json()["id"] for _ in "12")
        assert kept < gone
        client.delete(f"/api/annotation/{gone}")
    for client, number in numbers.items():
        found = counted(client)
        assert found[category] == before[client] + number
        page = client.get("/api/category/data?limit=1000").json()
        assert page["pagination"]["showing"] == page["pagination"]["total"] == len(found)
    assert bob.delete(f"/api/dataset/{datasets[bob]}").status_code == 200


def test_deleted_category_leaves_every_list(admin: httpx.Client) -> None:
    """A deleted category is in no list and cannot be read, changed or deleted again."""
    category = made(admin, "leaving")
    path = f"/api/category/{category}"
    assert admin.delete(path).json() == {"success": True}
    assert category not in [one["id"] for one in admin.get("/api/category/").json()]
    page = admin.get("/api/category/data?limit=1000").json()
    assert category not in [one["id"] for one in page["categories"]]
    answers = [admin.get(path), admin.put(path, json={"name": "x"}), admin.delete(path)]
    assert [answer.status_code for answer in answers] == [400] * 3
    again = admin.post("/api/category/", json={"name": "leaving"})
    assert (again.status_code, "undo" in again.json()["message"]) == (400, True)
