"""What the annotation page loads and saves."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest

from .running import Running, created, uploaded

SQUARE = [[-38.0, -22.0], [-8.0, -22.0], [-8.0, 8.0], [-38.0, 8.0]]
SESSION = {"start": 1700000000000, "milliseconds": 1200, "tools": ["Polygon"]}


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def bob(server: Running) -> httpx.Client:
    return server.user("bob")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    return created(admin, "annotating", categories=["tree", "bush"])


@pytest.fixture
def image(admin: httpx.Client, dataset: int, request: pytest.FixtureRequest) -> int:
    name = f"{request.node.name[:60].replace('/', '-')}.jpg"
    return int(uploaded(admin, dataset, name).json())


def path(segments: list[Any], **more: Any) -> list[Any]:
    return ["Path", {"applyMatrix": True, "segments": segments, "closed": True} | more]


def compound(*children: list[Any]) -> list[Any]:
    return ["CompoundPath", {"applyMatrix": True, "children": list(children)}]


def categories_of(client: httpx.Client, dataset: int) -> list[int]:
    return next(row for row in client.get("/api/dataset/").json() if row["id"] == dataset)[
        "categories"
    ]


def annotated(client: httpx.Client, image: int, category: int, **more: Any) -> int:
    given = {"image_id": image, "category_id": category, **more}
    return int(client.post("/api/annotation/", json=given).json()["id"])


def saved(
    client: httpx.Client, image_id: int, category: int, *annotations: dict[str, Any], **more: Any
) -> httpx.Response:
    body = {
        "image": {"id": image_id},
        "categories": [{"id": category, "annotations": annotations}],
    }
    return client.post("/api/annotator/data", json=body | more)


def loaded(client: httpx.Client, image: int) -> dict[str, Any]:
    answer = client.get(f"/api/annotator/data/{image}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_saving_sets_shape_counters_and_time(admin: httpx.Client, dataset: int, image: int) -> None:
    """A saved page is what is loaded again; the image's counters follow, and time adds up."""
    tree, bush = categories_of(admin, dataset)
    one = annotated(admin, image, tree)
    sent = {
        "id": one,
        "isbbox": True,
        "color": "#123456",
        "metadata": {"quality": "good"},
        "keypoints": [1, 2, 2],
        "sessions": [SESSION],
        "compoundPath": compound(path(SQUARE)),
    }
    answer = saved(admin, image, tree, sent, image={"id": image, "metadata": {"seen": 1}})
    assert answer.json()["success"] is True
    page = loaded(admin, image)
    assert page["image"]["metadata"] == {"seen": 1}
    assert (page["image"]["annotated"], page["image"]["num_annotations"]) == (True, 1)
    assert page["image"]["category_ids"] == [tree]
    (shown,) = page["categories"][0]["annotations"]
    assert shown["segmentation"] == [[10.0, 10.0, 40.0, 10.0, 40.0, 40.0, 10.0, 40.0]]
    assert (shown["area"], shown["bbox"]) == (900, [10.0, 10.0, 30.0, 30.0])
    assert (shown["isbbox"], shown["color"]) == (True, "#123456")
    assert (shown["metadata"], shown["keypoints"]) == ({"quality": "good"}, [1, 2, 2])
    assert shown["paper_object"] == sent["compoundPath"]
    assert shown["milliseconds"] == 1200
    assert page["categories"][1]["id"] == bush
    events = admin.get(f"/api/annotation/{one}").json()["events"]
    assert [(event["user"], event["tools_used"]) for event in events] == [("admin", ["Polygon"])]
    later = SESSION | {"start": 1700000009000, "milliseconds": 300}
    for _ in range(2):  # the second is the first one repeated
        assert saved(admin, image, tree, {"id": one, "sessions": [later]}).status_code == 200
    (again,) = loaded(admin, image)["categories"][0]["annotations"]
    assert again == shown | {"milliseconds": 1500}


