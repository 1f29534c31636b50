"""What images and datasets say about their annotations is right after each request."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .databases import POSTGRES, SQLITE, Place
from .running import Running, created, uploaded

OUTLINE = [[1, 1, 9, 1, 9, 9, 1, 9]]


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


class Counted:
    """A dataset with two images and two categories."""

    def __init__(self, server: Running, admin: httpx.Client, name: str) -> None:
        self.server, self.admin = server, admin
        self.dataset = created(admin, name, categories=[f"{name} cat", f"{name} dog"])
        page = admin.get(f"/api/dataset/{self.dataset}/data").json()
        self.cat, self.dog = (one["id"] for one in page["categories"])
        self.images = [int(uploaded(admin, self.dataset, f"{n}.jpg").json()) for n in "ab"]

    def posted(self, image: int, category: int | None) -> int:
        given = {"image_id": image, "category_id": category, "segmentation": OUTLINE}
        return int(self.done(self.admin.post("/api/annotation/", json=given)).json()["id"])

    def delete(self, kind: str, number: int) -> None:
        self.done(self.admin.delete(f"/api/{kind}/{number}"))

    def undo(self, kind: str, number: int) -> None:
        self.done(self.admin.post("/api/undo/", params={"id": number, "instance": kind}))

    def remove(self, kind: str, number: int) -> httpx.Response:
        return self.admin.delete("/api/undo/", params={"id": number, "instance": kind})

    def done(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 200, answer.text
        return answer

    def shown(self, image: int) -> tuple[bool, int, list[int]]:
        """What an image says; its filters find it by the same."""
        query = {"fields": "category_ids", "id": image}
        path = f"/api/dataset/{self.dataset}/data"
        (found,) = self.admin.get(path, params=query).json()["images"]
        listed = self.admin.get("/api/image/?per_page=10000").json()["images"]
        (same,) = (one for one in listed if one["id"] == image)
        for name in ("annotated", "num_annotations", "category_ids"):
            assert same[name] == found[name]
        for category in (self.cat, self.dog):
            asked = query | {"category_ids__in": f"{category}", "annotated": "true"}
            total = self.admin.get(path, params=asked).json()["total"]
            assert total == (category in found["category_ids"])
        return found["annotated"], found["num_annotations"], found["category_ids"]

    def of_dataset(self) -> tuple[int, int]:
        """How many images the dataset says that it has, and how many annotated ones."""
        listed = self.admin.get("/api/dataset/data?limit=1000").json()["datasets"]
        (found,) = (one for one in listed if one["id"] == self.dataset)
        return found["numberImages"], found["numberAnnotated"]

    def agrees(self) -> None:
        """Compare what is kept with what there is to count."""
        with self.server.database() as database:
            images = database.execute(
                "SELECT id, annotated, num_annotations, category_ids, deleted FROM images"
                " WHERE dataset_id = ? ORDER BY id",
                (self.dataset,),
            ).fetchall()
            living = database.execute(
                "SELECT image_id, category_id FROM annotations WHERE dataset_id = ?"
                " AND NOT deleted",
                (self.dataset,),
            ).fetchall()
            counts = database.execute(
                "SELECT num_images, num_annotated FROM datasets WHERE id = ?", (self.dataset,)
            ).fetchone()
        for image, annotated, number, kept, _ in images:
            there = [category for one, category in living if one == image]
            categories = sorted({category for category in there if category is not None})
            found = json.loads(kept) if isinstance(kept, str) else kept
            assert (bool(annotated), number, found) == (bool(there), len(there), categories)
        alive = [bool(annotated) for _, annotated, _, _, deleted in images if not deleted]
        assert tuple(counts) == (len(alive), sum(alive))


def test_counters_follow_each_deletion(server: Running, admin: httpx.Client) -> None:
    """annotated, num_annotations and category_ids are right after an annotation is made, given
    another category, deleted, restored or removed for good; so are the dataset's counts."""
    one = Counted(server, admin, "counted")
    image, cat, dog = one.images[0], one.cat, one.dog
    assert one.shown(image) == (False, 0, [])
    assert one.of_dataset() == (2, 0)
    given = (cat, dog, dog, None)
    first, second, third, plain = (one.posted(image, category) for category in given)
    assert one.shown(image) == (True, 4, [cat, dog])
    assert one.of_dataset() == (2, 1)

    one.delete("annotation", second)
    assert one.shown(image) == (True, 3, [cat, dog])
    one.delete("annotation", third)
    assert one.shown(image) == (True, 2, [cat])
    one.delete("annotation", third)
    assert one.shown(image) == (True, 2, [cat])
    one.undo("annotation", third)
    assert one.shown(image) == (True, 3, [cat, dog])
    one.done(one.remove("annotation", second))
    assert one.shown(image) == (True, 3, [cat, dog])
    one.done(admin.put(f"/api/annotation/{third}", json={"category_id": cat}))
    assert one.shown(image) == (True, 3, [cat])
    one.done(admin.put(f"/api/annotation/{third}", json={"color": "red"}))  # without a category
    one.delete("annotation", first)
    assert one.shown(image) == (True, 2, [])
    for number in (third, plain):
        one.delete("annotation", number)
    assert one.shown(image) == (False, 0, [])
    assert one.of_dataset() == (2, 0)
    one.undo("annotation", first)
    assert one.shown(image) == (True, 1, [cat])
    assert one.of_dataset() == (2, 1)


