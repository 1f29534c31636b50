"""Syncs with a real server, seen as coir's own and as the original."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

import coir
from coir import CoirError, DatasetNotFound, Filter, InvalidRequest
from coir.errors import SyncStopped
from coir.mirror import Limits, MaxDelete, Mirror, Options
from coir.mirror.database import VERSION
from coir.mirror.sync import PRICES
from coir.mirror.upgrade import STEPS
from coir.scan.prices import Prices
from scan.proxy import Proxy
from server.running import picture, scanned

from .world import SQUARE, World, contents, files, world


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("sync")) as first:
        yield first


@pytest.fixture
def stage(running: World, request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A dataset of its own for each test, with a few images."""
    made = World(running.running, tmp_path, request.node.name[:60].replace("[", "-").strip("]"))
    made.ids = [made.upload(f"{folder}/{number}.jpg")
                for folder in ("left", "right") for number in range(3)]  # fmt: skip
    return made


@pytest.mark.parametrize("plain", [False, True])
def test_a_second_sync_costs_only_what_changed(stage: World, plain: bool) -> None:
    """Nothing is fetched again that did not change."""
    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        first = mirror.sync(dataset)
        assert (first.counts.images_added, first.counts.files_fetched) == (6, 6)
        second = mirror.sync(dataset, options=Options(recheck=0))
        assert second.counts.images_unchanged == 6
        assert second.counts.files_fetched == second.counts.images_looked_into == 0


@pytest.mark.parametrize("holes", [0, 6])
def test_a_first_sync_of_the_original_reads_rows_once(
    running: World, tmp_path: Path, holes: int
) -> None:
    """Ids are counted, also between holes, and all else is read from the list that tells path and
    size, too."""
    stage = World(running.running, tmp_path, f"many {holes}")
    ids = running.running.fill([stage.dataset] * 30_000)[stage.dataset]
    number = len(ids) - holes
    for hole in range(holes):
        stage.delete("image", ids[2_000 + hole * 4_321])
    everything = stage.admin.get("/api/image/", params={"per_page": 1}).json()["total"]
    listed: list[int] = []
    from_all: list[int] = []

    def look(path: str, _: dict[str, str], body: bytes) -> bytes:
        if path == "/api/image/":
            from_all.append(len(json.loads(body)["images"]))
        elif path.endswith("/data") and "/dataset/" in path:
            listed.append(len(json.loads(body)["images"]))
            time.sleep(dear * listed[-1])
        return body

    # Seconds for a row: as on the original, rows are many times dearer than their count.
    dear = 300e-6
    who = {"username": "admin", "password": "admin-pw"}
    rows = Options(images="none", annotations="none", recheck=0)
    with Proxy(stage.running.url, tamper=look) as proxy, coir.connect(proxy.url, **who) as server:
        dataset = server.dataset(stage.dataset)
        with stage.mirror("original") as mirror:
            assert mirror.sync(dataset, options=rows).counts.images_added == number
            assert 0 < sum(listed) < number / 4
            # One page of one row tells how many there are.
            assert everything < sum(from_all) < everything * 1.1
            assert {image.width for image in mirror.images()} == {64}
            listed.clear()
            dear = 0.0
            assert mirror.sync(dataset, options=rows).counts.images_unchanged == number
            assert sum(listed) >= number
            held = contents(mirror)
    with stage.mirror("own") as mirror, stage.reach() as dataset:
        mirror.sync(dataset, options=rows)
        assert contents(mirror) == held


def test_a_fork_whose_list_of_images_tells_less(stage: World) -> None:
    """What only the listing tells is taken from it, also by the first sync."""
    stage.annotate(stage.ids[0], stage.own_categories[0])

    def tell_less(path: str, _: dict[str, str], body: bytes) -> bytes:
        told = json.loads(body) if path == "/api/image/" else {}
        for image in told.get("images", ()):
            image.pop("annotated", None)
            image.pop("num_annotations", None)
        return json.dumps(told).encode() if told else body

    who = {"username": "admin", "password": "admin-pw"}
    with (
        Proxy(stage.running.url, tamper=tell_less) as proxy,
        coir.connect(proxy.url, **who) as server,
        stage.mirror("m") as mirror,
    ):
        options = Options(images="none", recheck=0)
        report = mirror.sync(server.dataset(stage.dataset), options=options)
        assert (report.counts.images_added, report.counts.annotations_added) == (6, 1)
        assert next(iter(mirror.images())).num_annotations == 1
        assert mirror.annotations(stage.ids[0])[0].segmentation == SQUARE


