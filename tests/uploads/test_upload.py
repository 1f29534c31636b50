"""Uploads to a real server, by both drivers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

import coir
from client.misbehaving import DATA, Asked, Fault, Misbehaving, Reply, json, listing
from client.serving import Serving, serving
from coir.uploads import UploadPhase
from server.databases import Place
from server.running import created, picture

Upload = Callable[..., coir.UploadReport]


@pytest.fixture(scope="module")
def place(database: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("uploads"), database) as running:
        yield running


ADMIN: Any = {"username": "admin", "password": "admin-pw"}


def _synchronously(
    url: str, dataset: str, *args: Any, known: Any = ADMIN, **kwargs: Any
) -> coir.UploadReport:
    with coir.connect(url, **known) as server:
        return coir.upload(server.dataset(dataset), *args, **kwargs)


def _asynchronously(backend: str) -> Upload:
    def upload(
        url: str, dataset: str, *args: Any, known: Any = ADMIN, **kwargs: Any
    ) -> coir.UploadReport:
        async def main() -> coir.UploadReport:
            async with await coir.connect_async(url, **known) as server:
                return await coir.upload_async(await server.dataset(dataset), *args, **kwargs)

        return anyio.run(main, backend=backend)

    return upload


WAYS = {
    "synchronous": _synchronously,
    "asyncio": _asynchronously("asyncio"),
    "trio": _asynchronously("trio"),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Upload:
    return WAYS[request.param]


@pytest.fixture
def dataset(place: Serving, request: pytest.FixtureRequest) -> str:
    """The name of a dataset of the test's own."""
    name = "".join(char if char.isalnum() else "-" for char in request.node.name)
    created(place.user("admin"), name)
    return name