def test_outline_is_what_was_drawn(admin: httpx.Client, dataset: int, image: int) -> None:
    """Holes are left out of the area, curves are followed, and nothing lies outside the image."""
    tree, _ = categories_of(admin, dataset)
    one = annotated(admin, image, tree)
    hole = path([[-28, -12], [-18, -12], [-18, -2], [-28, -2]])

    def drawn(shape: list[Any]) -> dict[str, Any]:
        assert saved(admin, image, tree, {"id": one, "compoundPath": shape}).status_code == 200
        return dict(admin.get(f"/api/annotation/{one}").json())

    assert drawn(compound(path(SQUARE), hole))["area"] == 800
    bulge = [[[-10, 0], [0, 0], [0, -10]], [[10, 0], [0, -10], [0, 0]]]
    assert drawn(path(bulge))["area"] == pytest.approx(120, abs=2)
    over = drawn(path([[-60, -42], [-38, -42], [-38, -22], [-60, -22]]))
    assert (over["area"], over["bbox"]) == (100, [0, 0, 10, 10])
    assert sorted(over["segmentation"][0]) == [0, 0, 0, 0, 10, 10, 10, 10]
    away = drawn(path([[100, 100], [120, 100], [110, 120]]))
    assert (away["segmentation"], away["area"], away["bbox"]) == ([], 0, [0, 0, 0, 0])


def test_what_is_left_out_stays(admin: httpx.Client, dataset: int, image: int) -> None:
    """Saving a part changes that part only, also when the rest of the image is not shown."""
    tree, bush = categories_of(admin, dataset)
    one, other = annotated(admin, image, tree), annotated(admin, image, bush)
    full = {"id": one, "color": "#123456", "compoundPath": path(SQUARE), "keypoints": [1, 2, 2]}
    assert saved(admin, image, tree, full, user={"dark": True}).status_code == 200
    before = loaded(admin, image)
    assert before["preferences"] == {"dark": True}
    assert saved(admin, image, tree).status_code == 200
    assert saved(admin, image, 999, {"id": one, "metadata": {"k": 1}}).status_code == 200
    after = loaded(admin, image)
    before["categories"][0]["annotations"][0]["metadata"] = {"k": 1}
    assert after | {"time_ms": 0} == before | {"time_ms": 0}
    assert after["image"]["num_annotations"] == 2
    assert after["categories"][1]["annotations"][0]["id"] == other


def test_only_what_changed_is_written(admin: httpx.Client, dataset: int, image: int) -> None:
    """The page sends every annotation of the image; the change feed has those that changed."""
    tree, _ = categories_of(admin, dataset)
    ones = [annotated(admin, image, tree) for _ in range(3)]
    drawn = [
        {"id": one, "color": "#123456", "metadata": {"n": n}, "keypoints": [], "isbbox": False}
        | {"compoundPath": compound(path(SQUARE)), "sessions": []}
        for n, one in enumerate(ones)
    ]
    assert saved(admin, image, tree, *drawn).status_code == 200
    shown = loaded(admin, image)["categories"][0]["annotations"]
    assert [one["area"] for one in shown] == [900] * 3
    changes = f"/api/dataset/{dataset}/changes"
    cursor = admin.get(changes).json()["cursor"]
    drawn[1]["metadata"] = {"n": True}  # which Python takes for 1
    assert saved(admin, image, tree, *drawn).status_code == 200
    seen = admin.get(changes, params={"since": cursor}).json()["changes"]
    assert [one["id"] for one in seen if one["kind"] == "annotation"] == [ones[1]]
    again = loaded(admin, image)["categories"][0]["annotations"]
    shown[1]["metadata"] = {"n": True}
    assert again == shown
    assert again[1]["metadata"]["n"] is True