def test_counters_follow_categories_and_images(server: Running, admin: httpx.Client) -> None:
    """A category that is deleted stays with its annotations; one that is removed for good leaves
    nothing of its number, also when an annotation comes back. A deleted image counts nowhere,
    and all of it when it is back."""
    one = Counted(server, admin, "sorted out")
    (image, other), cat, dog = one.images, one.cat, one.dog
    kept, gone = one.posted(image, cat), one.posted(image, dog)
    one.posted(other, dog)
    one.delete("category", dog)
    assert one.shown(image) == (True, 2, [cat, dog])
    assert one.remove("category", dog).status_code == 400
    assert one.shown(image) == (True, 2, [cat, dog])

    assert one.of_dataset() == (2, 2)
    one.delete("image", other)
    assert one.of_dataset() == (1, 1)
    one.undo("image", other)
    assert one.of_dataset() == (2, 2)
    assert one.shown(other) == (True, 1, [dog])
    one.delete("image", other)
    one.done(one.remove("image", other))
    assert one.of_dataset() == (1, 1)

    one.delete("annotation", gone)
    one.done(one.remove("category", dog))
    assert one.shown(image) == (True, 1, [cat])
    one.undo("annotation", gone)
    assert one.shown(image) == (True, 2, [cat])
    one.delete("annotation", kept)
    assert one.shown(image) == (True, 1, [])

    one.delete("dataset", one.dataset)
    one.undo("dataset", one.dataset)
    assert one.shown(image) == (True, 1, [])
    assert one.of_dataset() == (1, 1)


BROKEN = {
    SQLITE: ("CREATE TRIGGER broken BEFORE UPDATE ON images BEGIN SELECT RAISE(ABORT, 'no'); END",),
    POSTGRES: (
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RAISE EXCEPTION ''no''; END'",
        "CREATE TRIGGER broken BEFORE UPDATE ON images EXECUTE FUNCTION broken()",
    ),
}


def test_what_cannot_be_counted_does_not_happen(place: Place, tmp_path: Path) -> None:
    """Counters are written in the transaction of what they count: where they cannot be, nothing
    is made, changed, copied, deleted or restored."""
    server = Running(place.data(tmp_path / "data"))
    admin = server.user("admin")
    one = Counted(server, admin, "broken")
    image, other = one.images
    kept, deleted = one.posted(image, one.cat), one.posted(image, one.dog)
    one.delete("annotation", deleted)

    def held() -> list[Any]:
        with server.database() as database:
            return [
                list(map(tuple, database.execute(f"SELECT * FROM {name} ORDER BY id").fetchall()))
                for name in ("annotations", "images")
            ]

    before = held()
    with server.database() as database:
        for statement in BROKEN[place.kind]:
            database.execute(statement)
    page = admin.get(f"/api/annotator/data/{image}").json()
    drawn = page["categories"][0]["annotations"][0] | {"color": "#00ff00", "sessions": []}
    saved = {"image": page["image"], "categories": [{"id": one.cat, "annotations": [drawn]}]}
    undo = {"id": deleted, "instance": "annotation"}
    for answer in (
        admin.post("/api/annotation/", json={"image_id": image, "segmentation": OUTLINE}),
        admin.put(f"/api/annotation/{kept}", json={"category_id": one.dog, "color": "#ff0000"}),
        admin.delete(f"/api/annotation/{kept}"),
        admin.post("/api/undo/", params=undo),
        admin.post(f"/api/image/copy/{image}/{other}/annotations", json={}),
        admin.post("/api/annotator/data", json=saved),
    ):
        assert answer.status_code == 500
        assert held() == before
    server.end()


def test_counters_are_right_in_any_order(server: Running, admin: httpx.Client) -> None:
    """After each of many requests in an order of chance, what is kept is what there is."""
    one = Counted(server, admin, "by chance")
    chance = random.Random(7)
    made = [one.posted(image, one.cat) for image in one.images]

    def given(**more: Any) -> dict[str, Any]:
        return {"json": {"category_id": chance.choice([one.cat, one.dog, None])} | more}

    def undone(kind: str, number: int) -> dict[str, Any]:
        return {"params": {"instance": kind, "id": number}}

    done: Counter[str] = Counter()
    for _ in range(120):
        (image, other), annotation = chance.sample(one.images, 2), chance.choice(made)
        requests = {
            "POST /api/annotation/": given(image_id=image),
            f"PUT /api/annotation/{annotation}": given(),
            f"DELETE /api/annotation/{annotation}": {},
            "POST /api/undo/": undone("annotation", annotation),
            "DELETE /api/undo/": undone("annotation", annotation),
            f"POST /api/image/copy/{image}/{other}/annotations": {"json": {}},
            f"DELETE /api/image/{image}": {},
            "POST /api/undo/?": undone("image", image),
        }  # the last one with a mark of its own, which tells the two in `done` apart
        asked = chance.choices(list(requests), [3, 2, 4, 4, 4, 3, 1, 4])[0]
        answer = admin.request(*asked.split(), **requests[asked])
        if answer.status_code == 200:
            done[re.sub(r"\d+", "", asked)] += 1
            if asked == "POST /api/annotation/":
                made = [*made[-5:], answer.json()["id"]]
        one.agrees()
    assert len(done) == 8
