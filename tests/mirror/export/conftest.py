from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import coir
from client.serving import Serving, serving
from coir.mirror import Mirror
from server.running import created, uploaded

SQUARE = [10, 10, 40, 10, 40, 40, 10, 40]
HOLE = [20, 20, 20, 30, 30, 30, 30, 20]
APART = [60.5, 10, 80, 12.25, 70, 30]
POINTS = [12, 14, 2, 20, 30, 1, 0, 0, 0]
NAMES = ("a/1.jpg", "b/1.jpg", "a/ein Bild.jpg", "c/leer.jpg")


@dataclass
class Scene:
    """A server with a small dataset, and a mirror of it."""

    server: Serving
    dataset: int
    images: dict[str, int]
    categories: dict[str, int]
    home: Path

    def told(self) -> dict[str, Any]:
        """The dataset as the server's own COCO."""
        answer = self.server.user("admin").get(f"/api/dataset/{self.dataset}/coco")
        found: dict[str, Any] = answer.json()
        return found

    def synced(self, home: Path) -> Mirror:
        """A mirror of it in a folder."""
        with coir.connect(self.server.url, username="admin", password="admin-pw") as server:
            mirror = Mirror(home)
            mirror.sync(server.dataset("birds"))
        return mirror


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    with serving(folder) as running:
        admin = running.user("admin")
        labels = {"keypoint_labels": ["head", "hand", "foot"], "keypoint_edges": [[1, 2], [2, 3]]}
        assert admin.post("/api/category/", json={"name": "person", **labels}).status_code == 200
        dataset = created(admin, "birds", categories=["mug", "person"])
        categories = {one["name"]: one["id"] for one in admin.get("/api/category/").json()}
        images = {name: uploaded(admin, dataset, name).json() for name in NAMES}
        for name, category, more in (
            ("a/1.jpg", "mug", {"segmentation": [SQUARE]}),
            ("a/1.jpg", "mug", {"segmentation": [SQUARE, HOLE]}),
            ("b/1.jpg", "mug", {"segmentation": [SQUARE, APART]}),
            ("b/1.jpg", "person", {"segmentation": [SQUARE], "keypoints": POINTS}),
            ("a/ein Bild.jpg", "person", {"segmentation": [], "keypoints": POINTS}),
        ):
            given = {"image_id": images[name], "category_id": categories[category], **more}
            assert admin.post("/api/annotation/", json=given).status_code == 200
        found = Scene(running, dataset, images, categories, folder / "birds")
        found.synced(found.home).close()
        yield found


@pytest.fixture
def mirror(scene: Scene) -> Iterator[Mirror]:
    with Mirror(scene.home, create=False) as held:
        yield held
