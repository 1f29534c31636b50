"""What was deleted: who may bring it back or remove it for good, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .databases import Place
from .running import Running, created, scanned, uploaded


@pytest.fixture(scope="module")
def own(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server in which nothing else is deleted."""
    running = Running(place.data(tmp_path_factory.mktemp("undo") / "data"))
    running.user("admin")
    yield running
    code, out, err = running.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err, err


@pytest.fixture(scope="module")
def admin(own: Running) -> httpx.Client:
    return own.user("admin")


@pytest.fixture(scope="module")
def bob(own: Running) -> httpx.Client:
    return own.user("bob")


def listed(client: httpx.Client, **query: Any) -> list[tuple[str, int]]:
    shown = client.get("/api/undo/list/", params=query).json()
    return [(one["instance"], one["id"]) for one in shown]


def asked(client: httpx.Client, method: str, kind: str, number: int) -> int:
    query = {"id": number, "instance": kind}
    return client.request(method, "/api/undo/", params=query).status_code


def test_deleted_things_come_back(admin: httpx.Client) -> None:
    """An annotation, an image, a category and a dataset that were deleted are listed, newest
    first, and are after undoing what they were, with all counters."""
    dataset = created(admin, "undone", categories=["undone"])
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    image = uploaded(admin, dataset, "x.jpg").json()
    given = {"image_id": image, "category_id": category}
    annotation = admin.post("/api/annotation/", json=given).json()["id"]
    page = f"/api/dataset/{dataset}/data"
    before = admin.get(page).json()
    things = [("annotation", annotation), ("image", image), ("category", category)]
    things.append(("dataset", dataset))
    for kind, number in things:
        assert admin.delete(f"/api/{kind}/{number}").status_code == 200
        assert listed(admin, type=kind) == [(kind, number)]
    # What lies in something deleted waits for that.
    assert listed(admin) == [things[3], things[2]]
    assert listed(admin, limit=1) == [things[3]]
    assert listed(admin, type="nothing") == []
    for kind, number in reversed(things):
        assert asked(admin, "POST", kind, number) == 200
        assert asked(admin, "POST", kind, number) == 400
    assert listed(admin) == []
    after = admin.get(page).json()
    assert {**after, "time_ms": 0} == {**before, "time_ms": 0}
    assert after["images"][0]["num_annotations"] == 1


def test_what_is_deleted_does_not_exist(own: Running, admin: httpx.Client) -> None:
    """A deleted annotation, and one of a deleted image or dataset, is neither read nor changed; no
    job begins in a deleted dataset; what is brought back keeps no moment of its deletion."""
    dataset = created(admin, "gone", categories=["gone"])
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    image = uploaded(admin, dataset, "x.jpg").json()
    given = {"image_id": image, "category_id": category}
    first, second = (admin.post("/api/annotation/", json=given).json()["id"] for _ in "12")
    with own.database() as database:
        asked_for = "SELECT deleted, deleted_date FROM {} WHERE id = {}"
        before = len(admin.get("/api/tasks/").json())
        for kind, number, hidden in [
            ("annotation", first, [first]),
            ("image", image, [first, second]),
            ("dataset", dataset, [first, second]),
        ]:
            assert admin.delete(f"/api/{kind}/{number}").status_code == 200
            for path in (f"/api/annotation/{one}" for one in hidden):
                answers = [admin.get(path), admin.put(path, json={"color": "#123456"})]
                assert [answer.status_code for answer in answers] == [400, 400], (kind, path)
                assert answers[0].json() == {"message": "Invalid annotation id"}
        for path in (f"/api/dataset/{dataset}/{word}" for word in ("scan", "export?categories=")):
            assert admin.get(path).status_code == 400
        file = {"coco": ("a.json", b"{}", "application/json")}
        assert admin.post(f"/api/dataset/{dataset}/coco", files=file).status_code == 400
        assert len(admin.get("/api/tasks/").json()) == before
        things = [("dataset", dataset), ("image", image), ("annotation", first)]
        for kind, number in things:
            assert asked(admin, "POST", kind, number) == 200
            row = database.execute(asked_for.format(f"{kind}s", number)).fetchone()
            assert (bool(row[0]), row[1]) == (False, None)
    assert admin.get(f"/api/annotation/{first}").json()["category_id"] == category


