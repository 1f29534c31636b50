"""Listings that are incomplete, change while they are read, or reach a server without filters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import coir
from client.serving import Serving
from coir import Filter, IncompleteScan, InvalidRequest, UnexpectedAnswer, Verdict
from coir.mirror import Mirror, Options
from coir.scan.pace import Pace
from scan.proxy import Proxy, untouched

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
    """New images come; that some are gone is not believed, and a direct way shows it."""
    stage = way.stage
    new = stage.upload()
    way.proxy.strip = True
    assert way.sync().counts.images_added == 1
    assert way.ids == {*stage.ids, new}
    for gone in (3, 30):
        stage.delete("image", stage.ids[gone])
    before = contents(way.mirror)
    with pytest.raises(UnexpectedAnswer, match="does not add up") as told:
        way.sync()
    assert "a proxy changes requests" in told.value.hint
    assert contents(way.mirror) == before
    way.proxy.strip = False
    assert way.sync().counts.images_removed == 2
    assert way.is_whole()


def test_a_quick_sync_behind_a_proxy_that_strips_filters(way: Way) -> None:
    """Answers about everything in the place of those about ranges are not believed."""
    stage = way.stage
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
        # What the feed tells of is read by ranges, and those are stripped as well.
        with pytest.raises(
            InvalidRequest if plain else UnexpectedAnswer,
            match="category_ids" if plain else "outside of what",
        ):
            one.sync(dataset, options=ROWS)
        if plain:
            assert other.sync(dataset, options=ROWS).counts.images_added == 2
        else:
            with pytest.raises(UnexpectedAnswer, match="the filter leaves out"):
                other.sync(dataset, options=ROWS)
        assert len(one) == 5
        proxy.strip = False
        for mirror in (one, other):
            mirror.sync(dataset, options=ROWS)
            assert Way(stage, proxy, dataset, mirror).is_whole()
        assert (len(one), len(other)) == (6, 7)
