"""COCO files into datasets: matched by path, reported, repeatable, whole or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coco.checking import problems
from coir.server.edge import MULTIPART_BYTES

from .databases import Place, Postgres
from .running import Running, completed, created, job_of, uploaded
from .serving import Serving

RING = [10, 10, 40, 10, 40, 40, 10, 40]
MASK = {"size": [64, 96], "counts": [64 * 10 + 10, 30, 64 * 86 - 40]}


@pytest.fixture(scope="module")
def running(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of this module's own."""
    made = Running(place.data(tmp_path_factory.mktemp("imports") / "data"))
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


@pytest.fixture
def dataset(admin: httpx.Client, request: pytest.FixtureRequest) -> int:
    """A dataset of four images, two with the same name."""
    made = created(admin, request.node.name[:80], categories=["cat"])
    for name in ("x.jpg", "a/x.jpg", "b/y.jpg", "b/z.jpg"):
        assert uploaded(admin, made, name).status_code == 200
    return made


def sent(
    client: httpx.Client, dataset: int, file: Any, route: str = "coco", **more: str
) -> httpx.Response:
    content = file if isinstance(file, bytes) else json.dumps(file).encode()
    files = {"coco": ("c.json", content, "application/json")}
    return client.post(f"/api/dataset/{dataset}/{route}", files=files, data=more)


def imported(
    client: httpx.Client, dataset: int, file: Any, **more: str
) -> tuple[dict[str, Any], str]:
    """The job of an import, and its log."""
    job, lines = job_of(client, sent(client, dataset, file, **more))
    return job, "\n".join(lines)


def ids(client: httpx.Client, dataset: int) -> dict[str, int]:
    """The ids of the images by path inside the dataset."""
    listed = client.get(f"/api/dataset/{dataset}/data?order=id&fields=path&limit=100").json()
    start = len(listed["dataset"]["directory"])
    return {image["path"][start:]: image["id"] for image in listed["images"]}


def whole(client: httpx.Client, dataset: int) -> dict[str, Any]:
    document = dict(client.get(f"/api/dataset/{dataset}/coco").json())
    assert problems(document) == []
    return document