def test_nobody_undoes_what_others_deleted(admin: httpx.Client, bob: httpx.Client) -> None:
    """Of another's things nothing is listed, restored or removed; of a shared dataset only
    annotations are, and for good only one's own."""
    dataset = created(admin, "guarded", categories=["guarded"])
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    images = [uploaded(admin, dataset, f"{n}.jpg").json() for n in "ab"]
    annotation = admin.post("/api/annotation/", json={"image_id": images[0]}).json()["id"]
    admin.delete(f"/api/annotation/{annotation}")
    admin.delete(f"/api/image/{images[1]}")
    admin.delete(f"/api/category/{category}")
    things = [("annotation", annotation), ("image", images[1]), ("category", category)]
    assert sorted(listed(admin)) == sorted(things)
    assert listed(bob) == []
    for kind, number in things:
        assert [asked(bob, method, kind, number) for method in ("POST", "DELETE")] == [400, 400]
    admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
    assert listed(bob) == [things[0]]
    assert asked(bob, "DELETE", *things[0]) == 400
    for kind, number in things[1:]:
        assert [asked(bob, method, kind, number) for method in ("POST", "DELETE")] == [400, 400]
    assert asked(bob, "POST", *things[0]) == 200
    own = bob.post("/api/annotation/", json={"image_id": images[0]}).json()["id"]
    bob.delete(f"/api/annotation/{own}")
    assert asked(bob, "DELETE", "annotation", own) == 200
    admin.delete(f"/api/dataset/{dataset}")
    assert [asked(bob, method, "dataset", dataset) for method in ("POST", "DELETE")] == [400, 400]
    assert asked(admin, "DELETE", "dataset", dataset) == 200
    assert asked(admin, "DELETE", "category", category) == 200
    assert listed(admin) == []


def test_only_deleted_things_are_removed(own: Running, admin: httpx.Client) -> None:
    """What was not deleted cannot be removed for good."""
    dataset = created(admin, "alive", categories=["alive"])
    category = admin.get(f"/api/dataset/{dataset}/data").json()["categories"][0]["id"]
    image = uploaded(admin, dataset, "x.jpg").json()
    annotation = admin.post("/api/annotation/", json={"image_id": image}).json()["id"]
    for kind, number in [
        ("annotation", annotation),
        ("image", image),
        ("category", category),
        ("dataset", dataset),
    ]:
        assert asked(admin, "DELETE", kind, number) == 400
        assert asked(admin, "POST", kind, number) == 400
    assert (own.directory("alive") / "x.jpg").exists()
    assert admin.get(f"/api/annotation/{annotation}").status_code == 200
    admin.delete(f"/api/dataset/{dataset}")
    admin.delete(f"/api/category/{category}")
    assert asked(admin, "DELETE", "dataset", dataset) == 200
    assert asked(admin, "DELETE", "category", category) == 200


def test_a_removed_image_takes_its_file(own: Running, admin: httpx.Client) -> None:
    """An image that is removed for good is gone with its file and annotations: a scan does not
    bring it back. Where the file is a link, what it leads to stays."""
    dataset = created(admin, "files")
    image = uploaded(admin, dataset, "x.jpg").json()
    directory = own.directory("files")
    (directory / "link.jpg").symlink_to(directory / "x.jpg")
    scanned(admin, dataset)
    page = admin.get(f"/api/dataset/{dataset}/data?order=id").json()["images"]
    link = page[1]["id"]
    admin.post("/api/annotation/", json={"image_id": image})
    for number, left in ((link, ["x.jpg"]), (image, [])):
        assert admin.delete(f"/api/image/{number}").status_code == 200
        assert asked(admin, "DELETE", "image", number) == 200
        assert [file.name for file in directory.glob("*.jpg")] == left
    scanned(admin, dataset)
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 0
    with own.database() as database:
        asked_for = "SELECT count(*) FROM annotations WHERE image_id = ?"
        assert database.execute(asked_for, (image,)).fetchone() == (0,)
    admin.delete(f"/api/dataset/{dataset}")
    assert asked(admin, "DELETE", "dataset", dataset) == 200


def test_a_removed_dataset_leaves_nothing_to_the_next(own: Running, admin: httpx.Client) -> None:
    """A dataset of the name of one that was removed for good begins empty, whoever makes it; the
    old files lie aside."""
    bob = own.user("bob")
    dataset = created(bob, "again")
    image = uploaded(bob, dataset, "x.jpg").json()
    bob.post("/api/annotation/", json={"image_id": image})
    scanned(bob, dataset)
    bob.delete(f"/api/dataset/{dataset}")
    assert admin.post("/api/dataset/", json={"name": "again"}).status_code == 400
    assert asked(bob, "DELETE", "dataset", dataset) == 200
    new = created(admin, "again")
    assert new > dataset
    scanned(admin, new)
    assert admin.get(f"/api/dataset/{new}/data").json()["total"] == 0
    aside = own.data / "datasets" / ".removed" / str(dataset)
    assert [file.name for file in aside.iterdir()] == ["x.jpg"]
    with own.database() as database:
        for table in ("images", "annotations"):
            rows = database.execute(f"SELECT count(*) FROM {table} WHERE dataset_id=?", (dataset,))
            assert rows.fetchone() == (0,)


