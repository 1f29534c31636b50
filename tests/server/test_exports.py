"""COCO files of datasets: complete, well formed, of one instant, in bounded memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coco.checking import problems

from .databases import Place
from .running import Running, completed, created, job_of, uploaded

SQUARE = [[10, 10, 40, 10, 40, 40, 10, 40]]
INSERT = (
    "INSERT INTO annotations (image_id, dataset_id, category_id, segmentation, area, bbox,"
    " iscrowd, isbbox, creator_id, keypoints, metadata, paper_object, milliseconds, events,"
    " created_at, deleted) SELECT ?, ?, ?, ?, 900, '[10, 10, 30, 30]', false, false, 1, '[]',"
    " '{}', '[]', 0, '[]', 0, false"
)


@pytest.fixture(scope="module")
def running(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of this module's own."""
    made = Running(place.data(tmp_path_factory.mktemp("exports") / "data"))
    yield made
    code, out, err = made.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err, err


@pytest.fixture(scope="module")
def admin(running: Running) -> httpx.Client:
    return running.user("admin")


@pytest.fixture(scope="module")
def bob(running: Running, admin: httpx.Client) -> httpx.Client:
    return running.user("bob")


@pytest.fixture(scope="module")
def scene(admin: httpx.Client) -> dict[str, Any]:
    """A dataset with outlines, keypoints, what is empty, deleted, or of other categories."""
    labels = {"keypoint_labels": ["head", "foot"], "keypoint_edges": [[1, 2]]}
    person = admin.post("/api/category/", json={"name": "person", **labels}).json()["id"]
    other = admin.post("/api/category/", json={"name": "used only"}).json()["id"]
    unused = admin.post("/api/category/", json={"name": "unused"}).json()["id"]
    gone = admin.post("/api/category/", json={"name": "gone"}).json()["id"]
    dataset = created(admin, "täglich", categories=["cat", "person"])
    cat = next(c["id"] for c in admin.get("/api/category/").json() if c["name"] == "cat")
    images = [
        uploaded(admin, dataset, f"{folder}x.jpg").json() for folder in ("", "a/", "b/", "c/")
    ]
    images += [uploaded(admin, dataset, f"{name}.jpg").json() for name in ("empty", "deleted")]

    def annotated(image: int, category: int | None, **more: Any) -> int:
        given = {"image_id": image, "category_id": category, **more}
        return int(admin.post("/api/annotation/", json=given).json()["id"])

    made = {
        "outline": annotated(images[0], cat, segmentation=SQUARE, metadata={"k": "“ü”\n"}),
        "points": annotated(images[1], person, keypoints=[1, 2, 2, 0, 0, 0]),
        "elsewhere": annotated(images[2], other, segmentation=SQUARE),
        "empty": annotated(images[3], cat),
        "none": annotated(images[0], None, segmentation=SQUARE),
        "gone": annotated(images[0], gone, segmentation=SQUARE),
        "deleted": annotated(images[0], cat, segmentation=SQUARE),
        "on deleted": annotated(images[5], cat, segmentation=SQUARE),
    }
    admin.delete(f"/api/annotation/{made['deleted']}")
    admin.delete(f"/api/image/{images[5]}")
    admin.delete(f"/api/category/{gone}")
    return {
        "dataset": dataset,
        "images": images,
        "cat": cat,
        "person": person,
        "other": other,
        "unused": unused,
        **made,
    }


def exported(client: httpx.Client, dataset: int, **query: Any) -> dict[str, Any]:
    """The file of a new export."""
    job, _ = job_of(client, client.get(f"/api/dataset/{dataset}/export", params=query))
    assert (job["errors"], job["progress"]) == (0, 100)
    newest = client.get(f"/api/dataset/{dataset}/exports").json()[0]["id"]
    return dict(client.get(f"/api/export/{newest}/download").json())


def ids(document: dict[str, Any], name: str) -> list[int]:
    return [one["id"] for one in document[name]]