@pytest.mark.parametrize("plain", [False, True])
def test_what_people_do_arrives(stage: World, plain: bool) -> None:
    """New, annotated, deleted and restored images are as on the server after the next sync."""
    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        mirror.sync(dataset)
        stage.annotate(stage.ids[0], stage.own_categories[0])
        stage.delete("image", stage.ids[1])
        new = stage.upload("新/ö 1.jpg")
        report = mirror.sync(dataset)
        assert (report.counts.images_added, report.counts.images_removed) == (1, 1)
        assert report.counts.annotations_added == 1
        assert [image.id for image in mirror.images()] == [stage.ids[0], *stage.ids[2:], new]
        assert mirror.annotations(stage.ids[0])[0].segmentation == SQUARE
        assert set(files(mirror)) >= {"新/ö 1.jpg", "left/0.jpg"}
        assert "left/1.jpg" not in files(mirror)
        stage.restore("image", stage.ids[1])
        assert mirror.sync(dataset).counts.images_added == 1
        assert "left/1.jpg" in files(mirror)


def test_every_way_gives_the_same(stage: World) -> None:
    """A mirror that follows the feed, one that lists, and one made now hold the same."""
    with stage.mirror("feed") as feed, stage.mirror("list") as listing:
        for step in range(4):
            stage.annotate(stage.ids[step], stage.own_categories[step % 2])
            stage.delete("image", stage.upload(f"{step}.jpg"))
            stage.upload(f"kept {step}.jpg")
            for mirror, plain in ((feed, False), (listing, True)):
                with stage.reach(plain=plain) as dataset:
                    mirror.sync(dataset)
        with stage.mirror("now") as now, stage.reach() as dataset:
            now.sync(dataset)
            assert contents(feed) == contents(listing) == contents(now)
            assert files(feed) == files(listing) == files(now)
        # The first of a mirror reads everything; the others follow.
        modes = [mode for (mode,) in feed.database.rows("SELECT mode FROM syncs ORDER BY id")]
        assert modes == ["full", "feed", "feed", "feed"]


def test_an_edit_that_no_row_shows(stage: World) -> None:
    """The feed tells of it; a listing does not, and looking again finds it."""
    label = stage.annotate(stage.ids[0], stage.own_categories[0])
    with (
        stage.mirror("feed") as feed,
        stage.mirror("list") as listing,
        stage.reach() as ours,
        stage.reach(plain=True) as plain,
    ):
        feed.sync(ours)
        listing.sync(plain)
        moved = [[2, 2, 30, 2, 30, 30]]
        stage.change(label, category_id=stage.own_categories[0], segmentation=moved)
        feed.sync(ours)
        assert feed.annotations(stage.ids[0])[0].segmentation == moved
        listing.sync(plain, options=Options(recheck=0))
        assert listing.annotations(stage.ids[0])[0].segmentation == SQUARE
        report = listing.sync(plain, options=Options(recheck=1))
        assert report.counts.annotations_changed == 1
        assert listing.annotations(stage.ids[0])[0].segmentation == moved


def test_looking_again_comes_round(stage: World) -> None:
    """A part of the images each time, those first that were looked into longest ago."""
    labels = [stage.annotate(one, stage.own_categories[0]) for one in stage.ids]
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset, options=Options(recheck=0))
        for label in labels:
            stage.change(
                label, category_id=stage.own_categories[0], segmentation=[[0, 0, 5, 0, 5, 5]]
            )
        found = [
            mirror.sync(dataset, options=Options(recheck=0.5)).counts.annotations_changed
            for _ in range(3)
        ]
        assert found == [3, 3, 0]