# What keeps a transaction from ending that removes a thing: its last step fails, and its files are
# then as those of a server that is killed there.
REFUSING = {
    "image": "CREATE TABLE held (it integer REFERENCES images (id) {})",
    "dataset": "CREATE TABLE held (it text REFERENCES datasets (name) {})",
}


def test_a_removal_that_does_not_end_takes_nothing(data: Path) -> None:
    """Files are put aside before a removal commits: where it does not, they come back with what
    is restored, and a removal that is tried again goes to its end."""
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "kept")
    image = uploaded(admin, dataset, "x.jpg").json()
    file = server.directory("kept") / "x.jpg"
    content = file.read_bytes()
    for kind, number, value in (("image", image, image), ("dataset", dataset, "kept")):
        admin.delete(f"/api/{kind}/{number}")
        with server.database() as database:
            database.execute(REFUSING[kind].format("DEFERRABLE INITIALLY DEFERRED"))
            database.execute("INSERT INTO held VALUES (?)", (value,))
        for _ in range(2):
            assert asked(admin, "DELETE", kind, number) == 500
            assert not file.exists()
        with server.database() as database:
            database.execute("DROP TABLE held")
        assert asked(admin, "POST", kind, number) == 200
        assert file.read_bytes() == content
    assert admin.get(f"/api/image/{image}").status_code == 200
    admin.delete(f"/api/image/{image}")
    assert asked(admin, "DELETE", "image", image) == 200
    assert list(server.directory("kept").iterdir()) == []
    server.end()


def test_what_lies_elsewhere_now_comes_back_without_a_file(
    own: Running, admin: httpx.Client, tmp_path: Path
) -> None:
    """An image is restored also where its folder is a link that leads out by now."""
    dataset = created(admin, "elsewhere")
    image = uploaded(admin, dataset, "a/x.jpg").json()
    admin.delete(f"/api/image/{image}")
    folder = own.directory("elsewhere") / "a"
    folder.rename(tmp_path / "a")
    folder.symlink_to(tmp_path / "a")
    assert asked(admin, "POST", "image", image) == 200
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 1
    assert (tmp_path / "a" / "x.jpg").exists()
    admin.delete(f"/api/dataset/{dataset}")
    assert asked(admin, "DELETE", "dataset", dataset) == 200


def test_a_deletion_without_a_moment_is_listed(own: Running, admin: httpx.Client) -> None:
    """What another program marked as deleted, and did not say when, is the oldest of all."""
    dataset = created(admin, "no moment")
    images = [uploaded(admin, dataset, f"{number}.jpg").json() for number in range(2)]
    for image in images:
        assert admin.delete(f"/api/image/{image}").status_code == 200
    with own.database() as database:
        database.execute("UPDATE images SET deleted_date = NULL WHERE id = ?", (images[1],))
    listed = admin.get("/api/undo/list/?type=image").json()
    assert [row["id"] for row in listed if row["id"] in images] == images
    assert listed[-1]["date"].startswith("1970-01-01")
    assert asked(admin, "POST", "image", images[1]) == 200


def test_a_category_in_use_is_not_removed(admin: httpx.Client) -> None:
    """A category that living annotations have stays; without them it leaves its datasets too."""
    dataset = created(admin, "in use", categories=["used", "unused"])
    used, unused = (
        one["id"] for one in admin.get(f"/api/dataset/{dataset}/data").json()["categories"]
    )
    image = uploaded(admin, dataset, "x.jpg").json()
    given = {"image_id": image, "category_id": used}
    annotation = admin.post("/api/annotation/", json=given).json()["id"]
    for category in (used, unused):
        admin.delete(f"/api/category/{category}")
    assert asked(admin, "DELETE", "category", unused) == 200
    assert asked(admin, "DELETE", "category", used) == 400
    admin.delete(f"/api/annotation/{annotation}")
    assert asked(admin, "DELETE", "category", used) == 200
    found = [one for one in admin.get("/api/dataset/").json() if one["id"] == dataset]
    assert found[0]["categories"] == []
    assert asked(admin, "POST", "annotation", annotation) == 200
    assert "category_id" not in admin.get(f"/api/annotation/{annotation}").json()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id": 1},
        {"instance": "image"},
        {"id": "x", "instance": "image"},
        {"id": 1, "instance": "user"},
    ],
)
def test_wrong_requests_are_refused(admin: httpx.Client, given: dict[str, object]) -> None:
    """A request that names nothing that can be undone is refused, wherever its parameters stand."""
    for method in ("POST", "DELETE"):
        assert admin.request(method, "/api/undo/", params=given).status_code == 400  # type: ignore[arg-type]
        assert admin.request(method, "/api/undo/", json=given).status_code == 400
