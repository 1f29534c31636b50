"""Where something could be lost, kept or told wrongly between two steps of a sync."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from client.misbehaving import DATASETS, Given, Misbehaving, Reply, json, listing
from coir import CoirError, Filter, InvalidRequest, connect
from coir.errors import IncompleteSync, UnexpectedAnswer
from coir.mirror import Limits, MaxDelete, Mirror, Options, reading
from coir.mirror.counts import Counts
from coir.mirror.database import Database
from coir.mirror.holdings import Holdings
from coir.mirror.plan import Add, Change, Tally, obstacle
from coir.mirror.record import AnnotationRecord, FileRecord, ImageRecord
from coir.mirror.shape import shaped
from coir.mirror.store import Store

from .world import World, contents, world


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gaps")) as first:
        yield first


@pytest.fixture
def stage(running: World, request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A dataset of its own for each test, with a few images of which the first are annotated."""
    made = World(running.running, tmp_path, request.node.name[:60])
    made.ids = [made.upload() for _ in range(6)]
    for image_id in made.ids[:3]:
        made.annotate(image_id, made.own_categories[0])
    return made


def test_annotations_of_images_that_are_not_wanted(stage: World) -> None:
    """An answer for a stretch of ids has theirs, too, and they are left out."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset, Filter(conditions=(("id__ne", str(stage.ids[1])),)))
        asked = "SELECT DISTINCT image_id FROM annotations ORDER BY image_id"
        assert list(mirror.database.rows(asked)) == [(stage.ids[0],), (stage.ids[2],)]


def test_a_quick_sync_after_the_feed_was_lost(stage: World) -> None:
    """What changed in the meantime is seen: all is read, and then the feed is followed."""
    with stage.mirror("m") as mirror, stage.reach() as dataset, stage.mirror("now") as now:
        mirror.sync(dataset)
        stage.annotate(stage.ids[4], stage.own_categories[0])
        with mirror.database.write() as connection:
            connection.execute("UPDATE syncs SET cursor = 'no cursor of this feed'")
        assert mirror.sync(dataset, options=Options(quick=True)).mode == "full"
        assert mirror.sync(dataset, options=Options(quick=True)).mode == "feed"
        now.sync(dataset)
        assert contents(mirror) == contents(now)


def test_a_listing_that_goes_on_and_the_feed(stage: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes while a listing is interrupted is told by the feed from its begin on."""

    class KilledError(BaseException):
        pass

    def killed(store: Store, sync: int, counts: Counts, actions: Iterator[Add]) -> None:
        next(actions)
        raise KilledError

    with stage.mirror("m") as mirror, stage.reach() as dataset, stage.mirror("now") as now:
        with monkeypatch.context() as patched:
            patched.setattr(reading, "BATCH", 1)
            patched.setattr(Store, "act", killed)
            with pytest.raises(KilledError):
                mirror.sync(dataset)
        assert (mirror.path / ".coir" / "listing").exists()
        stage.annotate(stage.ids[4], stage.own_categories[0])
        assert mirror.sync(dataset).mode == "feed"  # after the listing
        now.sync(dataset)
        assert contents(mirror) == contents(now)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(tmp_path / "coir.db", create=True)
    with contextlib.closing(database):
        yield Store(database)


def act(store: Store, image: ImageRecord) -> int:
    """A sync that sees an image as it is now."""
    sync = store.syncs.begin("full")
    store.act(sync, Counts(), [Change(image) if store.held() else Add(image)])
    store.syncs.applied(sync)
    return sync


def test_whatever_changes_in_a_row_makes_its_annotations_due(store: Store) -> None:
    """An image of another size, or another one under its id, has other outlines."""
    image = ImageRecord(1, "a.jpg", "/d/a.jpg", 4, 3, annotated=True, num_annotations=1)
    sync = act(store, image)
    square = AnnotationRecord(5, 1, 1, [[0, 0, 1, 0, 1, 1]], 0, (), False, False, None, {}, ())
    store.put_annotations(sync, Counts(), [1], [square])
    assert store.number_due("annotations") == 0
    act(store, ImageRecord(1, "b.jpg", "/d/b.jpg", 4, 3, annotated=True, num_annotations=1))
    assert store.number_due("annotations") == 1