def test_an_emptied_dataset_stops_a_sync(stage: World) -> None:
    """Nothing is removed, and the flag that allows it is told."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        before = contents(mirror), files(mirror)
        for image_id in stage.ids:
            stage.delete("image", image_id)
        with pytest.raises(SyncStopped) as stopped:
            mirror.sync(dataset)
        assert "--allow-empty" in stopped.value.hint
        assert stopped.value.report.counts.images_removed == 6
        assert (contents(mirror), files(mirror)) == before
        with pytest.raises(SyncStopped):
            mirror.sync(dataset)  # it stays so until it is allowed
        mirror.sync(dataset, options=Options(limits=Limits(allow_empty=True)))
        assert len(mirror) == 0
        assert not files(mirror)


@pytest.mark.parametrize("plain", [False, True])
def test_too_many_deletions_stop_a_sync(stage: World, plain: bool) -> None:
    """As above, for a part of the images."""
    limits = Limits(MaxDelete(number=1))
    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        mirror.sync(dataset)
        for image_id in stage.ids[:2]:
            stage.delete("image", image_id)
        new = stage.upload()
        with pytest.raises(SyncStopped):
            mirror.sync(dataset, options=Options(limits=limits))
        assert len(mirror) == 6
        mirror.sync(dataset)
        assert [image.id for image in mirror.images()] == [*stage.ids[2:], new]


def test_other_images_under_the_same_ids_stop_a_sync(stage: World) -> None:
    """A server that was set up anew: nothing is changed, also by a plan; a flag allows it."""
    limits = Limits(MaxDelete(number=5))
    plan = stage.folder / "plan"
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset)
        before = contents(mirror), files(mirror)
        with stage.running.database() as database:
            database.execute(
                "UPDATE images SET file_name = 'new ' || file_name WHERE dataset_id = ?",
                (stage.dataset,),
            )
        for act in (
            lambda: mirror.sync(dataset, options=Options(limits=limits)),
            lambda: mirror.write_plan(plan, dataset, options=Options(limits=limits)),
            lambda: mirror.apply(plan, dataset, options=Options(limits=limits)),
        ):
            with pytest.raises(SyncStopped, match="6 of 6 images would have another") as stopped:
                act()
            assert "--max-delete 6" in stopped.value.hint
            assert stopped.value.report.counts.images_changed == 6
            assert (contents(mirror), files(mirror)) == before
        mirror.apply(plan, dataset, options=Options(limits=Limits(MaxDelete(number=6))))
        assert all(image.file_name.startswith("new ") for image in mirror.images())


def test_a_dataset_that_is_gone_stops_a_sync(stage: World) -> None:
    """A dataset that this user does not see any more takes nothing from the mirror."""
    with stage.mirror("m") as mirror, stage.reach() as dataset, stage.reach(plain=True) as plain:
        mirror.sync(dataset)
        stage.delete("dataset", stage.dataset)
        with pytest.raises(DatasetNotFound):
            mirror.sync(plain)
        with pytest.raises(DatasetNotFound):
            mirror.sync(dataset)
        assert len(mirror) == 6


def test_a_quick_sync_with_nothing_new(stage: World) -> None:
    """One request shows that nothing came and nothing went."""
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset)
        report = mirror.sync(dataset, options=Options(quick=True))
        assert (report.mode, report.counts.requests) == ("quick", 1)
        assert report.counts.images_unchanged == 6


def test_a_quick_sync_finds_what_came_and_went(stage: World) -> None:
    """Additions and deletions are found by counts, late insertions among them."""
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        hidden = stage.upload("late.jpg")
        last = stage.upload("last.jpg")
        stage.delete("image", hidden)
        mirror.sync(dataset)
        stage.restore("image", hidden)  # appears below ids that are there
        stage.delete("image", stage.ids[2])
        stage.delete("image", stage.ids[3])
        new = stage.upload("new.jpg")
        mirror.sync(dataset, options=Options(quick=True))
        expected = [*stage.ids[:2], *stage.ids[4:], hidden, last, new]
        assert [image.id for image in mirror.images()] == expected
        with stage.mirror("now") as now:
            now.sync(dataset)
            assert contents(now) == contents(mirror)


def test_a_quick_sync_refuses_filters_that_it_cannot_count(stage: World) -> None:
    """Of images that begin and cease to match, equal counts prove nothing."""
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset, Filter(annotated=True))
        with pytest.raises(InvalidRequest, match="quick"):
            mirror.sync(dataset, options=Options(quick=True))


def test_a_mirror_of_a_part(stage: World) -> None:
    """A filter is kept, and an image that ceases to match is removed."""
    label = stage.annotate(stage.ids[0], stage.own_categories[0])
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset, Filter(annotated=True))
        assert [image.id for image in mirror.images()] == [stage.ids[0]]
        stage.delete("annotation", label)
        stage.annotate(stage.ids[4], stage.own_categories[0])
        mirror.sync(dataset)
        assert [image.id for image in mirror.images()] == [stage.ids[4]]
        with pytest.raises(InvalidRequest, match="filters"):
            mirror.sync(dataset, Filter(folder="left"))


@pytest.mark.parametrize("plain", [False, True])
def test_a_mirror_of_later_images(stage: World, plain: bool) -> None:
    """What lies below the first wanted id is left out, whichever way the server is looked at."""
    first = Filter(after_id=stage.ids[2])
    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        mirror.sync(dataset, first)
        label = stage.annotate(stage.ids[0], stage.own_categories[0])
        stage.annotate(stage.ids[4], stage.own_categories[0])
        stage.delete("image", stage.ids[3])
        new = stage.upload("new.jpg")
        mirror.sync(dataset, options=Options(quick=plain))
        assert [image.id for image in mirror.images()] == [*stage.ids[4:], new]
        stage.delete("annotation", label)
        mirror.sync(dataset)
        assert [image.id for image in mirror.images()] == [*stage.ids[4:], new]


def test_two_mirrors_of_a_dataset(stage: World) -> None:
    """Each in its folder, each with its filter."""
    with stage.mirror("all/left") as left, stage.mirror("all/right") as right:
        with stage.reach() as dataset:
            left.sync(dataset, Filter(folder="left"))
            right.sync(dataset, Filter(folder="right"))
        assert set(files(left)) == {"left/0.jpg", "left/1.jpg", "left/2.jpg"}
        assert set(files(right)) == {"right/0.jpg", "right/1.jpg", "right/2.jpg"}


def test_another_dataset_is_refused(stage: World) -> None:
    """A mirror is of one dataset."""
    other = World(stage.running, stage.folder, f"{stage.name}-other")
    with stage.mirror("m") as mirror, stage.reach() as dataset, other.reach() as wrong:
        mirror.sync(dataset)
        with pytest.raises(InvalidRequest, match="not of"):
            mirror.sync(wrong)


def test_a_plan_changes_nothing(stage: World) -> None:
    """What a sync would do can be asked for before there is a mirror, and afterwards."""
    with stage.reach() as dataset:
        with Mirror(stage.folder / "none") as mirror:
            actions, report = mirror.plan(dataset)
            assert (len(actions), report.counts.images_added) == (6, 6)
            assert not (stage.folder / "none").exists()
        with stage.mirror("m") as mirror:
            mirror.sync(dataset)
            stage.delete("image", stage.ids[0])
            before = contents(mirror)
            actions, report = mirror.plan(dataset)
            assert report.counts.images_removed == len(actions) == 1
            assert contents(mirror) == before
            assert mirror.sync(dataset).counts.images_removed == 1


@pytest.mark.parametrize("plain", [False, True])
def test_changes_since_the_plan_of_a_first_sync(stage: World, plain: bool) -> None:
    """A mirror that a plan began sees in its next sync what changed meanwhile."""
    file = stage.folder / "plan.jsonl"
    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        mirror.write_plan(file, dataset)
        assert mirror.apply(file, dataset).counts.images_added == 6
        stage.annotate(stage.ids[0], stage.own_categories[0])
        assert mirror.sync(dataset).counts.images_changed == 1
        image = next(iter(mirror.images()))
        assert (image.id, image.num_annotations) == (stage.ids[0], 1)


def test_prices_are_the_servers_own(stage: World) -> None:
    """What a count and a row cost is learned from each listing, and kept for the next sync.

    Six images tell nothing of what a row costs.
    """
    with stage.mirror("small") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset, options=Options(images="none"))
        assert mirror.store.database.setting("prices", Prices).row == PRICES.row
    stage.running.fill([stage.dataset] * 600)
    known = [PRICES]
    for name in ("one", "two"):
        with stage.mirror(name) as mirror, stage.reach(plain=True) as dataset:
            mirror.sync(dataset, options=Options(images="none"))
            mirror.sync(dataset, options=Options(images="none"))
            known.append(mirror.store.database.setting("prices", Prices))
    requests = [one.request for one in known]
    assert len(set(requests)) == len(requests)
    assert all(one.row is not None and one.row != PRICES.row for one in known[1:])


def test_a_member_who_may_not_download(stage: World) -> None:
    """Annotations come from what the annotation page loads, and are the same."""
    stage.running.user("bob")
    shared = stage.admin.post(f"/api/dataset/{stage.dataset}/share", json={"users": ["bob"]})
    assert shared.status_code == 200
    stage.annotate(stage.ids[0], stage.own_categories[0])
    with (
        coir.connect(stage.running.url, username="bob", password="bob-pw") as server,
        stage.mirror("bobs") as bobs,
        stage.mirror("admins") as admins,
    ):
        bobs.sync(server.dataset(stage.dataset))
        with stage.reach() as dataset:
            admins.sync(dataset)
        assert contents(bobs) == contents(admins)


def test_a_cursor_that_has_expired(stage: World) -> None:
    """Everything is read again, and nothing is missed: no outline either, and no file."""
    with stage.mirror("m") as mirror, stage.reach() as dataset, stage.mirror("now") as now:
        mirror.sync(dataset)
        stage.delete("image", stage.ids[0])
        label = stage.annotate(stage.ids[1], stage.own_categories[0])
        mirror.sync(dataset)
        stage.delete("image", stage.ids[2])
        moved = [[2, 2, 9, 2, 9, 9, 2, 9]]
        stage.change(label, category_id=stage.own_categories[0], segmentation=moved)
        path = stage.running.directory(stage.name) / "right" / "2.jpg"
        assert path.exists()
        path.write_bytes(picture(96, 64, "JPEG", "teal"))
        scanned(stage.admin, stage.dataset)
        with mirror.database.write() as connection:
            connection.execute("UPDATE syncs SET cursor = 'no cursor of this feed'")
        report = mirror.sync(dataset)
        assert (report.mode, report.counts.images_removed) == ("full", 1)
        assert report.due == 0
        now.sync(dataset)
        assert (contents(mirror), files(mirror)) == (contents(now), files(now))
        report = mirror.sync(dataset)
        assert (report.mode, report.counts.images_looked_into) == ("feed", 0)


def test_a_newer_mirror_is_refused(stage: World) -> None:
    """What a newer coir has written is not touched."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        with mirror.database.write() as connection:
            connection.execute("PRAGMA user_version = 99")
    with pytest.raises(CoirError, match="newer"):
        stage.mirror("m")