def file_of(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A file of the images and a category, with annotations on image 1 unless they say else."""
    names = ("x.jpg", "a/x.jpg", "b/y.jpg", "b/z.jpg")
    return {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names, start=1)],
        "categories": [{"id": 90, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 90} | one
            for n, one in enumerate(annotations, start=1)
        ],
    } | more


def test_annotations_land_on_their_images(admin: httpx.Client, dataset: int) -> None:
    """Equal names in different folders are kept apart, and the images' counters follow."""
    shapes = [[[n, 1, n + 9, 1, n + 9, 9]] for n in range(4)]
    file = file_of(*({"image_id": n + 1, "segmentation": shapes[n]} for n in range(4)))
    job, log = imported(admin, dataset, file)
    assert (job["errors"], job["warnings"]) == (0, 0)
    assert "4 of 4 images found, 0 of them by their file name alone" in log
    assert "4 annotations new, 0 there already, 0 restored, 0 left out" in log
    places = {image: path for path, image in ids(admin, dataset).items()}
    document = whole(admin, dataset)
    landed = {places[one["image_id"]]: one["segmentation"] for one in document["annotations"]}
    assert landed == dict(zip(("x.jpg", "a/x.jpg", "b/y.jpg", "b/z.jpg"), shapes, strict=True))
    page = admin.get(f"/api/dataset/{dataset}/data?annotated=true").json()
    assert page["total"] == 4
    assert {image["num_annotations"] for image in page["images"]} == {1}


def test_nothing_is_lost(admin: httpx.Client, dataset: int) -> None:
    """Outlines, masks, crowds, boxes and keypoints come out as they went in."""
    text = {"size": [64, 96], "counts": "ZV2"}  # another program's: refused, its runs do not fit
    file = file_of(
        {"segmentation": [RING], "area": 899.5, "bbox": [9, 9, 31, 31.5], "color": "#123456"},
        {"segmentation": MASK, "iscrowd": 1, "metadata": {"from": "mask"}},
        {"bbox": [1.5, 2, 3, 4]},
        {"keypoints": [1, 2, 2, 0, 0, 0], "bbox": [1, 2, 3, 4], "area": 5},
        {"segmentation": text},
    )
    job, log = imported(admin, dataset, file)
    assert (job["errors"], job["warnings"]) == (0, 1)
    assert "Left out annotation 5: a mask that cannot be read" in log
    outline, mask, box, points = whole(admin, dataset)["annotations"]
    assert (outline["segmentation"], outline["area"]) == ([RING], 899.5)
    assert (outline["bbox"], outline["color"]) == ([9, 9, 31, 31.5], "#123456")
    assert (mask["segmentation"], mask["iscrowd"], mask["area"]) == (MASK, True, 30)
    assert (mask["bbox"], mask["metadata"]) == ([10, 10, 1, 30], {"from": "mask"})
    assert (box["bbox"], box["isbbox"], box["area"]) == ([1.5, 2, 3, 4], True, 12)
    assert box["segmentation"] == [[1.5, 2, 4.5, 2, 4.5, 6, 1.5, 6]]
    assert (points["keypoints"], points["num_keypoints"]) == ([1, 2, 2, 0, 0, 0], 1)
    assert (points["segmentation"], points["bbox"], points["area"]) == ([], [1, 2, 3, 4], 5)


def test_repeating_changes_nothing(admin: httpx.Client, dataset: int) -> None:
    """The same file again adds nothing, also when it holds the same shape twice."""
    file = file_of({"segmentation": [RING]}, {"segmentation": [RING]}, {"bbox": [1, 2, 3, 4]})
    imported(admin, dataset, file)
    before = whole(admin, dataset)
    assert len(before["annotations"]) == 3
    _, log = imported(admin, dataset, file)
    assert "0 annotations new, 3 there already, 0 restored, 0 left out" in log
    assert whole(admin, dataset) == before
    floats = json.dumps(file).replace("10,", "10.0,").encode()
    assert "0 annotations new, 3 there already" in imported(admin, dataset, floats)[1]


def test_equal_shapes_are_counted(admin: httpx.Client, dataset: int) -> None:
    """Of three equal annotations in the file two that are there leave one; living ones go first."""
    two = file_of(*[{"segmentation": [RING]}] * 2)
    imported(admin, dataset, two)
    first, second = (one["id"] for one in whole(admin, dataset)["annotations"])
    _, log = imported(admin, dataset, file_of(*[{"segmentation": [RING]}] * 3))
    assert "1 annotations new, 2 there already, 0 restored, 0 left out" in log
    admin.delete(f"/api/annotation/{first}")
    _, log = imported(admin, dataset, two)
    assert "0 annotations new, 2 there already, 0 restored, 0 left out" in log
    assert whole(admin, dataset)["annotations"][0]["id"] == second


def test_deleted_annotations_come_back(admin: httpx.Client, dataset: int) -> None:
    """What was deleted and is in the file is restored, not made anew."""
    file = file_of({"segmentation": [RING]}, {"segmentation": [[1, 1, 9, 1, 9, 9]]})
    imported(admin, dataset, file)
    before = whole(admin, dataset)
    admin.delete(f"/api/annotation/{before['annotations'][0]['id']}")
    _, log = imported(admin, dataset, file)
    assert "0 annotations new, 1 there already, 1 restored, 0 left out" in log
    assert whole(admin, dataset) == before


def test_export_is_imported_again(admin: httpx.Client, dataset: int) -> None:
    """An export of one dataset fills another of the same files, whatever it is called."""
    labels = {"keypoints": ["head", "foot"], "skeleton": [[1, 2]], "color": "#00ff00"}
    file = file_of(
        {"segmentation": [RING], "metadata": {"k": "v"}},
        {"segmentation": MASK, "iscrowd": True, "image_id": 2},
        {"keypoints": [1, 2, 2, 3, 4, 1], "image_id": 3, "category_id": 91},
        categories=[{"id": 90, "name": "cat"}, {"id": 91, "name": "exported person", **labels}],
    )
    assert imported(admin, dataset, file)[0]["warnings"] == 1
    ticket = admin.get(f"/api/dataset/{dataset}/export?categories=&with_empty_images=true")
    job_of(admin, ticket)
    newest = admin.get(f"/api/dataset/{dataset}/exports").json()[0]["id"]
    export = admin.get(f"/api/export/{newest}/download").content
    other = created(admin, "imported again")
    for name in ("b/z.jpg", "b/y.jpg", "a/x.jpg", "x.jpg"):
        uploaded(admin, other, name)
    job, log = imported(admin, other, export)
    assert (job["errors"], job["warnings"]) == (0, 0), log
    assert "4 of 4 images found, 0 of them by their file name alone" in log
    paths = [{i: p for p, i in ids(admin, one).items()} for one in (dataset, other)]
    documents = [whole(admin, one) for one in (dataset, other)]
    first, second = (
        sorted(
            (
                {**one, "image_id": path[one["image_id"]], "id": 0, "dataset_id": 0}
                for one in document["annotations"]
            ),
            key=lambda one: one["image_id"],
        )
        for path, document in zip(paths, documents, strict=True)
    )
    assert first == second
    assert documents[0]["categories"] == documents[1]["categories"]
    assert documents[1]["categories"][1]["skeleton"] == [[1, 2]]
    listed = next(one for one in admin.get("/api/dataset/").json() if one["id"] == other)
    assert sorted(listed["categories"]) == [c["id"] for c in documents[1]["categories"]]


def test_dry_run_writes_nothing(running: Running, admin: httpx.Client, dataset: int) -> None:
    """The report is that of the import, and neither annotations nor categories appear."""
    file = file_of(
        {"segmentation": [RING]},
        {"segmentation": [RING], "category_id": 91},
        {"image_id": 99},
        categories=[{"id": 90, "name": "cat"}, {"id": 91, "name": "dry"}],
    )

    def tables() -> list[Any]:
        with running.database() as database:
            names = ("annotations", "categories", "datasets", "images", "exports")
            return [database.execute(f"SELECT * FROM {name}").fetchall() for name in names]

    before = tables()
    job, dry = imported(admin, dataset, file, dry_run="true")
    assert tables() == before
    assert dry.endswith("A dry run: nothing was written.")
    real, wet = imported(admin, dataset, file)
    assert dry.splitlines()[:-1] == wet.splitlines()
    assert (job["errors"], job["warnings"]) == (real["errors"], real["warnings"]) == (0, 2)
    assert "dry category not found (creating a new one)" in wet
    assert len(whole(admin, dataset)["annotations"]) == 2
    assert sent(admin, dataset, file, dry_run="maybe").status_code == 400


def test_report_names_what_was_left_out(admin: httpx.Client, dataset: int) -> None:
    """Each image and annotation that is not imported is in the log with its reason."""
    file = file_of(
        {"image_id": 1, "segmentation": [RING]},
        {"image_id": 2, "segmentation": [RING]},
        {"image_id": 3, "segmentation": [RING]},
        {"image_id": 4, "segmentation": [RING]},
        {"image_id": 4, "category_id": 5, "segmentation": [RING]},
        {"image_id": 4, "category_id": None, "segmentation": [RING]},
        {"image_id": 4, "segmentation": [[1, 2, 3, 4]]},
        {"image_id": 4},
        images=[
            {"id": 1, "file_name": "nowhere.jpg"},
            {"id": 2, "file_name": "moved/x.jpg"},
            {"id": 3, "file_name": "y.jpg", "width": 9, "height": 9},
            {"id": 4, "file_name": "elsewhere/z.jpg"},
        ],
        categories=[
            {"id": 90, "name": "CAT"},
            {"id": 5, "name": "broken", "keypoints": ["a"], "skeleton": [[1, 2]]},
            {"id": 6, "name": ""},
        ],
    )
    job, log = imported(admin, dataset, file)
    assert (job["errors"], job["warnings"]) == (3, 9)
    assert "1 of 4 images found, 1 of them by their file name alone" in log
    assert "1 annotations new, 0 there already, 0 restored, 7 left out" in log
    for line in (
        "Could not find image nowhere.jpg",
        "Too many images found with the same file name: moved/x.jpg",
        "Image y.jpg is 9x9 in the file and 96x64 here: left out",
        "The category 'broken' cannot be made: [1, 2] joins no two of the 1 keypoints",
        "The category '' cannot be made",
        "Could not find image associated with annotation 1",
        "Could not find category associated with annotation 5",
        "Could not find category associated with annotation 6",
        "Left out annotation 7: a polygon with fewer than three points",
        "Left out annotation 8: neither outline, box nor keypoints",
    ):
        assert line in log, line


def test_log_does_not_grow_without_end(admin: httpx.Client, dataset: int) -> None:
    """Of a hundred thousand reasons a thousand are written and all are counted."""
    file = file_of(*[{"image_id": 99}] * 3000)
    job, log = imported(admin, dataset, file)
    assert job["warnings"] == 3000
    assert "… and 2000 more of the kind" in log
    assert len(log.splitlines()) < 1020


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"images": {}}',
        b'{"images": [{"id": 1}]}',
        b'{"annotations": [{"image_id": "x"}]}',
        b'{"images": [], "annotations": [{"image_id": 1}, 7]}',
        b'{"images": []} more',
    ],
)
@pytest.mark.parametrize("route", ["coco", "export"])
def test_malformed_files_are_refused(
    admin: httpx.Client, content: bytes, route: str, running: Running
) -> None:
    """What is no COCO file answers 400 with a sentence, and starts no job."""
    dataset = admin.post("/api/dataset/", json={"name": "malformed"}).json().get("id")
    if dataset is None:
        rows = admin.get("/api/dataset/").json()
        dataset = next(row["id"] for row in rows if row["name"] == "malformed")
    before = admin.get("/api/tasks/").json()
    answer = sent(admin, dataset, content, route)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("The file is ")
    assert admin.get("/api/tasks/").json() == before