def test_an_outline_from_elsewhere_replaces_the_drawing(
    admin: httpx.Client, dataset: int, image: int
) -> None:
    """What `PUT` sets is the outline, until somebody draws; no drawing shows another one."""
    tree, _ = categories_of(admin, dataset)
    one = annotated(admin, image, tree)
    drawn = {"id": one, "compoundPath": path(SQUARE)}
    assert saved(admin, image, tree, drawn).status_code == 200
    ring = [[1, 1, 9, 1, 9, 9, 1, 9]]
    body = {"category_id": tree, "segmentation": ring}
    assert admin.put(f"/api/annotation/{one}", json=body).status_code == 200
    (shown,) = loaded(admin, image)["categories"][0]["annotations"]
    assert (shown["segmentation"], shown["area"], shown["paper_object"]) == (ring, 64, [])
    assert saved(admin, image, tree, drawn).status_code == 200  # drawn anew, and seen as such
    (shown,) = loaded(admin, image)["categories"][0]["annotations"]
    assert (shown["area"], shown["paper_object"]) == (900, drawn["compoundPath"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"compoundPath": ["Path", {"segments": [[1]]}]},
        {"compoundPath": "Path"},
        {"compoundPath": ["Raster", {}]},
        {"keypoints": [1, 2]},
        {"keypoints": ["a", 1, 2]},
        {"sessions": [{"start": 1}]},
        {"sessions": [SESSION | {"milliseconds": -1}]},
        {"sessions": [SESSION | {"tools": "Polygon"}]},
        {"sessions": 3},
        {"metadata": [1]},
        {"color": [3]},
    ],
)
def test_what_cannot_be_read_saves_nothing(
    admin: httpx.Client, dataset: int, wrong: dict[str, Any], image: int
) -> None:
    """One unreadable annotation, and the whole page stays as it was: 400 with a message."""
    tree, _ = categories_of(admin, dataset)
    one, other = annotated(admin, image, tree), annotated(admin, image, tree)
    before = loaded(admin, image)
    good = {"id": one, "color": "#abcdef", "compoundPath": path(SQUARE), "sessions": [SESSION]}
    answer = saved(admin, image, tree, good, {"id": other} | wrong, user={"changed": True})
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert loaded(admin, image) | {"time_ms": 0} == before | {"time_ms": 0}