def test_whole_dataset_in_one_answer(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """All that a program can read is there, and the images are those that the listing shows."""
    dataset = scene["dataset"]
    document = admin.get(f"/api/dataset/{dataset}/coco").json()
    assert problems(document) == []
    listed = admin.get(f"/api/dataset/{dataset}/data?annotated=true&order=id").json()["images"]
    assert ids(document, "images") == ids({"images": listed}, "images") == scene["images"][:4]
    assert ids(document, "categories") == sorted([scene["cat"], scene["person"], scene["other"]])
    wanted = [scene["outline"], scene["points"], scene["elsewhere"]]
    assert ids(document, "annotations") == wanted
    outline, points, _ = document["annotations"]
    assert (outline["segmentation"], outline["metadata"]) == (SQUARE, {"k": "“ü”\n"})
    assert "keypoints" not in outline
    assert "num_keypoints" not in outline
    assert (points["keypoints"], points["num_keypoints"]) == ([1, 2, 2, 0, 0, 0], 1)
    person = next(one for one in document["categories"] if one["id"] == scene["person"])
    assert (person["keypoints"], person["skeleton"]) == (["head", "foot"], [[1, 2]])
    assert all("paper_object" not in one for one in document["annotations"])


def test_head_of_a_whole_dataset_has_no_body(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """HEAD answers with the headers alone."""
    answer = admin.head(f"/api/dataset/{scene['dataset']}/coco")
    assert (answer.status_code, answer.content) == (200, b"")


def test_export_has_what_was_asked_for(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """All categories or some, with the images that have none or without."""
    dataset, images = scene["dataset"], scene["images"]
    every = exported(admin, dataset, categories="")
    assert problems(every) == []
    assert ids(every, "images") == images[:4]
    assert ids(every, "annotations") == [scene["outline"], scene["points"], scene["elsewhere"]]
    cats = exported(admin, dataset, categories=scene["cat"])
    assert problems(cats) == []
    assert (ids(cats, "images"), ids(cats, "categories")) == (
        [images[0], images[3]],
        [scene["cat"]],
    )
    assert ids(cats, "annotations") == [scene["outline"]]
    empty = exported(admin, dataset, categories=scene["person"], with_empty_images="true")
    assert problems(empty) == []
    assert ids(empty, "images") == images[:5]
    assert ids(empty, "annotations") == [scene["points"]]
    total = admin.get(f"/api/dataset/{dataset}/data").json()["total"]
    assert len(empty["images"]) == total


def test_log_says_what_was_left_out(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """The log counts what is in the file, and what is not."""
    job, lines = job_of(admin, admin.get(f"/api/dataset/{scene['dataset']}/export?categories="))
    assert "Done export 3 annotations and 4 images from täglich" in lines
    assert any(line.startswith("Leaving out 3 annotations") for line in lines)
    assert (job["errors"], job["warnings"]) == (0, 0)


def test_export_of_what_the_filters_select(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """The filters of the listing and its folders select the images, as in the listing."""
    dataset, images = scene["dataset"], scene["images"]
    for query, expected in (
        ({"folder": "a"}, [images[1]]),
        ({"folder": "/b/", "with_empty_images": "true"}, [images[2]]),
        ({"id__gt": images[0], "id__lt": images[3]}, images[1:3]),
        ({"annotated": "false", "with_empty_images": "true"}, [images[4]]),
        ({"file_name": "nothing"}, []),
    ):
        document = exported(admin, dataset, categories="", **query)
        assert ids(document, "images") == expected, query
        assert {one["image_id"] for one in document["annotations"]} <= set(expected)
        assert problems(document) == []
        filters = {name: text for name, text in query.items() if name != "with_empty_images"}
        page = admin.get(f"/api/dataset/{dataset}/data", params={"order": "id", **filters}).json()
        assert ids(page, "images") == expected


def test_export_is_checked_against_the_listing(
    running: Running, admin: httpx.Client, scene: dict[str, Any]
) -> None:
    """The log says whether the listing shows the same images; vanished files are counted."""
    path = f"/api/dataset/{scene['dataset']}/export?categories="
    _, lines = job_of(admin, admin.get(path))
    assert "Checked: the listing shows these 4 images" in lines
    with running.database() as database:
        changed = "UPDATE images SET annotated=?, vanished=? WHERE id=?"
        database.execute(changed, (False, True, scene["images"][0]))
        job, lines = job_of(admin, admin.get(path))
        database.execute(changed, (True, False, scene["images"][0]))
    assert job["warnings"] == 1
    assert "The listing shows 3 images, the file has 4" in lines
    assert "Files that have vanished: 1; their images and annotations are here" in lines


@pytest.mark.parametrize(
    "query",
    [
        "",
        "categories=x",
        "categories=99999",
        "categories=1&with_empty_images=maybe",
        "categories=&nosuch=1",
        "categories=&id__gt=x",
    ],
)
def test_what_is_no_export_is_refused(
    admin: httpx.Client, scene: dict[str, Any], query: str
) -> None:
    """Missing, unreadable or unknown parameters: 400 that says which, and no job."""
    before = admin.get("/api/tasks/").json()
    answer = admin.get(f"/api/dataset/{scene['dataset']}/export?{query}")
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) <= {"categories", "with_empty_images", "nosuch", "id__gt"}
    unused = f"/api/dataset/{scene['dataset']}/export?categories={scene['unused']}"
    assert admin.get(unused).status_code == 400
    assert admin.get("/api/tasks/").json() == before


def test_exports_that_differ_are_two(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """A second export while one waits is a job of its own: it may be of other categories."""
    path = f"/api/dataset/{scene['dataset']}/export?categories="
    tickets = [admin.get(f"{path}{one}").json()["id"] for one in (scene["cat"], scene["person"])]
    assert len(set(tickets)) == 2


def test_file_is_downloaded_and_deleted(
    running: Running, admin: httpx.Client, scene: dict[str, Any]
) -> None:
    """A download can be resumed and saved under a name; deleting removes the file."""
    dataset = scene["dataset"]
    exported(admin, dataset, categories="")
    newest = admin.get(f"/api/dataset/{dataset}/exports").json()[0]
    assert newest["tags"] == ["COCO", "person", "used only", "cat"]
    path = f"/api/export/{newest['id']}"
    whole = admin.get(f"{path}/download")
    assert "t%C3%A4glich-COCO" in whole.headers["content-disposition"]
    assert whole.headers["cache-control"].startswith("private")
    part = admin.get(f"{path}/download", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    stored = running.directory("täglich") / Path(admin.get(path).json()["path"]).relative_to(
        "/datasets/täglich"
    )
    assert stored.read_bytes() == whole.content
    assert str(running.data) not in admin.get(path).text
    assert admin.delete(path).json() == {"success": True}
    assert not stored.exists()
    for method, more in (("GET", ""), ("GET", "/download"), ("DELETE", "")):
        answer = admin.request(method, path + more)
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid export ID"})


def test_file_removed_by_hand_is_a_sentence(
    running: Running, admin: httpx.Client, scene: dict[str, Any]
) -> None:
    """An export whose file is gone says so, and can be deleted."""
    exported(admin, scene["dataset"], categories="")
    newest = admin.get(f"/api/dataset/{scene['dataset']}/exports").json()[0]["id"]
    for file in (running.directory("täglich") / ".exports").iterdir():
        file.unlink()
    answer = admin.get(f"/api/export/{newest}/download")
    assert (answer.status_code, "export again" in answer.json()["message"]) == (400, True)
    assert admin.delete(f"/api/export/{newest}").status_code == 200


def test_exports_are_for_those_who_manage_the_dataset(
    admin: httpx.Client, bob: httpx.Client, scene: dict[str, Any]
) -> None:
    """Others get the answer for what is not there; who shares the dataset, 403."""
    dataset = scene["dataset"]
    exported(admin, dataset, categories="")
    newest = admin.get(f"/api/dataset/{dataset}/exports").json()[0]["id"]
    of_dataset = ["coco", "export?categories=", "exports"]
    paths = [("GET", f"/api/dataset/{{}}/{one}", dataset) for one in of_dataset]
    paths += [("GET", "/api/export/{}", newest), ("GET", "/api/export/{}/download", newest)]
    paths += [("DELETE", "/api/export/{}", newest)]
    for method, path, number in paths:
        answers = [bob.request(method, path.format(one)) for one in (number, 10**9)]
        assert [answer.status_code for answer in answers] == [400, 400], path
        assert answers[0].content == answers[1].content
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    for method, path, number in paths:
        assert bob.request(method, path.format(number)).status_code == 403, path
    admin.post(f"/api/dataset/{dataset}/share", json={"users": []})
    assert admin.get(f"/api/export/{newest}").status_code == 200


def test_other_sites_cannot_start_exports(admin: httpx.Client, scene: dict[str, Any]) -> None:
    """The GET that starts a job refuses what a browser marks as coming from another site."""
    path = f"/api/dataset/{scene['dataset']}/export?categories="
    assert admin.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_dataset_without_its_directory(running: Running, admin: httpx.Client) -> None:
    """An export of a dataset whose directory is gone fails with a sentence, and keeps nothing."""
    dataset = created(admin, "no directory", categories=["cat"])
    running.directory("no directory").rmdir()
    job, lines = job_of(admin, admin.get(f"/api/dataset/{dataset}/export?categories="))
    assert job["errors"] == 1
    assert "nothing was kept" in lines[-1]
    assert admin.get(f"/api/dataset/{dataset}/exports").json() == []


def filled(running: Running, client: httpx.Client, name: str, number: int, points: int) -> int:
    """A dataset with one image and this many annotations of this many points."""
    dataset = created(client, name, categories=["cat"])
    image = uploaded(client, dataset, "x.jpg").json()
    (cat,) = next(d for d in client.get("/api/dataset/").json() if d["id"] == dataset)["categories"]
    ring = [n for k in range(points) for n in (k % 96 + 0.25, k * 7 % 64 + 0.5)]
    series = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number}) "
    with running.database() as database:
        values = (image, dataset, cat, json.dumps([ring]))
        database.execute(f"{series}{INSERT} FROM n", values)
        database.execute(
            "UPDATE images SET annotated=true, num_annotations=? WHERE id=?", (number, image)
        )
    return dataset


def resident(pid: int) -> int:
    """The most memory that the process has had, in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


@pytest.fixture(scope="module")
def large(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Running, int]:
    """A server with a dataset that takes a second to write."""
    running = Running(place.data(tmp_path_factory.mktemp("large") / "data"))
    return running, filled(running, running.user("admin"), "large", 8_000, 500)


def read_and_exported(client: httpx.Client, dataset: int) -> int:
    """Stream a dataset and export it; the bytes of the stream."""
    size = 0
    plain = {"Accept-Encoding": "identity"}
    with client.stream("GET", f"/api/dataset/{dataset}/coco", headers=plain) as answer:
        for piece in answer.iter_raw():
            size += len(piece)
    job, _ = job_of(client, client.get(f"/api/dataset/{dataset}/export?categories="))
    assert job["errors"] == 0
    return size


def test_memory_does_not_grow_with_the_dataset(large: tuple[Running, int]) -> None:
    """A file of forty megabytes is streamed and exported in a few more than a small one."""
    running, dataset = large
    admin = running.user("admin")
    read_and_exported(admin, filled(running, admin, "small", 100, 500))
    before = resident(running.pid)
    assert read_and_exported(admin, dataset) > 40_000_000
    assert resident(running.pid) - before < 20


@pytest.mark.slow
def test_memory_of_a_large_export(data: Path) -> None:
    """A tenth of a million annotations: the process stays where it was, below 300 MB."""
    running = Running(data)
    admin = running.user("admin")
    dataset = filled(running, admin, "crowded", 100_000, 20)
    before = resident(running.pid)
    job, lines = job_of(admin, admin.get(f"/api/dataset/{dataset}/export?categories="))
    assert job["errors"] == 0
    assert "Done export 100000 annotations and 1 images from crowded" in lines
    newest = admin.get(f"/api/dataset/{dataset}/exports").json()[0]["id"]
    plain = {"Accept-Encoding": "identity"}
    with admin.stream("GET", f"/api/export/{newest}/download", headers=plain) as answer:
        size = sum(len(piece) for piece in answer.iter_raw())
    assert size > 20_000_000
    assert resident(running.pid) < min(300, before + 40)
    running.end()


def test_killed_export_leaves_nothing(large: tuple[Running, int]) -> None:
    """A server killed while it writes keeps no half file: the job begins again and sweeps."""
    running, dataset = large
    admin = running.user("admin")
    before = admin.get(f"/api/dataset/{dataset}/exports").json()
    ticket = admin.get(f"/api/dataset/{dataset}/export?categories=").json()
    folder = running.directory("large") / ".exports"
    deadline = time.monotonic() + 20
    while not any(folder.glob(".coir-*")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    running.kill()
    assert len(list(folder.glob(".coir-*"))) == 1
    again = Running(running.data)
    admin = again.user("admin")
    exports = admin.get(f"/api/dataset/{dataset}/exports").json()
    assert [one["id"] for one in exports] == [one["id"] for one in before]
    again.lapse()
    job = next(job for job in completed(admin) if job["id"] == ticket["id"])
    assert job["errors"] == 0
    lines = admin.get(f"/api/tasks/{job['id']}/logs").json()["logs"]
    assert "attempt 2 of 3" in lines[0]
    assert len(list(folder.iterdir())) == len(before) + 1
    newest = max(folder.iterdir())
    assert newest.name.startswith("coco-")
    assert len(json.loads(newest.read_bytes())["annotations"]) == 8_000
    again.end()
