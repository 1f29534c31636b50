"""Listings that are incomplete, change while they are read, or reach a server without filters."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import coir
from client.serving import Serving
from coir import (
    DatasetNotFound,
    Filter,
    IncompleteScan,
    InvalidRequest,
    ServerFailed,
    SyncStopped,
    UnexpectedAnswer,
    Verdict,
)
from coir.mirror import Mirror, Options
from coir.scan.pace import Pace
from scan.proxy import Proxy, untouched

from .library import Library, painted
from .world import World, contents

NUMBERS = itertools.count(1)
ROWS = Options(images="none", recheck=0, concurrency=1)
QUICK = Options(images="none", recheck=0, concurrency=1, quick=True)


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a few rows, so that a small dataset has many."""
    monkeypatch.setattr("coir.scan.pace.MOST_ROWS", 7)
    monkeypatch.setattr("coir.scan.pace.FEWEST_ROWS", 3)
    monkeypatch.setattr("coir.scan.window_plan.Pace", partial(Pace, rows=5))


@pytest.fixture
def stage(running: Serving, tmp_path: Path) -> World:
    """A dataset of forty images without files, of which some are annotated."""
    made = World(running, tmp_path, f"listed {next(NUMBERS)}")
    made.ids = running.fill([made.dataset] * 40)[made.dataset]
    for image_id in made.ids[::8]:
        made.annotate(image_id, made.own_categories[0])
    return made


class Way:
    """A mirror, and how its server is reached: by a proxy that a test tells what to do."""

    def __init__(self, stage: World, proxy: Proxy, dataset: coir.Dataset, mirror: Mirror) -> None:
        self.stage, self.proxy, self.dataset, self.mirror = stage, proxy, dataset, mirror

    def sync(self, options: Options = ROWS) -> coir.SyncReport:
        """Sync by reading a listing, also where there is a feed."""
        with self.mirror.database.write() as connection:
            connection.execute("UPDATE syncs SET cursor = 'none' WHERE cursor IS NOT NULL")
        return self.mirror.sync(self.dataset, options=options)

    @property
    def ids(self) -> set[int]:
        """The images that the mirror holds."""
        return {image.id for image in self.mirror.images()}

    def is_whole(self) -> bool:
        """Whether the mirror holds what one would that is made now."""
        where = self.mirror.settings.where
        with (
            self.stage.mirror(f"{self.mirror.path.name} now") as now,
            self.stage.reach() as dataset,
        ):
            now.sync(dataset, where, ROWS)
            return contents(now) == contents(self.mirror)


@pytest.fixture(params=[False, True], ids=["own", "original"])
def way(stage: World, request: pytest.FixtureRequest) -> Iterator[Way]:
    """A mirror that was synced once."""
    who = {"username": "admin", "password": "admin-pw"}
    with (
        Proxy(stage.running.url, original=request.param) as proxy,
        coir.connect(proxy.url, **who) as server,
        stage.mirror("m") as mirror,
    ):
        mirror.sync(server.dataset(stage.dataset), options=ROWS)
        way = Way(stage, proxy, server.dataset(stage.dataset), mirror)
        yield way


@pytest.mark.usefixtures("hurried", "small_windows")
def test_an_incomplete_listing_removes_nothing(way: Way) -> None:
    """Also not what is missing in the part that was read; afterwards the next sync goes on."""
    stage, before = way.stage, contents(way.mirror)

    def break_one(path: str, params: dict[str, str], body: bytes) -> bytes | int:
        start, stop = int(params.get("id__gte", 0)), int(params.get("id__lt", 0))
        return 500 if path.endswith("/data") and 0 < start <= stage.ids[20] < stop else body

    for gone in (3, 30):
        stage.delete("image", stage.ids[gone])
    way.proxy.tamper = break_one
    with pytest.raises(IncompleteScan, match=r"Only \d+ of 38 ids were retrieved"):
        way.sync()
    assert contents(way.mirror) == before
    way.proxy.tamper = untouched
    way.sync()
    assert way.ids == set(stage.ids) - {stage.ids[3], stage.ids[30]}
    assert way.is_whole()


def test_a_listing_that_a_guard_stopped(way: Way) -> None:
    """Once the server is put right, the next sync goes on with nothing of it."""
    stage = way.stage
    for gone in stage.ids[:30]:
        stage.delete("image", gone)
    for _ in range(2):
        with pytest.raises(SyncStopped, match="30 of 40 images would be removed"):
            way.sync()
    for gone in stage.ids[:30]:
        stage.restore("image", gone)
    way.sync()
    assert way.ids == set(stage.ids)
    assert way.is_whole()


