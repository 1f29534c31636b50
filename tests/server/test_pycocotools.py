"""Exports are read by pycocotools, as the programs that train read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from pycocotools.coco import COCO

from .running import Running, created, job_of, uploaded

# pycocotools' own use of NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RING = [[10, 10, 40, 10, 40, 40, 10, 40]]


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


def read(client: httpx.Client, dataset: int, place: Path, **query: Any) -> COCO:
    """A new export of a dataset, as pycocotools reads it."""
    given = {"categories": "", **query}
    job, _ = job_of(client, client.get(f"/api/dataset/{dataset}/export", params=given))
    assert (job["errors"], job["warnings"]) == (0, 0)
    newest = client.get(f"/api/dataset/{dataset}/exports").json()[0]["id"]
    place.write_bytes(client.get(f"/api/export/{newest}/download").content)
    return COCO(place)


def test_pycocotools_reads_exports(server: Running, admin: httpx.Client, tmp_path: Path) -> None:
    """Outlines, crowds, keypoints and images without annotations are what was put in."""
    labels = {"keypoint_labels": ["head", "hand", "foot"], "keypoint_edges": [[1, 2], [2, 3]]}
    person = admin.post("/api/category/", json={"name": "somebody", **labels}).json()["id"]
    dataset = created(admin, "pycoco", categories=["mug", "somebody"])
    names = {one["name"]: one["id"] for one in admin.get("/api/category/").json()}
    first, second, third = (
        uploaded(admin, dataset, f"{name}.jpg").json() for name in ("a/1", "a/2", "b/1")
    )
    points = [12, 14, 2, 20, 30, 1, 0, 0, 0]
    for given in (
        {"image_id": first, "category_id": names["mug"], "segmentation": RING},
        {
            "image_id": first,
            "category_id": names["mug"],
            "segmentation": [*RING, [50, 5, 60, 5, 55, 9]],
        },
        {"image_id": second, "category_id": person, "segmentation": RING, "keypoints": points},
    ):
        assert admin.post("/api/annotation/", json=given).status_code == 200
    coco = read(admin, dataset, tmp_path / "all.json")
    assert coco.getImgIds() == [first, second]
    assert sorted(coco.getCatIds()) == sorted([names["mug"], person])
    assert [one["id"] for one in coco.loadCats(coco.getCatIds(catNms=["mug"]))] == [names["mug"]]
    one, two = coco.loadAnns(coco.getAnnIds(imgIds=[first]))
    mask = coco.annToMask(one)
    assert mask.shape == (64, 96)
    assert np.argwhere(mask).min(axis=0).tolist() == [10, 10]
    assert abs(int(mask.sum()) - one["area"]) <= 2 * 30
    assert one["bbox"] == [10, 10, 30, 30]
    assert coco.annToMask(two).sum() > mask.sum()
    (human,) = coco.loadAnns(coco.getAnnIds(catIds=[person]))
    assert (human["keypoints"], human["num_keypoints"]) == (points, 2)
    (category,) = coco.loadCats([person])
    assert category["keypoints"] == labels["keypoint_labels"]
    assert category["skeleton"] == labels["keypoint_edges"]
    assert len(human["keypoints"]) == 3 * len(category["keypoints"])
    whole = read(admin, dataset, tmp_path / "whole.json", with_empty_images="true")
    assert whole.getImgIds() == [first, second, third]
    part = read(admin, dataset, tmp_path / "part.json", folder="a", id__gt=first)
    assert part.getImgIds() == [second]
    assert [one["image_id"] for one in part.loadAnns(part.getAnnIds())] == [second]