@pytest.mark.parametrize(
    "body",
    [
        {"image": 3},
        {"image": {}},
        {"image": {"id": "x"}},
        {"image": {"id": 10**9}},
        {"categories": [3]},
        {"categories": [{"id": 1, "annotations": [{}]}]},
    ],
)
def test_strange_pages_are_refused(admin: httpx.Client, image: int, body: dict[str, Any]) -> None:
    """A page without a living image, or of something else than objects, answers 400."""
    answer = admin.post("/api/annotator/data", json={"image": {"id": image}} | body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_annotations_of_other_images_and_deleted_ones_are_not_saved(
    admin: httpx.Client, dataset: int, image: int
) -> None:
    """A page changes the living annotations of its image and no other."""
    tree, _ = categories_of(admin, dataset)
    elsewhere = uploaded(admin, dataset, "elsewhere.jpg").json()
    foreign, gone = annotated(admin, elsewhere, tree), annotated(admin, image, tree)
    before = admin.get(f"/api/annotation/{foreign}").json()
    admin.delete(f"/api/annotation/{gone}")
    sent = [{"id": one, "compoundPath": path(SQUARE)} for one in (foreign, gone)]
    assert saved(admin, image, tree, *sent).status_code == 200
    assert admin.get(f"/api/annotation/{foreign}").json() == before
    assert loaded(admin, image)["image"]["num_annotations"] == 0


def test_others_images_can_neither_be_loaded_nor_saved(
    admin: httpx.Client, bob: httpx.Client, dataset: int, image: int
) -> None:
    """Who does not see the dataset gets the answer for no image; who shares it works on it."""
    tree, _ = categories_of(admin, dataset)
    one = annotated(admin, image, tree)
    paths = [f"/api/annotator/data/{number}" for number in (image, 10**9)]
    answers = [bob.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content
    sent = {"id": one, "compoundPath": path(SQUARE)}
    answers = [saved(bob, number, tree, sent) for number in (image, 10**9)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content
    assert loaded(admin, image)["categories"][0]["annotations"][0]["area"] == 0
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    assert saved(bob, image, tree, sent | {"sessions": [SESSION]}).status_code == 200
    page = loaded(bob, image)
    assert page["categories"][0]["annotations"][0]["area"] == 900
    assert page["permissions"]["dataset"]["edit"] is True
    assert page["permissions"]["image"] == {"delete": False, "download": False}
    admin.post(f"/api/dataset/{dataset}/share", json={"users": []})


def test_deleted_images_are_not_opened(admin: httpx.Client, image: int) -> None:
    """A deleted image answers as one that was never there."""
    admin.delete(f"/api/image/{image}")
    answer = admin.get(f"/api/annotator/data/{image}")
    assert (answer.status_code, answer.json()["message"]) == (400, "Could not load image")


def test_work_on_an_image_that_is_deleted_meanwhile_is_kept(
    admin: httpx.Client, bob: httpx.Client, dataset: int, image: int
) -> None:
    """The original's page saves when it is left, also the image that it has just deleted, and
    stays until that succeeds; who brings the image back finds the work in it."""
    tree, _ = categories_of(admin, dataset)
    one = annotated(admin, image, tree)
    assert admin.delete(f"/api/image/{image}").status_code == 200
    sent = {"id": one, "compoundPath": path(SQUARE)}
    assert saved(bob, image, tree, sent).status_code == 400
    answer = saved(admin, image, tree, sent)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert admin.get(f"/api/annotator/data/{image}").status_code == 400
    undone = admin.post("/api/undo/", params={"id": image, "instance": "image"})
    assert undone.status_code == 200
    assert loaded(admin, image)["categories"][0]["annotations"][0]["area"] == 900


def test_categories_change_only_where_they_belong(admin: httpx.Client, bob: httpx.Client) -> None:
    """A page sets the colours of its dataset's categories, and keypoints only of one's own."""
    mine = created(bob, "bobs page", categories=["bobs shrub"])
    (own,) = categories_of(bob, mine)
    other = admin.post("/api/category/", json={"name": "admins", "color": "#000000"}).json()["id"]
    shared = created(admin, "admins page", categories=["admins"])
    assert categories_of(admin, shared) == [other]
    admin.post(f"/api/dataset/{shared}/share", json={"users": ["bob"]})
    change = {"color": "#ffffff", "keypoint_labels": ["a", "b"], "keypoint_edges": [[1, 2]]}
    image = uploaded(bob, mine, "x.jpg").json()
    body = {"image": {"id": image}, "categories": [{"id": one} | change for one in (own, other)]}
    assert bob.post("/api/annotator/data", json=body).status_code == 200
    assert {name: loaded(bob, image)["categories"][0][name] for name in change} == change
    page = uploaded(bob, shared, "x.jpg").json()
    assert loaded(admin, page)["categories"][0]["color"] == "#000000"
    body["image"]["id"] = page
    assert bob.post("/api/annotator/data", json=body).status_code == 200
    shown = loaded(admin, page)["categories"][0]
    assert (shown["color"], shown["keypoint_labels"]) == ("#ffffff", [])
    for wrong in ({"color": "red;}"}, {"keypoint_edges": [[1, 3]]}):
        body["categories"] = [{"id": other} | change | wrong]
        assert admin.post("/api/annotator/data", json=body).status_code == 400
    for client, one in ((bob, mine), (admin, shared)):  # the server is shared with other tests
        assert client.delete(f"/api/dataset/{one}").status_code == 200


def test_neighbours_lead_through_all_images(admin: httpx.Client) -> None:
    """From the first image on, `next` visits every image once, and `previous` goes back."""
    made = created(admin, "neighbours")
    names = ["b.jpg", "a.jpg", "sub/b.jpg", "c.jpg", "other/b.jpg", "sub/a.jpg"]
    ids = {name: uploaded(admin, made, name).json() for name in names}
    admin.delete(f"/api/image/{ids['c.jpg']}")
    order = ["a.jpg", "sub/a.jpg", "b.jpg", "sub/b.jpg", "other/b.jpg"]
    at: int | None = ids["a.jpg"]
    visited, back = [], []
    while at is not None:
        page = loaded(admin, at)["image"]
        visited.append(at)
        back.append(page["previous"])
        at = page["next"]
    assert visited == [ids[name] for name in order]
    assert back == [None, *visited[:-1]]