@pytest.mark.usefixtures("hurried", "small_windows")
def test_a_plan_that_is_carried_out_behind_an_interrupted_listing(way: Way, tmp_path: Path) -> None:
    """What came by the plan does not go because the listing was begun before."""
    stage = way.stage

    def break_one(path: str, params: dict[str, str], body: bytes) -> bytes | int:
        start, stop = int(params.get("id__gte", 0)), int(params.get("id__lt", 0))
        return 500 if path.endswith("/data") and 0 < start <= stage.ids[20] < stop else body

    way.proxy.tamper = break_one
    with pytest.raises(IncompleteScan):
        way.sync()
    way.proxy.tamper = untouched
    assert (way.mirror.path / ".coir/listing").exists()
    new = stage.upload()
    plan = tmp_path / "plan.jsonl"
    way.mirror.write_plan(plan, way.dataset, options=ROWS)
    assert way.mirror.apply(plan, way.dataset, ROWS).counts.images_added == 1
    way.sync()
    assert new in way.ids
    assert {entry.counts.images_removed for entry in way.mirror.log()} == {0}
    assert way.is_whole()


@pytest.mark.usefixtures("small_windows")
def test_a_listing_that_changes_while_it_is_read(way: Way) -> None:
    """What it lacks is looked for again: what came back behind the reading stays, all the time."""
    stage = way.stage
    for gone in (5, 6, 30):
        stage.delete("image", stage.ids[gone])
    waiting = [stage.ids[20]]

    def work(path: str, params: dict[str, str], body: bytes) -> bytes:
        if (
            waiting
            and params.get("limit", "1") != "1"
            and int(params.get("id__gte", 0)) > waiting[0]
        ):
            waiting.clear()
            stage.restore("image", stage.ids[5])
            stage.restore("image", stage.ids[6])
            stage.delete("image", stage.ids[10])
        return body

    way.proxy.tamper = work
    report = way.sync()
    assert report.certificate is not None
    assert report.certificate.verdict is Verdict.CHANGED
    assert report.counts.images_removed == 1
    assert way.ids == set(stage.ids) - {stage.ids[30]}
    assert way.sync().counts.images_removed == 1
    assert way.is_whole()


def test_a_proxy_that_strips_filters(way: Way) -> None:
    """New images come, and what is gone goes, since the server says so of each."""
    stage = way.stage
    way.proxy.strip = True
    new = stage.upload()
    for gone in (3, 30):
        stage.delete("image", stage.ids[gone])
    counts = way.sync().counts
    assert (counts.images_added, counts.images_removed) == (1, 2)
    assert counts.images_unchanged == 38
    assert way.ids == {*stage.ids, new} - {stage.ids[3], stage.ids[30]}
    assert way.sync().counts.images_removed == 0
    assert way.is_whole()


def test_what_a_page_lost_behind_a_proxy_that_strips_filters(way: Way) -> None:
    """What only the listing lacks stays, also where it changed."""
    stage = way.stage
    way.proxy.strip = True
    lost = stage.ids[3:6]
    stage.annotate(lost[1], stage.own_categories[0])

    def lose(path: str, _: dict[str, str], body: bytes) -> bytes:
        if not path.endswith("/data") or "annotator" in path:
            return body
        page = json.loads(body)
        page["images"] = [one for one in page["images"] if one["id"] not in lost]
        return json.dumps({**page, "total": page["total"] - len(lost)}).encode()

    way.proxy.tamper = lose
    counts = way.sync().counts
    assert (counts.images_removed, counts.images_changed, counts.images_unchanged) == (0, 1, 39)
    way.proxy.tamper = untouched
    assert way.is_whole()


@pytest.mark.parametrize(
    ("answer", "error"),
    [(404, UnexpectedAnswer), (b"<html></html>", UnexpectedAnswer), (500, ServerFailed)],
)
def test_an_image_of_which_the_server_says_nothing(
    way: Way, answer: bytes | int, error: type[Exception]
) -> None:
    """Behind a proxy that strips filters, too, only the server's own word removes an image."""
    way.proxy.strip = True
    way.stage.delete("image", way.stage.ids[3])
    way.stage.upload()
    before = contents(way.mirror)
    way.proxy.tamper = lambda path, _, body: answer if "/annotator/data/" in path else body
    with pytest.raises(error):
        way.sync()
    assert contents(way.mirror) == before


def test_a_dataset_that_vanishes_behind_a_proxy_that_strips_filters(way: Way) -> None:
    """Images of a dataset that may not be seen any more are refused in the same words."""
    way.proxy.strip = True
    way.stage.delete("image", way.stage.ids[3])
    before = contents(way.mirror)
    gone: list[int] = []

    def vanish(path: str, _: dict[str, str], body: bytes) -> bytes:
        if path.endswith("/dataset/") and gone:
            return b"[]"
        gone.extend([1] if "/annotator/data/" in path else [])
        return body

    way.proxy.tamper = vanish
    with pytest.raises(DatasetNotFound):
        way.sync()
    assert contents(way.mirror) == before


