"""Annotations: area and box, changes, and the list of all."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from .running import Running, created, picture, uploaded


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    return created(admin, "outlines")


@pytest.fixture(scope="module")
def image(admin: httpx.Client, dataset: int) -> int:
    """An image of 100 x 50 pixels."""
    return int(uploaded(admin, dataset, "x.jpg", picture(100, 50)).json())


@pytest.mark.parametrize(
    ("segmentation", "area", "bbox"),
    [
        ([], 0, [0, 0, 0, 0]),
        ([[10, 10, 40, 10, 40, 30, 10, 30]], 600, [10, 10, 30, 20]),
        ([[10, 10, 10, 30, 40, 30, 40, 10]], 600, [10, 10, 30, 20]),
        ([[0, 0, 4, 0, 0, 4], [50, 20, 54, 20, 50, 24]], 16, [0, 0, 54, 24]),
        ([[0, 0, 20, 0, 20, 20, 0, 20], [5, 5, 15, 5, 15, 15, 5, 15]], 300, [0, 0, 20, 20]),
        ([[-10, -10, 10, -10, 10, 10, -10, 10]], 100, [0, 0, 10, 10]),
        ([[200, 200, 210, 200, 210, 210]], 0, [0, 0, 0, 0]),
        ([[1.5, 1.5, 3.5, 1.5, 3.5, 2]], 0.5, [1.5, 1.5, 2, 0.5]),
        ([[1, 2, 3]], 0, [0, 0, 0, 0]),
        ([1, 2, 3], 0, [0, 0, 0, 0]),
    ],
)
def test_area_and_box_follow_the_outline(
    admin: httpx.Client,
    image: int,
    segmentation: list[object],
    area: float,
    bbox: list[float],
) -> None:
    """Posted or changed, area and box are those of the outline's part inside the image, and the
    outline is kept as it was given."""
    given = {"image_id": image, "category_id": 1, "segmentation": segmentation}
    made = admin.post("/api/annotation/", json=given).json()
    other = admin.post("/api/annotation/", json={"image_id": image}).json()
    changed = admin.put(f"/api/annotation/{other['id']}", json=given).json()
    for one in (made, changed, admin.get(f"/api/annotation/{made['id']}").json()):
        assert (one["segmentation"], one["area"], one["bbox"]) == (segmentation, area, bbox)


def test_change_sets_what_it_names(admin: httpx.Client, dataset: int, image: int) -> None:
    """A change sets the fields that it names and leaves the others, but for the category; the
    image's categories follow."""
    given = {"image_id": image, "category_id": 77, "segmentation": [[0, 0, 4, 0, 0, 4]]}
    made = admin.post("/api/annotation/", json=given).json()
    path = f"/api/annotation/{made['id']}"
    more = {"keypoints": [1, 2, 2], "isbbox": True, "metadata": {"a": 1}, "color": "#123456"}
    changed = admin.put(path, json={"category_id": 78, **more}).json()
    assert changed == made | more | {"category_id": 78}

    def counted() -> bool:
        query = {"id": image, "category_ids__in": "78", "annotated": "true"}
        page = admin.get(f"/api/dataset/{dataset}/data", params=query).json()
        return bool(page["total"] == 1)

    assert counted()
    erased = admin.put(path, json={}).json()
    assert "category_id" not in erased
    assert erased["metadata"] == {"a": 1}
    assert not counted()
    for wrong in ({"segmentation": "x"}, {"category_id": "x"}, {"metadata": 1}, {"color": [1]}):
        assert admin.put(path, json=wrong).status_code == 400
    admin.delete(path)
    assert admin.put(path, json={"category_id": 78}).status_code == 400


def test_list_holds_what_the_caller_sees(server: Running, admin: httpx.Client) -> None:
    """The list has every living annotation of visible images once, by id, over several pieces."""
    bob = server.user("bob")
    dataset = created(bob, "many annotations")
    image, gone = (uploaded(bob, dataset, f"{n}.jpg").json() for n in "ab")
    assert bob.get("/api/annotation/").json() == []
    with server.database() as database:
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO annotations (image_id, dataset_id, segmentation, area, bbox, iscrowd,"
            " isbbox, creator_id, keypoints, metadata, paper_object, milliseconds, events,"
            " created_at, deleted) VALUES (?, ?, '[]', 0, '[]', false, false, 1, '[]', '{}', '[]',"
            " 0, '[]', 0, ?)",
            [
                (one, dataset, dead)
                for one in (image, gone)
                for dead in (False, True)
                for _ in range(1200)
            ],
        )
        database.execute("COMMIT")
    assert bob.delete(f"/api/image/{gone}").status_code == 200
    found = bob.get("/api/annotation/").json()
    assert len(found) == 1200
    assert {one["image_id"] for one in found} == {image}
    assert [one["id"] for one in found] == sorted({one["id"] for one in found})
    assert {one["id"] for one in found} < {
        one["id"] for one in admin.get("/api/annotation/").json()
    }
    assert bob.head("/api/annotation/").content == b""
    assert bob.delete(f"/api/dataset/{dataset}").status_code == 200
