"""Behind a proxy that strips filters: images are asked for by themselves, or by the list of all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import coir
from client.serving import Serving
from coir import Filter, InvalidRequest, UnexpectedAnswer
from coir.mirror import Limits, MaxDelete, Mirror, Options
from coir.mirror.database import keep
from coir.mirror.sync import PRICES
from scan.proxy import Proxy, untouched
from server.running import picture

from .world import World, contents, world

NUMBERS = itertools.count(1)
ROWS = Options(images="none", recheck=0, concurrency=1, limits=Limits(MaxDelete(percent=100)))
SQUARE = [[2, 2, 9, 2, 9, 9, 2, 9]]
SINGLE, LIST = "/api/annotator/data/", "/api/image/"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose list of all images is short."""
    with world(tmp_path_factory.mktemp("missing")) as first:
        yield first.running


@pytest.fixture
def stage(running: Serving, tmp_path: Path) -> World:
    """A dataset of forty images without files, of which some are annotated."""
    made = World(running, tmp_path, f"missing {next(NUMBERS)}")
    made.ids = running.fill([made.dataset] * 40)[made.dataset]
    for image_id in made.ids[::8]:
        made.annotate(image_id, made.own_categories[0])
    return made


class Way:
    """A mirror that was synced once, whose way to the server strips filters since then."""

    def __init__(self, stage: World, proxy: Proxy, dataset: coir.Dataset, mirror: Mirror) -> None:
        self.stage, self.proxy, self.dataset, self.mirror = stage, proxy, dataset, mirror
        self.asked: list[str] = []
        self.meddle: Callable[[str, dict[str, str], bytes], bytes | int | None] = untouched
        mirror.sync(dataset, options=ROWS)
        proxy.strip, proxy.tamper = True, self._look

    def _look(self, path: str, params: dict[str, str], body: bytes) -> bytes | int | None:
        self.asked.append(path)
        return self.meddle(path, params, body)

    def sync(self) -> coir.SyncReport:
        """Sync, and keep what was asked."""
        self.asked.clear()
        with self.mirror.database.write() as connection:
            keep(connection, "prices", PRICES)  # whatever this machine is busy with
        return self.mirror.sync(self.dataset, options=ROWS)

    def forget(self) -> None:
        """Let the next sync read a listing, also where there is a feed."""
        with self.mirror.database.write() as connection:
            connection.execute("UPDATE syncs SET cursor = 'none' WHERE cursor IS NOT NULL")

    @property
    def pages(self) -> int:
        """How many pages of the listing were asked for."""
        return sum(path.endswith("/data") for path in self.asked)

    @property
    def singles(self) -> int:
        """How many images were asked for by themselves."""
        return sum(path.startswith(SINGLE) for path in self.asked)

    def is_whole(self) -> bool:
        """Whether the mirror holds what one would that is made now, on the direct way."""
        with self.stage.mirror(f"now {next(NUMBERS)}") as now, self.stage.reach() as dataset:
            now.sync(dataset, self.mirror.settings.where, ROWS)
            return contents(now) == contents(self.mirror)


@pytest.fixture(params=[False, True], ids=["own", "original"])
def way(stage: World, request: pytest.FixtureRequest) -> Iterator[Way]:
    """A way that strips filters."""
    who = {"username": "admin", "password": "admin-pw"}
    with (
        Proxy(stage.running.url, original=request.param) as proxy,
        coir.connect(proxy.url, **who) as server,
        stage.mirror("m") as mirror,
    ):
        yield Way(stage, proxy, server.dataset(stage.dataset), mirror)


@pytest.mark.parametrize("many", [False, True], ids=["one by one", "by the list"])
def test_whatever_the_feed_tells_of(way: Way, many: bool) -> None:
    """New, deleted, restored and annotated images, and outlines that no row shows."""
    if way.proxy.original:
        pytest.skip("the original has no feed")
    stage, ids = way.stage, way.stage.ids
    (moved,) = way.mirror.annotations(ids[0])
    stage.delete("image", ids[1])
    way.sync()
    edits = [
        stage.upload,
        lambda: stage.change(moved.id, category_id=moved.category_id, segmentation=SQUARE),
        lambda: [stage.delete("image", one) for one in ids[20:39]],
        lambda: stage.annotate(ids[5], stage.own_categories[1]),
        lambda: stage.restore("image", ids[1]),
    ]
    for some in [edits] if many else [[one] for one in (*edits[:2], *edits[3:])]:
        for edit in some:
            edit()
        assert way.sync().mode == "feed"
        assert way.is_whole()
        assert (way.singles > 0, way.pages > 1) == (not many, many)
    assert not way.mirror.store.number_due("annotations")
    way.sync()
    assert (way.singles, way.pages) == (0, 0)


def test_a_cursor_that_does_not_arrive(way: Way) -> None:
    """Where the feed's cursor is stripped, too, nothing is missed: everything is read each time."""
    if way.proxy.original:
        pytest.skip("the original has no feed")
    way.proxy.stripped += ("/changes",)
    stage, ids = way.stage, way.stage.ids
    (moved,) = way.mirror.annotations(ids[0])
    stage.upload()
    stage.change(moved.id, category_id=moved.category_id, segmentation=SQUARE)
    assert way.sync().mode == "full"
    assert way.is_whole()
    with pytest.raises(InvalidRequest, match="did not reach the server"):
        way.dataset.changes(way.dataset.changes().cursor)


