"""Scans of a real server: filters, resuming, what is new, and proxies that get in the way."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

import coir
from client.misbehaving import DATA, Asked, Misbehaving, Reply, listing
from client.misbehaving import json as answer
from client.serving import Scene, Serving, serving
from coir.errors import IncompleteScan, InvalidRequest
from coir.scan import Filter, Scan
from coir.scan.pace import Pace
from server.running import created, picture, scanned

from .proxy import Proxy


@pytest.fixture
def birds(scene: Scene) -> Iterator[coir.Dataset]:
    """The dataset `birds`, as its owner reaches it."""
    with coir.connect(scene.url, username="admin", password="admin-pw") as server:
        yield server.dataset("birds")


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a few rows, so that a small dataset has many."""
    monkeypatch.setattr("coir.scan.pace.MOST_ROWS", 7)
    monkeypatch.setattr("coir.scan.pace.FEWEST_ROWS", 3)
    monkeypatch.setattr("coir.scan.window_plan.Pace", partial(Pace, rows=5))


def through(proxy: Proxy) -> coir.Server:
    """Connect through a proxy."""
    return coir.connect(proxy.url, username="admin", password="admin-pw")


def test_ids_images_batches_first_and_count_agree(
    scene: Scene, birds: coir.Dataset, small_windows: None
) -> None:
    """[S1] [S2] [W2] Every way of reading gives the same images, ascending."""
    scan = Scan(birds)
    assert scan.ids().tolist() == scene.ids
    assert scan.certificate.verdict is coir.Verdict.COMPLETE
    assert [image.id for image in scan] == scene.ids
    assert scan.certificate.windows > 5
    batches = list(scan.batches(9))
    assert [image.id for batch in batches for image in batch] == scene.ids
    assert {len(batch) for batch in batches[:-1]} == {9}
    assert [image.id for image in scan.first(3)] == scene.ids[:3]
    assert scan.count() == len(scene.ids)
    assert scan.newest() == scene.ids[-1]
    assert scan.table()["id"].to_pylist() == scene.ids
    assert scan.table().column_names[:2] == ["id", "file_name"]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_at_least_one(birds: coir.Dataset, size: int) -> None:
    """A size that makes no sense is refused; the first none are none."""
    with pytest.raises(InvalidRequest):
        next(Scan(birds).batches(size))
    assert Scan(birds).first(max(size, 0)) == []


def test_closing_early_leaves_no_thread(birds: coir.Dataset, small_windows: None) -> None:
    """An abandoned iteration ends its workers and gives no certificate."""
    scan = Scan(birds)
    before = threading.active_count()
    for image in scan:
        assert image.id
        break
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-"):
            thread.join(5)
    assert threading.active_count() <= before
    with pytest.raises(InvalidRequest):
        _ = scan.certificate


def test_leaving_the_block_ends_the_iteration(birds: coir.Dataset, small_windows: None) -> None:
    """As a context manager a scan ends what was left early."""
    with Scan(birds) as scan:
        images = iter(scan)
        assert next(images)
    with pytest.raises(StopIteration):
        next(images)


def test_the_two_scans_have_the_same_methods() -> None:
    """What one of the drivers can do, the other can."""
    names = [
        {name for name in dir(kind) if not name.startswith("_")} for kind in (Scan, coir.AsyncScan)
    ]
    assert names[0] == names[1]


def test_the_asynchronous_scan_gives_the_same(scene: Scene, small_windows: None) -> None:
    """Ids, images, batches, first and count, asynchronously."""

    async def read() -> None:
        async with await coir.connect_async(
            scene.url, username="admin", password="admin-pw"
        ) as server:
            scan = coir.AsyncScan(await server.dataset("birds"))
            assert (await scan.ids()).tolist() == scene.ids
            assert scan.certificate.verdict is coir.Verdict.COMPLETE
            assert [image.id async for image in scan] == scene.ids
            assert [len(batch) async for batch in scan.batches(50)] == [50, 30]
            assert [image.id for image in await scan.first(2)] == scene.ids[:2]
            assert await scan.first(0) == []
            assert await scan.newest() == scene.ids[-1]
            with coir.connect(scene.url, username="admin", password="admin-pw") as other:
                assert (await scan.table()).equals(Scan(other.dataset("birds")).table())
            async with scan:
                images = aiter(scan)
                assert (await anext(images)).id == scene.ids[0]
            with pytest.raises(StopAsyncIteration):
                await anext(images)
            assert await scan.count() == len(scene.ids)

    anyio.run(read)