def test_a_quick_sync_behind_a_proxy_that_strips_filters(way: Way) -> None:
    """Answers about everything in the place of those about ranges are not believed."""
    stage = way.stage
    if not way.proxy.original:
        pytest.skip("there is no quick sync where there is a feed")
    for gone in (3, 30):
        stage.delete("image", stage.ids[gone])
    stage.upload()
    before = contents(way.mirror)
    way.proxy.strip = True
    with pytest.raises(UnexpectedAnswer, match="does not add up"):
        way.sync(QUICK)
    assert contents(way.mirror) == before
    way.proxy.strip = False
    way.sync()
    assert way.is_whole()


def test_an_image_that_goes_meanwhile_behind_a_proxy_that_strips_filters(way: Way) -> None:
    """Annotations that cannot be fetched are no trouble where the server says that it went."""
    stage = way.stage
    if not way.proxy.original:
        pytest.skip("the own server gives the annotations of many images at once")
    way.proxy.strip = True
    new = stage.upload()
    stage.annotate(new, stage.own_categories[0])

    def go(path: str, _: dict[str, str], body: bytes) -> bytes | int:
        if path != f"/api/image/{new}/coco":
            return body
        stage.delete("image", new)
        return 500

    way.proxy.tamper = go
    assert way.sync().counts.images_failed == 0
    way.proxy.tamper = untouched
    assert way.sync().counts.images_removed == 1


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
def test_a_mirror_of_a_part_behind_a_proxy_that_strips_filters(stage: World, plain: bool) -> None:
    """What no row shows is refused, and what one shows is looked for in the rows."""
    cats = Filter(categories=(f"{stage.name} cat",))
    annotated = Filter(annotated=True)
    who = {"username": "admin", "password": "admin-pw"}
    with (
        Proxy(stage.running.url, original=plain) as proxy,
        coir.connect(proxy.url, **who) as server,
        stage.mirror("cats") as one,
        stage.mirror("annotated") as other,
    ):
        dataset = server.dataset(stage.dataset)
        for mirror, where in ((one, cats), (other, annotated)):
            assert mirror.sync(dataset, where, ROWS).counts.images_added == 5
        proxy.strip = True
        stage.annotate(stage.ids[1], stage.own_categories[0])
        stage.annotate(stage.ids[2], stage.own_categories[1])
        with pytest.raises(InvalidRequest, match="category_ids"):
            one.sync(dataset, options=ROWS)
        assert other.sync(dataset, options=ROWS).counts.images_added == 2
        assert len(one) == 5
        proxy.strip = False
        for mirror in (one, other):
            mirror.sync(dataset, options=ROWS)
            assert Way(stage, proxy, dataset, mirror).is_whole()
        assert (len(one), len(other)) == (6, 7)


def test_what_ceases_to_match_behind_a_proxy_that_strips_filters(stage: World) -> None:
    """What the server shows, and the filter does not want any more, goes."""
    with (
        Proxy(stage.running.url, strip=True) as proxy,
        coir.connect(proxy.url, username="admin", password="admin-pw") as server,
        stage.mirror("annotated") as mirror,
    ):
        dataset = server.dataset(stage.dataset)
        mirror.sync(dataset, Filter(annotated=True), ROWS)
        (one,) = mirror.annotations(stage.ids[8])
        stage.delete("annotation", one.id)
        stage.delete("image", stage.ids[16])
        assert mirror.sync(dataset, options=ROWS).counts.images_removed == 2
        assert [image.id for image in mirror.images()] == [stage.ids[at] for at in (0, 24, 32)]


def test_what_leaves_a_folder_behind_a_proxy_that_strips_filters(library: Library) -> None:
    """The path of an image says whether it lies in the folder that is mirrored."""
    for name in ("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/4.jpg"):
        file = library.home / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(painted(int(name[2])))
    library.scan()
    with (
        Proxy(library.running.url, strip=True) as proxy,
        coir.connect(proxy.url, username="admin", password="admin-pw") as server,
        library.mirror() as mirror,
    ):
        dataset = server.dataset(library.dataset)
        first, *others = mirror_ids(mirror, dataset, Filter(folder="a"))
        assert len(others) == 2
        (library.home / "a/1.jpg").rename(library.home / "b/1.jpg")
        library.scan()
        assert mirror_ids(mirror, dataset) == others
        assert first in library.paths()


def mirror_ids(mirror: Mirror, dataset: coir.Dataset, where: Filter | None = None) -> list[int]:
    """What a mirror holds after another sync."""
    mirror.sync(dataset, where, ROWS)
    return [image.id for image in mirror.images()]