def test_a_part_that_the_feed_tells_of(stage: World) -> None:
    """What rows show is looked for in them; what they do not show is refused, and never guessed."""
    who = {"username": "admin", "password": "admin-pw"}
    with (
        Proxy(stage.running.url, original=False) as proxy,
        coir.connect(proxy.url, **who) as server,
        stage.mirror("annotated") as annotated,
        stage.mirror("cats") as cats,
        stage.mirror("late") as late,
    ):
        dataset = server.dataset(stage.dataset)
        annotated.sync(dataset, Filter(annotated=True), ROWS)
        cats.sync(dataset, Filter(categories=[f"{stage.name} cat"]), ROWS)
        late.sync(dataset, Filter(after_id=stage.ids[20]), ROWS)
        proxy.strip = True
        for image_id in stage.ids:
            stage.annotate(image_id, stage.own_categories[1])
        (one, *_) = annotated.annotations(stage.ids[8])
        counts = annotated.sync(dataset, options=ROWS).counts
        assert (counts.images_added, counts.images_changed) == (35, 5)
        assert late.sync(dataset, options=ROWS).counts.images_changed == 19
        # All ids of the dataset are asked for: no row of the answer is out of place.
        with pytest.raises(InvalidRequest, match="category_ids"):
            cats.sync(dataset, options=ROWS)
        assert len(cats) == 5
        stage.delete("annotation", one.id)
        for other in annotated.annotations(stage.ids[8]):
            stage.delete("annotation", other.id) if other.id != one.id else None
        assert annotated.sync(dataset, options=ROWS).counts.images_removed == 1
        assert len(annotated) == 39


def test_more_than_can_be_asked_for_one_by_one(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of all images says of any number that they are gone."""
    monkeypatch.setattr("coir.mirror.missing.MOST", 1)
    for gone in way.stage.ids[3:30]:
        way.stage.delete("image", gone)
    assert way.sync().counts.images_removed == 27
    assert way.singles == 0
    assert way.is_whole()


def test_what_only_a_listing_lost_is_in_the_list_of_all(way: Way) -> None:
    """Images that either of the two still has stay."""
    stage, lost = way.stage, way.stage.ids[3:30]
    way.forget()

    def lose(path: str, _: dict[str, str], body: bytes) -> bytes:
        if not path.endswith("/data"):
            return body
        page = json.loads(body)
        page["images"] = [one for one in page["images"] if one["id"] not in lost]
        return json.dumps({**page, "total": page["total"] - len(lost)}).encode()

    way.meddle = lose
    stage.annotate(lost[1], stage.own_categories[0])
    counts = way.sync().counts
    assert (counts.images_removed, counts.images_changed, counts.images_unchanged) == (0, 1, 39)
    assert way.singles == 0
    assert way.is_whole()


@pytest.mark.parametrize("most", [1, 2_000])
def test_a_list_of_all_that_does_not_add_up(
    way: Way, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """What it lacks is then asked for one by one, or left as it is, where that is too much."""
    monkeypatch.setattr("coir.mirror.missing.MOST", most)
    stage, before = way.stage, contents(way.mirror)
    lost = stage.ids[30:33]
    for gone in stage.ids[3:30]:
        stage.delete("image", gone)
    for changed in lost:
        stage.annotate(changed, stage.own_categories[0])
    way.forget()

    def lose(path: str, _: dict[str, str], body: bytes) -> bytes:
        if path != LIST and not path.endswith("/data"):
            return body
        page = json.loads(body)
        page["images"] = [one for one in page["images"] if one["id"] not in lost]
        short = 0 if path == LIST else len(lost)
        return json.dumps({**page, "total": page["total"] - short}).encode()

    way.meddle = lose
    if most == 1:
        with pytest.raises(UnexpectedAnswer, match="lacks 30 images") as told:
            way.sync()
        assert "again" in told.value.hint
        assert contents(way.mirror) == before
        way.meddle = untouched
    counts = way.sync().counts
    assert (counts.images_removed, counts.images_changed) == (27, 3)
    assert way.singles == (30 if most > 1 else 0)
    assert way.is_whole()


def test_a_list_of_all_whose_images_move_to_other_pages(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that the listing lost, and that slips to a page that was read, is not gone."""
    stage, ids, lost = way.stage, way.stage.ids, way.stage.ids[36]
    for gone in ids[10:30]:
        stage.delete("image", gone)
    total = stage.admin.get(LIST, params={"per_page": 1}).json()["total"]
    monkeypatch.setattr("coir.scan.details.PER_PAGE", total - 4)
    waiting = [ids[0]]
    way.forget()

    def work(path: str, params: dict[str, str], body: bytes) -> bytes:
        if path.endswith("/data"):
            page = json.loads(body)
            page["images"] = [one for one in page["images"] if one["id"] != lost]
            return json.dumps({**page, "total": page["total"] - 1}).encode()
        rows = json.loads(body)["images"] if "file_name" in params.get("fields", "") else []
        if waiting and len(rows) > 1 and rows[-1]["id"] == ids[35]:
            stage.delete("image", waiting.pop())
        return body

    way.meddle = work
    assert way.sync().counts.images_removed == 20
    assert not waiting
    assert way.singles == 0
    assert lost in {image.id for image in way.mirror.images()}
    way.meddle = untouched
    way.sync()
    assert way.is_whole()


def test_a_picture_that_came_behind_it(way: Way) -> None:
    """A new image has its path and size, whichever way it was seen."""
    new = way.stage.upload("large/one.jpg", picture(200, 100))
    assert way.sync().counts.images_added == 1
    (image,) = [image for image in way.mirror.images() if image.id == new]
    assert (image.width, image.height) == (200, 100)
    assert way.is_whole()
