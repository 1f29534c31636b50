"""Datasets: statistics, metadata, and what is refused."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from .running import Running, created, picture, uploaded


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def bob(server: Running) -> httpx.Client:
    return server.user("bob")


def test_statistics_count_what_is_there(admin: httpx.Client, bob: httpx.Client) -> None:
    """Statistics count living annotations on living images, for each category and each member."""
    dataset = created(admin, "measured", categories=["m-one", "m-two", "m-none"])
    one, two, _ = admin.get(f"/api/dataset/{dataset}/data").json()["categories"]
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    images = [
        uploaded(admin, dataset, f"{width}.jpg", picture(width, 2 * width)).json()
        for width in (10, 20, 30, 90)
    ]
    made = [
        client.post("/api/annotation/", json={"image_id": image, "category_id": category["id"]})
        for client, image, category in [
            (admin, images[0], one),
            (admin, images[0], one),
            (bob, images[1], two),
            (bob, images[1], two),
            (bob, images[3], two),
        ]
    ]
    admin.delete(f"/api/annotation/{made[3].json()['id']}")
    admin.delete(f"/api/image/{images[3]}")
    shown = bob.get(f"/api/dataset/{dataset}/stats").json()
    assert shown["total"] == {
        "Users": 2,
        "Images": 3,
        "Annotated Images": 2,
        "Annotations": 3,
        "Categories": 3,
        "Time Annotating (s)": 0.0,
    }
    assert shown["average"]["Image Size (px)"] == 20
    assert shown["average"]["Image Height (px)"] == 40
    assert shown["categories"] == {"m-one": 2, "m-two": 1, "m-none": 0}
    assert shown["images_per_category"] == {"m-one": 1, "m-two": 1, "m-none": 0}
    assert shown["users"] == {
        "admin": {"annotations": 2, "images": 1},
        "bob": {"annotations": 1, "images": 1},
    }
    assert admin.delete(f"/api/dataset/{dataset}").status_code == 200


def test_metadata_is_reset_by_managers_only(admin: httpx.Client, bob: httpx.Client) -> None:
    """Resetting gives all annotations the default; who only shares the dataset is refused."""
    dataset = created(admin, "remembered")
    image = uploaded(admin, dataset, "x.jpg").json()
    given = {"image_id": image, "category_id": 1, "metadata": {"seen": True}}
    annotation = admin.post("/api/annotation/", json=given).json()["id"]
    admin.post(f"/api/dataset/{dataset}", json={"default_annotation_metadata": {"kind": "?"}})
    path = f"/api/dataset/{dataset}/reset/metadata"
    assert bob.get(path).status_code == 400
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    assert bob.get(path).status_code == 403
    assert admin.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert admin.get(f"/api/annotation/{annotation}").json()["metadata"] == {"seen": True}
    assert admin.get(path).json() == {"success": True}
    assert admin.get(f"/api/annotation/{annotation}").json()["metadata"] == {"kind": "?"}
    assert admin.delete(f"/api/dataset/{dataset}").status_code == 200


def test_the_test_job_runs_for_those_signed_in(server: Running, admin: httpx.Client) -> None:
    """The job that does nothing is in the caller's list of tasks; a link cannot start it."""
    path = "/api/info/long_task"
    assert server.client().get(path).status_code == 401
    assert admin.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    started = admin.get(path).json()
    assert (list(started), started["state"]) == (["id", "state"], "PENDING")
    assert "test" in [job["group"] for job in admin.get("/api/tasks/").json()]