def test_imports_are_for_those_who_see_the_dataset(
    admin: httpx.Client, bob: httpx.Client, dataset: int
) -> None:
    """Others get the answer for no dataset; who shares it may annotate, and so import."""
    file = file_of({"segmentation": [RING]})
    answers = [sent(bob, one, file) for one in (dataset, 10**9)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    job, _ = imported(bob, dataset, file)
    assert job["errors"] == 0
    assert whole(admin, dataset)["annotations"][0]["creator"] == "bob"


def test_new_annotations_begin_with_the_datasets_metadata(
    admin: httpx.Client, dataset: int
) -> None:
    """What the file says of an annotation goes over the dataset's default."""
    default = {"quality": "?", "seen": "no"}
    admin.post(f"/api/dataset/{dataset}", json={"default_annotation_metadata": default})
    imported(admin, dataset, file_of({"segmentation": [RING], "metadata": {"quality": "good"}}))
    (made,) = whole(admin, dataset)["annotations"]
    assert made["metadata"] == {"quality": "good", "seen": "no"}


def test_category_that_is_deleted_is_not_made_again(admin: httpx.Client, dataset: int) -> None:
    """A deleted category of one's own keeps its name: the log says what to do."""
    one = admin.post("/api/category/", json={"name": "thrown away"}).json()["id"]
    admin.delete(f"/api/category/{one}")
    file = file_of({"segmentation": [RING]}, categories=[{"id": 90, "name": "thrown away"}])
    job, log = imported(admin, dataset, file)
    assert (job["errors"], "restore it" in log) == (1, True)
    assert whole(admin, dataset)["annotations"] == []


def bytes_put_down(server: Running) -> int:
    """How much the database has written, committed or not."""
    if server.data not in Postgres.urls:
        return (server.data / "coir.db-wal").stat().st_size
    with server.database() as database:
        size: int = database.execute("SELECT pg_relation_size('annotations')").fetchone()[0]
    return size


def test_killed_import_writes_all_or_nothing(data: Path) -> None:
    """A server killed while an import is staged or moved shows no part of it; later all of it."""
    number = 20_000
    file = json.dumps(
        file_of(
            *({"bbox": [n % 90 + 0.5, n // 400 + 0.25, 3, 4]} for n in range(number)),
            categories=[{"id": 90, "name": "new one"}],
        )
    ).encode()

    server = Running(data)
    client = server.user("admin")
    dataset = created(client, "killed")
    for name in ("x.jpg", "a/x.jpg", "b/y.jpg", "b/z.jpg"):
        uploaded(client, dataset, name)
    before = bytes_put_down(server)
    ticket = sent(client, dataset, file).json()
    deadline = time.monotonic() + 30
    # What is written goes here before it is committed, once there is more of it than a cache holds.
    while bytes_put_down(server) < before + 1_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    server.kill()
    server = Running(data)
    client = server.user("admin")
    there = len(whole(client, dataset)["annotations"])
    assert there in (0, number)
    named = [one["name"] for one in client.get("/api/category/").json()]
    assert ("new one" in named) == (there == number)
    server.lapse()
    job = next(job for job in completed(client) if job["id"] == ticket["id"])
    assert job["errors"] == 0
    job, log = imported(client, dataset, file)
    assert f"0 annotations new, {number} there already" in log
    assert len(whole(client, dataset)["annotations"]) == number
    total = client.get(f"/api/dataset/{dataset}/data?annotated=true").json()["images"]
    assert [image["num_annotations"] for image in total] == [number]
    deadline = time.monotonic() + 10
    while any((data / "imports").iterdir()):  # swept once the job has ended
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with server.database() as database:
        for table in ("staged_annotations", "staged_categories"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    server.end()


@pytest.mark.parametrize("kind", ["image", "category"])
def test_what_is_deleted_meanwhile_gets_no_annotations(
    running: Running, admin: httpx.Client, dataset: int, kind: str
) -> None:
    """An import whose image or category is deleted while it is planned writes nothing."""
    boxes = [{"bbox": [n % 90 + 0.5, n // 400 + 0.25, 3, 4]} for n in range(20_000)]
    category = {"id": 90, "name": f"gone {kind}"}
    admin.post("/api/category/", json={"name": category["name"]})
    named = {one["name"]: one["id"] for one in admin.get("/api/category/").json()}
    gone = {"image": ids(admin, dataset)["x.jpg"], "category": named[category["name"]]}
    answer = sent(admin, dataset, file_of(*boxes, categories=[category]))
    deadline = time.monotonic() + 60
    with running.database() as database:
        while not database.execute("SELECT count(*) FROM staged_annotations").fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    assert admin.delete(f"/api/{kind}/{gone[kind]}").status_code == 200
    job, lines = job_of(admin, answer)
    assert job["errors"] == 1
    assert any(line.startswith("The dataset changed meanwhile") for line in lines), lines
    with running.database() as database:
        asked = "SELECT count(*) FROM annotations WHERE dataset_id = ?"
        assert database.execute(asked, (dataset,)).fetchone() == (0,)


def test_nobody_waits_for_what_an_import_leaves_behind(
    running: Running, admin: httpx.Client, dataset: int
) -> None:
    """What was staged goes quickly, also where PostgreSQL believes that hardly anything is."""
    boxes = [{"bbox": [n % 90 + 0.5, n // 400 + 0.25, 3, 4]} for n in range(20_000)]
    imported(admin, dataset, file_of(*boxes[:30]))
    asked = "SELECT count(*) FROM staged_annotations"
    deadline = time.monotonic() + 30
    with running.database() as database:
        while database.execute(asked).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        database.execute("ANALYZE")
        imported(admin, dataset, file_of(*boxes))
        deadline = time.monotonic() + 30
        while database.execute(asked).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_categories_that_one_cannot_see_are_not_found(
    admin: httpx.Client, bob: httpx.Client
) -> None:
    """An import does not tell that somebody else has a category of a name, nor use it."""
    admin.post("/api/category/", json={"name": "secret", "color": "#123456"})
    dataset = created(bob, "bobs")
    uploaded(bob, dataset, "x.jpg")
    file = file_of({"bbox": [1, 2, 3, 4]}, categories=[{"id": 90, "name": "secret"}])
    _, log = imported(bob, dataset, file)
    assert "secret category not found (creating a new one)" in log
    shown = bob.get("/api/category/").json()
    assert [one["creator"] for one in shown if one["name"] == "secret"] == ["bob"]
    _, log = imported(bob, dataset, file)
    assert "secret category found" in log


def test_a_file_above_the_limit_is_refused(data: Path) -> None:
    """A file larger than the setting is refused with 413, whether or not its length is told, and
    leaves nothing behind: no job, no file, no annotation. One below it is taken."""
    server = Serving(data, "--max-coco-bytes", "1000")
    admin = server.user("admin")
    dataset = created(admin, "limited", categories=["cat"])
    uploaded(admin, dataset, "x.jpg")
    small = json.dumps(file_of({"bbox": [1, 2, 3, 4]})).encode()
    assert len(small) < 1000
    large = small + b" " * 1000 + b" " * MULTIPART_BYTES
    file = {"coco": ("c.json", large, "application/json")}
    for route in ("coco", "export"):
        made = admin.build_request("POST", f"/api/dataset/{dataset}/{route}", files=file)
        pieces = iter([made.read()[:5000], made.read()[5000:]])
        told = {"Content-Type": made.headers["Content-Type"]}
        for answer in (admin.send(made), admin.post(made.url, content=pieces, headers=told)):
            assert answer.status_code == 413
            assert "larger" in answer.json()["message"]
        assert admin.get("/api/tasks/").json() == []
        assert list((data / "imports").iterdir()) == []
    assert whole(admin, dataset)["annotations"] == []
    job_of(admin, sent(admin, dataset, small))
    assert len(whole(admin, dataset)["annotations"]) == 1
    assert server.end()[0] == 0