def test_a_first_sync_leaves_nothing_due(stage: World) -> None:
    """Also where a category comes with the annotations, and some have no outline."""
    other = stage.admin.post("/api/category/", json={"name": f"other {stage.name}"}).json()["id"]
    stage.annotate(stage.ids[0], other)
    stage.annotate(stage.ids[1], stage.own_categories[0], segmentation=[])
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        assert mirror.sync(dataset).due == 0
        verification = mirror.verify(dataset, deep=True)
        assert {str(one.sign) for one in verification} == {"="}


def test_a_database_that_was_only_begun(stage: World) -> None:
    """Whoever was killed before there was a table in it leaves a mirror that is begun anew."""
    (stage.folder / "m").mkdir(parents=True)
    (stage.folder / "m" / "coir.db").touch()
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        assert mirror.sync(dataset).counts.images_added == 6


def test_a_mistyped_filter_is_not_kept(stage: World) -> None:
    """A mirror is held to the filters with which something was read."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        with pytest.raises(InvalidRequest, match="no category"):
            mirror.sync(dataset, Filter(categories=("nope",)))
        cats = Filter(categories=(f"{stage.name} cat",))
        for _ in range(2):
            mirror.sync(dataset, cats)
        with pytest.raises(InvalidRequest, match="was made with the filters"):
            mirror.sync(dataset, Filter(categories=("nope",)))
        assert (len(mirror), tuple(mirror.settings.where.categories)) == (3, cats.categories)


def test_no_part_is_none() -> None:
    """Nothing may be removed where 0 % may; an emptied server is one that lists nothing."""
    assert not MaxDelete(percent=0).allows(1, 1_000)
    assert MaxDelete(percent=1).allows(10, 20)
    replaced = Tally(added=50, removed=50)
    assert obstacle(replaced, 50, Limits(allow_empty=True)) is not None


def test_a_transaction_that_cannot_be_ended(tmp_path: Path) -> None:
    """Nothing of it stays, and the database can be used afterwards."""
    with contextlib.closing(Database(tmp_path / "coir.db", create=True)) as database:
        database.value("PRAGMA foreign_keys = ON")
        with database.write() as connection:
            connection.execute(
                "CREATE TABLE late (sync INTEGER REFERENCES syncs DEFERRABLE INITIALLY DEFERRED)"
            )
        with pytest.raises(CoirError, match="FOREIGN KEY"), database.write() as connection:
            connection.execute("INSERT INTO late VALUES (7)")
        with database.write() as connection:
            assert list(connection.execute("SELECT * FROM late")) == []


# -- annotations that cannot be read ------------------------------------------------------

IDS = [1, 2, 3, 4, 5, 6]


@contextlib.contextmanager
def _original(answers: dict[int, Reply | list[Reply]]) -> Iterator[Misbehaving]:
    """A server that acts as the original, but for the annotations of some images."""
    rows = [
        {"id": one, "file_name": f"{one}.jpg", "path": f"/datasets/birds/{one}.jpg",
         "dataset_id": 1, "width": 10, "height": 10}
        for one in IDS
    ]  # fmt: skip
    page = {"images": rows, "page": 0, "pages": 1, "per_page": 20_000, "total": len(rows)}
    empty = json({"images": [], "categories": [], "annotations": []})
    routes: dict[str, object] = {
        DATASETS: [json([{"id": 1, "name": "birds", "directory": "/datasets/birds/"}])],
        "GET /api/dataset/1/data": listing(IDS),
        "GET /api/category/": [json([])],
        "GET /api/image/": [json(page)],
    }
    for one in IDS:
        given = answers.get(one, empty)
        routes[f"GET /api/image/{one}/coco"] = given if isinstance(given, list) else [given]
    with Misbehaving(routes) as server:  # type: ignore[arg-type]
        yield server


def _synced(server: Misbehaving, mirror: Mirror) -> None:
    options = Options(images="none", annotations="full", recheck=0, concurrency=1)
    with connect(server.url, username="admin", password="hush") as connection:
        mirror.sync(connection.dataset("birds"), options=options)


STRANGE = Given(200, b'{"images": [], "categories": [], "annotations": [{"area": NaN}]}')


def test_annotations_of_one_image_that_cannot_be_read(tmp_path: Path) -> None:
    """They are told, and keep those of no other image from coming."""
    gone = Given(400, b'{"message": "Invalid image ID"}')
    with Mirror(tmp_path) as mirror, _original({2: STRANGE, 5: gone}) as server:
        with pytest.raises(IncompleteSync, match="Of 2 images the annotations"):
            _synced(server, mirror)
        assert mirror.store.due("annotations") == [2, 5]
        assert [one.image_id for one in mirror.troubles()] == [2, 5]


def test_annotations_and_a_file_that_cannot_be_had(tmp_path: Path) -> None:
    """Each is told for itself, and what comes clears its own words only."""
    gone = Given(400, b'{"message": "Invalid image ID"}')
    answers = [STRANGE, gone, json({"images": [], "categories": [], "annotations": []})]
    with Mirror(tmp_path) as mirror, _original({2: answers}) as server:
        with pytest.raises(IncompleteSync):
            _synced(server, mirror)
        mirror.store.trouble("file", 2, "No file.")
        (told,) = mirror.troubles()
        assert told.annotations is not None
        assert told.words == f"{told.annotations} No file."
        with pytest.raises(IncompleteSync):
            _synced(server, mirror)
        (later,) = mirror.troubles()
        assert "Invalid image ID" in str(later.annotations)
        assert later.file == "No file."
        _synced(server, mirror)
        (last,) = mirror.troubles()
        assert (last.annotations, last.file, last.words) == (None, "No file.", "No file.")
        mirror.store.trouble("annotations", 2, "No outline.")
        file = FileRecord(2, "2.jpg", 1, "0" * 64)
        Holdings(mirror.store).put(3, Counts(), [file], due=False)
        (only,) = mirror.troubles()
        assert (only.annotations, only.file) == ("No outline.", None)


def test_an_outline_beyond_all_numbers() -> None:
    """It has no mask, and ends no export."""
    told = {"id": 1, "image_id": 1, "category_id": 1, "area": 0, "bbox": [], "iscrowd": False,
            "isbbox": False, "color": None, "metadata": {}, "keypoints": [],
            "segmentation": [[1e308, -1e308, 1e308, 1e308, 0, 0]]}  # fmt: skip
    shape = shaped(msgspec.json.encode(told).decode(), 10, 10, "rle")
    assert (shape.usable, shape.noted) == (False, ("rings_dropped",))


def test_annotations_of_which_none_can_be_read(tmp_path: Path) -> None:
    """The sync ends with what is wrong, and does not ask for each."""
    with Mirror(tmp_path) as mirror, _original(dict.fromkeys(IDS, STRANGE)) as server:
        with pytest.raises(UnexpectedAnswer):
            _synced(server, mirror)
        assert server.count("GET /api/image/6/coco") == 0


def test_an_image_that_is_another_one_now(stage: World) -> None:
    """The original's rows tell a file name and no path: of another name it is asked for."""
    with (
        stage.mirror("m") as mirror,
        stage.reach(plain=True) as dataset,
        stage.mirror("now") as now,
    ):
        mirror.sync(dataset)
        now.sync(dataset)
        with mirror.database.write() as connection:
            connection.execute("UPDATE images SET file_name = 'old.jpg', path = '/old/old.jpg'")
        assert mirror.sync(dataset, options=Options(recheck=0)).counts.images_changed == 6
        assert contents(mirror) == contents(now)


def test_a_number_beyond_all_ids(store: Store) -> None:
    """It is an error to be told, and nothing is written."""
    with pytest.raises(CoirError, match="too large"):
        act(store, ImageRecord(2**64, "a.jpg"))
    assert store.held() == 0