@pytest.mark.parametrize("strip", [False, True])
def test_behind_a_proxy_that_strips_filters_pages_overlap(scene: Scene, strip: bool) -> None:
    """[O1] [O3] The fallback is taken where it is needed, and the certificate says so."""
    with Proxy(scene.url, strip=strip) as proxy, through(proxy) as server:
        scan = Scan(server.dataset("birds"))
        assert scan.ids().tolist() == scene.ids
        assert scan.certificate.verdict is coir.Verdict.COMPLETE
        assert scan.certificate.strategy == ("overlapping pages" if strip else "windows")
        day = Scan(server.dataset("birds"), Filter(name_contains="_00001"))
        expected = [i for i in scene.ids if i // 12 == 1]
        assert day.ids().tolist() == expected
        assert bool(day.certificate.checked_here) is strip


def test_a_snapshot_whose_filter_was_dropped_on_the_way_is_not_taken(scene: Scene) -> None:
    """[N1] [N2] A proxy that drops a filter unseen costs a fallback, not a wrong list."""
    with Proxy(scene.url, strip=True, original=False) as proxy, through(proxy) as server:
        whole = Scan(server.dataset("birds"))
        assert whole.ids().tolist() == scene.ids
        assert whole.certificate.strategy == "snapshot"
        some = Scan(server.dataset("birds"), Filter(name_contains="_00001"))
        assert some.ids().tolist() == [i for i in scene.ids if i // 12 == 1]
        assert some.certificate.strategy == "overlapping pages"
        assert some.certificate.requests == 1 + 1 + 2  # snapshot, a probe, page and count


def test_a_filter_that_a_stripping_proxy_makes_impossible_is_refused(scene: Scene) -> None:
    """[O3] A width cannot be read from the rows of a listing."""
    with Proxy(scene.url, strip=True) as proxy, through(proxy) as server:
        scan = Scan(server.dataset("birds"), Filter(min_width=10))
        with pytest.raises(InvalidRequest, match="width__gte"):
            scan.ids()


def test_answers_that_are_mangled_on_the_way_are_read_again(
    scene: Scene, small_windows: None, hurried: None
) -> None:
    """[L6] Cut, garbled, lost and doubled answers cost requests, not images."""
    chance = random.Random(4)

    def mangle(path: str, _params: dict[str, str], body: bytes) -> bytes | int | None:
        if not path.endswith("/data") or chance.random() > 0.3:
            return body
        kind = chance.choice(["cut", "html", "500", "reset", "fewer", "reversed"])
        answer = json.loads(body)
        match kind:
            case "cut":
                return body[: len(body) // 2]
            case "html":
                return b"<html><title>Log in</title></html>"
            case "500":
                return 500
            case "reset":
                return None
            case "fewer":
                answer["images"] = answer["images"][:-1]
            case _:
                answer["images"].reverse()
        return json.dumps(answer).encode()

    with Proxy(scene.url, tamper=mangle) as proxy, through(proxy) as server:
        # One after the other, so that the same answers are mangled in each run.
        scan = Scan(server.dataset("birds"), concurrency=1)
        assert scan.ids().tolist() == scene.ids
        assert scan.certificate.verdict is coir.Verdict.COMPLETE
        assert scan.certificate.findings
        assert scan.certificate.windows_reread


def test_a_window_that_never_comes_ends_the_scan_with_what_there_is(
    scene: Scene, small_windows: None, hurried: None
) -> None:
    """Incomplete is an error that carries the ids and the certificate."""
    bad = scene.ids[40]

    def break_one(path: str, params: dict[str, str], body: bytes) -> bytes | int | None:
        start, stop = int(params.get("id__gte", 0)), int(params.get("id__lt", 0))
        return 500 if 0 < start <= bad < stop else body

    with Proxy(scene.url, tamper=break_one) as proxy, through(proxy) as server:
        scan = Scan(server.dataset("birds"), concurrency=1)
        with pytest.raises(IncompleteScan) as caught:
            scan.ids()
    error = caught.value
    assert list(error.ids) == [i for i in scene.ids if i <= max(error.ids)]
    assert max(error.ids) < bad
    assert error.certificate.verdict is coir.Verdict.INCOMPLETE
    assert error.certificate.claims == ("S2",)


def test_an_interrupted_scan_goes_on_where_it_stopped(
    scene: Scene, birds: coir.Dataset, tmp_path: Path, small_windows: None
) -> None:
    """[R1] [R2] The readings of before are not asked for again, and the certificate covers all."""
    progress = tmp_path / "progress"
    images = iter(Scan(birds, resume=progress, concurrency=1))
    early = [next(images).id for _ in range(30)]
    images.close()  # type: ignore[attr-defined]
    lines = progress.read_bytes().splitlines(keepends=True)
    assert len(lines) > 3
    progress.write_bytes(b"".join(lines) + b'{"start": 5, "sto')
    again = Scan(birds, resume=progress, concurrency=1)
    whole = Scan(birds, concurrency=1)
    assert [image.id for image in again] == scene.ids == [image.id for image in whole]
    assert early == scene.ids[:30]
    assert again.certificate.ids_sha256 == whole.certificate.ids_sha256
    assert again.certificate.count == len(scene.ids)
    assert again.certificate.requests < whole.certificate.requests
    assert not progress.exists()


def test_a_progress_file_that_is_kept(
    birds: coir.Dataset, tmp_path: Path, small_windows: None
) -> None:
    """[R5] Another scan gives its rows without asking for one, until it is removed."""
    progress = tmp_path / "progress"
    first = Scan(birds, resume=progress, keep=True)
    rows = list(first)
    content = progress.read_bytes()
    again = Scan(birds, resume=progress, keep=True)
    assert list(again) == rows
    assert again.certificate.ids_sha256 == first.certificate.ids_sha256
    assert again.certificate.claims == first.certificate.claims
    assert again.certificate.requests == 2  # whether filters are obeyed, and the count at the end
    assert progress.read_bytes() == content
    assert list(Scan(birds, resume=progress)) == rows
    assert not progress.exists()


def test_progress_of_something_else_is_refused(
    birds: coir.Dataset, tmp_path: Path, small_windows: None
) -> None:
    """A file of another filter, another kind, or no progress at all is not overwritten."""
    progress = tmp_path / "progress"
    next(images := iter(Scan(birds, resume=progress)))
    images.close()  # type: ignore[attr-defined]
    kept = progress.read_bytes()
    for other in (
        Scan(birds, Filter(annotated=True), resume=progress),
        Scan(birds, resume=progress),
    ):
        with pytest.raises(InvalidRequest):
            other.ids()
    assert progress.read_bytes() == kept
    # [R4] A part that stands there twice.
    progress.write_bytes(kept + kept.splitlines(keepends=True)[-1])
    with pytest.raises(InvalidRequest, match="damaged"):
        next(iter(Scan(birds, resume=progress)))
    progress.write_text("a letter\n")
    with pytest.raises(InvalidRequest):
        Scan(birds, resume=progress).ids()
    assert progress.read_text() == "a letter\n"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Serving]:
    """A server of the test's own, which it may change."""
    with serving(tmp_path) as running:
        yield running


def test_what_is_new_since_a_certificate(own: Serving) -> None:
    """[R3] Only new ids come, also ones that appear late, and again nothing the next time."""
    dataset_id = created(own.user("admin"), "birds")
    own.fill([dataset_id] * 30)
    with coir.connect(own.url, username="admin", password="admin-pw") as server:
        birds = server.dataset("birds")
        before = Scan(birds)
        assert len(before.ids()) == 30
        own.fill([dataset_id] * 5)
        new = Scan(birds, since=before.certificate)
        assert new.ids().tolist() == [31, 32, 33, 34, 35]
        assert new.certificate.since == before.certificate.ids_sha256
        assert Scan(birds, since=new.certificate).ids().tolist() == []
        with pytest.raises(InvalidRequest):
            Scan(birds, Filter(annotated=True), since=before.certificate).ids()


def test_filters_mean_what_they_say(own: Serving) -> None:
    """Folders, names, sizes, annotations, categories and ids, against what is on the server."""
    admin = own.user("admin")
    dataset_id = created(admin, "cats", categories=["cat", "dog"])
    folder = own.directory("cats")
    for name, width in (("a/true.jpg", 40), ("a/b/x.jpg", 60), ("c.jpg", 80), ("d.jpg", 90)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(width, 30))
    scanned(admin, dataset_id)
    rows = admin.get("/api/image/?per_page=50").json()["images"]
    ids = {row["path"].removeprefix("/datasets/cats/"): row["id"] for row in rows}
    categories = {one["name"]: one["id"] for one in admin.get("/api/category/").json()}
    for name, category, times in (("c.jpg", "cat", 1), ("d.jpg", "dog", 2)):
        for _ in range(times):
            body = {"image_id": ids[name], "category_id": categories[category]}
            assert admin.post("/api/annotation/", json=body).status_code == 200
    expected = {
        Filter(folder="a"): {"a/true.jpg", "a/b/x.jpg"},
        Filter(name_contains="true"): {"a/true.jpg"},
        Filter(name_startswith="x"): {"a/b/x.jpg"},
        Filter(min_width=60, max_width=80): {"a/b/x.jpg", "c.jpg"},
        Filter(annotated=True): {"c.jpg", "d.jpg"},
        Filter(annotated=False): {"a/true.jpg", "a/b/x.jpg"},
        Filter(categories=("cat",)): {"c.jpg"},
        Filter(categories=("cat", categories["dog"])): {"c.jpg", "d.jpg"},
        Filter(min_annotations=2): {"d.jpg"},
        Filter(after_id=min(ids.values())): set(ids) - {min(ids, key=ids.__getitem__)},
        Filter().where("path__contains", "/b/"): {"a/b/x.jpg"},
    }
    with coir.connect(own.url, username="admin", password="admin-pw") as server:
        cats = server.dataset("cats")
        for where, names in expected.items():
            scan = Scan(cats, where)
            assert scan.ids().tolist() == sorted(ids[name] for name in names), where
            assert scan.certificate.verdict is coir.Verdict.COMPLETE
            assert ("S6" in scan.certificate.claims) is not bool(scan.certificate.checked_here)
            images = [image.id for image in scan]
            assert images == sorted(ids[name] for name in names), where
            assert ("S3" in scan.certificate.claims) is where.is_stable
        with pytest.raises(InvalidRequest, match="bird"):
            Scan(cats, Filter(categories=["bird"])).ids()


def test_no_more_requests_a_second_than_allowed(birds: coir.Dataset, small_windows: None) -> None:
    """A limit on the rate is kept."""
    scan = Scan(birds, max_rps=40)
    scan.ids()
    assert scan.certificate.seconds >= (scan.certificate.requests - 1) / 40 * 0.95


def _breaks_later(asked: Asked) -> Reply:
    if int(asked.params.get("id__gte", 0)) > 3000 and asked.params["limit"] != "1":
        return answer({"message": "Internal Server Error"}, 500)
    return listing(range(5, 18_000, 2))(asked)


def _read(url: str, size: int) -> tuple[list[int], int | None]:
    """Give the ids that came, and how many the certificate of a failed scan speaks of."""
    given: list[int] = []
    with coir.connect(url) as server:
        try:
            for batch in Scan(server.dataset("birds")).batches(size):
                given += [image.id for image in batch]
        except IncompleteScan as failed:
            return given, failed.certificate.count
    return given, None


async def _read_async(url: str, size: int) -> tuple[list[int], int | None]:
    given: list[int] = []
    async with await coir.connect_async(url) as server:
        try:
            async for batch in coir.AsyncScan(await server.dataset("birds")).batches(size):
                given += [image.id for image in batch]
        except IncompleteScan as failed:
            return given, failed.certificate.count
    return given, None


@pytest.mark.parametrize("size", [7, 100_000])
def test_a_failure_takes_no_image_along(size: int) -> None:
    """The images before a failure are given in a batch, however small, and then the error."""
    with Misbehaving({DATA: _breaks_later}) as server:
        runs = [_read(server.url, size), anyio.run(_read_async, server.url, size)]
    for given, count in runs:
        assert given == list(range(5, 5 + 2 * len(given), 2))
        assert count == len(given) > 0