# The columns of each table and view, the names of each index.
SCHEMA = "SELECT m.type, m.name, c.name FROM sqlite_master m LEFT JOIN pragma_table_info(m.name) c"


def older(home: Path) -> None:
    """Let a mirror be as the first version made it, with troubles that it told."""
    with closing(sqlite3.connect(home / "coir.db", isolation_level=None)) as database:
        database.executescript(
            """
            INSERT INTO changes SELECT 'image', id, added, NULL FROM images WHERE added > 0;
            DROP VIEW versions;
            DROP INDEX changes_sync;
            ALTER TABLE changes RENAME TO versions;
            CREATE INDEX versions_sync ON versions (sync);
            ALTER TABLE images DROP COLUMN added;
            CREATE INDEX images_annotations_at ON images (annotations_at, id);
            DROP INDEX images_numbered;
            DROP INDEX annotations_category;
            """
        )
        database.execute("ALTER TABLE images DROP COLUMN file_trouble")
        database.execute("ALTER TABLE images RENAME COLUMN annotations_trouble TO trouble")
        first, second, third, *_ = (row[0] for row in database.execute("SELECT id FROM images"))
        for image_id, due in ((first, "annotations_due"), (second, "file_due")):
            database.execute(
                f"UPDATE images SET {due} = 1, trouble = ? WHERE id = ?", (due, image_id)
            )
        database.execute(
            "UPDATE images SET file_due = 1, annotations_due = 1, trouble = 'both' WHERE id = ?",
            (third,),
        )
        database.execute("PRAGMA user_version = 1")


