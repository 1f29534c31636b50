"""A filter by the name of a category, which may come to mean another one, or none."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from client.serving import Serving
from coir import Filter, SyncStopped
from coir.mirror import Limits, MaxDelete, Options
from coir.mirror.syncs import Syncs

from .test_clocks import Interrupted
from .world import World, contents

NUMBERS = itertools.count(1)
ROWS = Options(images="none", recheck=0, concurrency=1)
# Whatever does not match any more may go.
ALL = Limits(max_delete=MaxDelete(percent=100.0), allow_empty=True)


@pytest.fixture
def stage(running: Serving, tmp_path: Path) -> World:
    """Two images with cats and one with a dog."""
    made = World(running, tmp_path, f"named {next(NUMBERS)}")
    made.ids = [made.upload() for _ in range(4)]
    for image_id, category in zip(made.ids, (0, 0, 1), strict=False):
        made.annotate(image_id, made.own_categories[category])
    return made


def rename(stage: World, category_id: int, name: str) -> None:
    """Give a category another name."""
    answer = stage.admin.put(f"/api/category/{category_id}", json={"name": name})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
def test_a_name_that_means_another_category(stage: World, plain: bool) -> None:
    """The mirror is what one that is made now would be."""
    cat, dog = stage.own_categories
    name = f"{stage.name} cat"
    where = Filter(categories=[name], annotated=True)
    anything = Options(images="none", recheck=0, concurrency=1, limits=ALL)
    with (
        stage.reach(plain=plain) as dataset,
        stage.mirror("m") as mirror,
        stage.mirror("now") as now,
    ):
        mirror.sync(dataset, where, ROWS)
        assert [one.id for one in mirror.images()] == stage.ids[:2]
        rename(stage, cat, f"{stage.name} tom")
        rename(stage, dog, name)
        mirror.sync(dataset, options=anything)
        now.sync(dataset, where, ROWS)
        assert [one.id for one in mirror.images()] == stage.ids[2:3]
        assert contents(mirror) == contents(now)
        report = mirror.sync(dataset, options=ROWS)
        assert report.mode == ("full" if plain else "feed")
        assert report.counts.images_unchanged == 1


def test_a_listing_of_a_former_meaning(stage: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was interrupted is not gone on with: the feed would keep what it has told."""

    def interrupted(*_: object, **__: object) -> None:
        raise Interrupted

    cat, dog = stage.own_categories
    name = f"{stage.name} cat"
    where = Filter(categories=[name])
    stage.annotate(stage.ids[3], dog)  # as many as with cats: counts do not differ
    with stage.reach() as dataset, stage.mirror("m") as mirror:
        with monkeypatch.context() as ending:
            ending.setattr(Syncs, "ready", interrupted)
            with pytest.raises(Interrupted):
                mirror.sync(dataset, where, ROWS)
        rename(stage, cat, f"{stage.name} tom")
        rename(stage, dog, name)
        mirror.sync(dataset, options=ROWS)
        mirror.sync(dataset, options=ROWS)
        assert [one.id for one in mirror.images()] == stage.ids[2:]


def test_a_plan_of_another_meaning(stage: World) -> None:
    """Once it is carried out, no feed tells of what it took for the filter's."""
    cat, dog = stage.own_categories
    name = f"{stage.name} cat"
    anything = Options(images="none", recheck=0, concurrency=1, limits=ALL)
    plan = stage.folder / "plan"
    with stage.reach() as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, Filter(categories=[name]), ROWS)
        rename(stage, cat, f"{stage.name} tom")
        rename(stage, dog, name)
        mirror.write_plan(plan, dataset, options=anything)
        mirror.apply(plan, dataset, anything)
        assert [one.id for one in mirror.images()] == stage.ids[2:3]
        rename(stage, dog, f"{stage.name} dog")
        rename(stage, cat, name)
        mirror.sync(dataset, options=anything)
        assert [one.id for one in mirror.images()] == stage.ids[:2]


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
def test_a_name_that_means_none(stage: World, plain: bool) -> None:
    """Nothing goes, and the mirror goes on once it means one again."""
    cat, _ = stage.own_categories
    where = Filter(categories=[f"{stage.name} cat"], annotated=True)
    with stage.reach(plain=plain) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, where, ROWS)
        before = contents(mirror)
        stage.delete("category", cat)
        with pytest.raises(SyncStopped, match="has no category"):
            mirror.sync(dataset, options=ROWS)
        with pytest.raises(SyncStopped, match="has no category"):
            mirror.plan(dataset, options=ROWS)
        assert contents(mirror) == before
        assert next(mirror.log()).state == "stopped"
        stage.restore("category", cat)
        new = stage.upload()
        stage.annotate(new, cat)
        mirror.sync(dataset, options=ROWS)
        assert [one.id for one in mirror.images()] == [*stage.ids[:2], new]