def photos(folder: Path, *names: str) -> Path:
    """A folder with pictures of these names, no two of the same colour."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        color = f"#{number % 200:02}5060"
        (folder / name).write_bytes(picture(color=color))
    return folder


def paths(place: Serving, dataset: str) -> list[str]:
    """What is in a dataset, by path in it."""
    with coir.connect(place.url, username="admin", password="admin-pw") as server:
        scan = coir.Scan(server.dataset(dataset), fields=["path"])
        return sorted(str(row.path).removeprefix(f"/datasets/{dataset}/") for row in scan)


NAMES = ("a.jpg", "b.png", "north/a.jpg", "north/deep/ä ö.jpg", "south/a.jpg")


def test_all_and_again(place: Serving, dataset: str, way: Upload, tmp_path: Path) -> None:
    """All files arrive as they are in their folders; the second time there is nothing to do."""
    folder = photos(tmp_path / "photos", *NAMES)
    (folder / "notes.txt").touch()
    report = way(place.url, dataset, folder)
    assert [one.name for one in report.uploaded] == sorted(NAMES)
    assert (report.present, report.failed, report.untried) == ((), (), ())
    assert report.passed_over == 1
    assert paths(place, dataset) == sorted(NAMES)
    for name in NAMES:
        assert (place.directory(dataset) / name).read_bytes() == (folder / name).read_bytes()
    with coir.connect(place.url, username="admin", password="admin-pw") as server:
        ids = {one.image_id for one in report.uploaded}
        assert ids == set(coir.Scan(server.dataset(dataset)).ids())
    again = way(place.url, dataset, folder)
    assert (again.uploaded, again.present) == ((), tuple(sorted(NAMES)))
    photos(folder, "north/new.jpg")
    more = way(place.url, dataset, [folder, folder / "a.jpg"], concurrency=1)
    assert [one.name for one in more.uploaded] == ["north/new.jpg"]
    assert paths(place, dataset) == sorted([*NAMES, "north/new.jpg"])


def test_into(place: Serving, dataset: str, way: Upload, tmp_path: Path) -> None:
    """The same files below another folder of the dataset are other images."""
    folder = photos(tmp_path, "a.jpg")
    way(place.url, dataset, folder)
    assert len(way(place.url, dataset, str(folder), into="trip/one").uploaded) == 1
    assert paths(place, dataset) == ["a.jpg", "trip/one/a.jpg"]
    assert way(place.url, dataset, folder / "a.jpg", into="/trip/one/").present == (
        "trip/one/a.jpg",
    )


def test_refused(place: Serving, dataset: str, way: Upload, tmp_path: Path) -> None:
    """What the server refuses is told file by file, the others arrive, and there is an error."""
    folder = photos(tmp_path, "a.jpg", "deleted.jpg", 'q"uote.jpg', "z.jpg")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no picture")
    with (folder / "large.jpg").open("wb") as file:
        file.truncate(101 * 2**20)
    admin = place.user("admin")
    with coir.connect(place.url, username="admin", password="admin-pw") as server:
        gone = server.dataset(dataset).upload(folder / "deleted.jpg")
        server.images.delete(gone)
    told = []
    with pytest.raises(coir.IncompleteUpload, match="5 of 7 files") as raised:
        way(place.url, dataset, folder, watch=told.append)
    report = raised.value.report
    assert [one.name for one in report.uploaded] == ["a.jpg", "z.jpg"]
    said = {one.name: one.error.message for one in report.failed}
    assert said.keys() == {"deleted.jpg", "empty.jpg", "large.jpg", 'q"uote.jpg', "text.jpg"}
    assert "already" in said["deleted.jpg"]
    assert "picture" in said["text.jpg"]
    assert "larger" in said["large.jpg"]
    assert "cannot be sent" in said['q"uote.jpg']
    assert all(isinstance(one.error, coir.CoirError) for one in report.failed)
    sending = [one for one in told if one.phase is UploadPhase.SEND]
    assert [one.done for one in sending] == list(range(1, 8))
    assert {one.total for one in sending} == {7}
    assert admin.get("/api/dataset/").status_code == 200
    assert paths(place, dataset) == ["a.jpg", "z.jpg"]


def test_a_file_that_cannot_be_read(
    place: Serving, dataset: str, way: Upload, tmp_path: Path
) -> None:
    """A file that goes away meanwhile is told, and the others arrive."""
    folder = photos(tmp_path, "a.jpg", "b.jpg")

    def watch(now: coir.UploadProgress) -> None:
        if now.phase is UploadPhase.LOOK:
            (folder / "a.jpg").unlink(missing_ok=True)

    with pytest.raises(coir.IncompleteUpload) as raised:
        way(place.url, dataset, folder, watch=watch)
    (failed,) = raised.value.report.failed
    assert "a.jpg could not be read" in failed.error.message
    assert paths(place, dataset) == ["b.jpg"]


@pytest.mark.parametrize(
    ("given", "says"), [(["missing.jpg"], "is not there"), ([], "nothing"), (["."], "nothing")]
)
def test_nothing_is_sent(
    place: Serving, dataset: str, way: Upload, given: list[str], says: str, tmp_path: Path
) -> None:
    """What makes no sense is refused before anything is sent."""
    with pytest.raises(coir.InvalidRequest, match=says):
        way(place.url, dataset, [tmp_path / one for one in given])
    with pytest.raises(coir.InvalidRequest, match="at least 1"):
        way(place.url, dataset, given, concurrency=0)


def test_a_server_that_is_gone(tmp_path: Path, way: Upload) -> None:
    """A server that is gone is asked for a few files, and the others are named as not tried."""
    folder = photos(tmp_path, *(f"{number:02}.jpg" for number in range(30)))
    route = "POST /api/image/"
    with Misbehaving({DATA: listing([]), route: [json(1), Fault.RESET]}) as server:
        with pytest.raises(coir.IncompleteUpload) as raised:
            way(server.url, "birds", folder, concurrency=2)
        sent = server.count(route)
    report = raised.value.report
    assert (len(report.uploaded), len(report.failed)) == (1, sent - 1)
    # Of two at a time, one may end before the only success, and one when it is given up.
    assert 5 <= len(report.failed) <= 7
    assert len(report.untried) == 30 - sent


def test_a_token_that_may_only_read(
    place: Serving, dataset: str, way: Upload, tmp_path: Path
) -> None:
    """Who may not upload is told so once or a few times, not for each of many files."""
    folder = photos(tmp_path, *(f"{number:02}.jpg" for number in range(40)))
    made = place.user("admin").post("/api/user/tokens", json={"name": dataset, "scope": "read"})
    with pytest.raises(coir.IncompleteUpload) as raised:
        way(place.url, dataset, folder, known={"token": made.json()["token"]})
    report = raised.value.report
    assert all(isinstance(one.error, coir.PermissionDenied) for one in report.failed)
    assert 1 <= len(report.failed) <= 4
    assert len(report.untried) == 40 - len(report.failed)
    assert paths(place, dataset) == []


def test_a_server_like_the_original(place: Serving, dataset: str, tmp_path: Path) -> None:
    """Where the listing tells no paths, they are found by the list of all images."""
    folder = photos(tmp_path, "a.jpg", "north/a.jpg")
    with coir.connect(place.url, username="admin", password="admin-pw") as server:
        server.info = msgspec.structs.replace(server.info, coir=None)
        coir.upload(server.dataset(dataset), folder / "a.jpg", into="north")
        report = coir.upload(server.dataset(dataset), folder)
    assert [one.name for one in report.uploaded] == ["a.jpg"]
    assert report.present == ("north/a.jpg",)


def test_a_list_that_fails(way: Upload, tmp_path: Path) -> None:
    """When it cannot be told what is there, nothing is sent."""
    folder = photos(tmp_path, "a.jpg")
    with Misbehaving({DATA: [json({}, 500)]}) as server:
        with pytest.raises(coir.CoirError):
            way(server.url, "birds", folder)
        assert server.count("POST /api/image/") == 0


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_at_once_than_asked(concurrency: int, way: Upload, tmp_path: Path) -> None:
    """As many files are under way at the same time as asked for, and no more."""
    folder = photos(tmp_path, *(f"{number:02}.jpg" for number in range(12)))
    lock, under_way, most = threading.Lock(), 0, 0

    def slow(_: Asked) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return json(1)

    with Misbehaving({DATA: listing([]), "POST /api/image/": slow}) as server:
        report = way(server.url, "birds", folder, concurrency=concurrency)
    assert len(report.uploaded) == 12
    assert most == concurrency