def test_an_older_mirror_is_brought_up_to_date(stage: World) -> None:
    """Once, when it is opened; what could not be fetched is told as before, and then comes."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        before = contents(mirror), files(mirror)
        log = list(mirror.diff(0))
        tables = set(mirror.database.rows(SCHEMA))
    older(stage.folder / "m")
    with stage.mirror("m") as mirror, stage.mirror("m") as other, stage.reach() as dataset:
        assert set(mirror.database.rows(SCHEMA)) == tables
        assert mirror.database.value("PRAGMA user_version") == VERSION
        assert list(mirror.diff(0)) == log
        told = [(one.annotations, one.file, one.words) for one in mirror.troubles()]
        assert told == [
            ("annotations_due", None, "annotations_due"),
            (None, "file_due", "file_due"),
            ("both", None, "both"),
        ]
        assert other.status().troubled == 3
        mirror.sync(dataset)
        assert (contents(mirror), files(mirror)) == before
        assert not list(mirror.troubles())


def test_an_older_mirror_without_files_has_none_due(stage: World) -> None:
    """They were said to be due there, and `coir status` told so."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset, options=Options(images="none"))
    older(stage.folder / "m")
    with closing(sqlite3.connect(stage.folder / "m/coir.db", isolation_level=None)) as database:
        database.execute("UPDATE images SET file_due = 1")
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        assert mirror.status().files_due == 0
        counts = mirror.sync(dataset, options=Options(images="original")).counts
        assert counts.files_fetched == len(stage.ids)


def test_an_older_mirror_is_brought_up_to_date_as_a_whole(
    stage: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends in the middle of it leaves the mirror as it was."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
    older(stage.folder / "m")
    with monkeypatch.context() as broken:
        steps = {1: (*STEPS[1][:2], "SELECT no_such_function()")}
        broken.setattr("coir.mirror.upgrade.STEPS", steps)
        with pytest.raises(CoirError):
            stage.mirror("m")
    with stage.mirror("m") as mirror:
        assert mirror.status().troubled == 3


def test_counts_are_kept_with_the_sync(stage: World) -> None:
    """What a sync did stands in the mirror."""
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        report = mirror.sync(dataset)
        ((state, counts),) = mirror.database.rows("SELECT state, counts FROM syncs")
        assert state == "done"
        assert msgspec.json.decode(counts)["images_added"] == report.counts.images_added == 6


def test_a_sync_with_nothing_new_reads_no_table(stage: World) -> None:
    """What it asks of the mirror is found by indexes, however many images and annotations it has.

    To count all images takes 2 ms of 100,000.
    """
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        asked: set[str] = set()
        connection = mirror.database._connection
        connection.set_trace_callback(asked.add)
        assert mirror.sync(dataset).mode == "feed"
        connection.set_trace_callback(None)
        read = {
            statement: plan
            for statement in asked
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")
            for *_, plan in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
            if re.match(r"SCAN (images|annotations|changes|tombstones)\b(?!.*USING.*INDEX)", plan)
        }
        assert read.keys() == {"SELECT count(*) FROM images"}
