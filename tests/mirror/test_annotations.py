"""Annotations of all images, asked for anew: what an interrupted sync fetched counts for a day.

And those of an image that makes the server stumble.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import coir
from client.serving import Serving
from coir.errors import IncompleteSync
from coir.mirror import Mirror, Options
from scan.proxy import Proxy, untouched

from .test_clocks import DAY, Clock, Interrupted
from .test_clocks import clock as clock
from .world import World, contents

NUMBERS = itertools.count(1)
HOUR = DAY / 24
FULL = Options(images="none", annotations="full", recheck=0, concurrency=1)


@pytest.fixture
def stage(running: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Six annotated images, whose annotations are stored one by one."""
    monkeypatch.setattr("coir.mirror.annotations.BATCH", 1)
    made = World(running, tmp_path, f"anew {next(NUMBERS)}")
    made.ids = [made.upload() for _ in range(6)]
    for image_id in made.ids:
        made.annotate(image_id, made.own_categories[0])
    return made


def redrawn(stage: World, mirror: Mirror, left: float) -> None:
    """Move all outlines, which no listing shows."""
    for image_id in stage.ids:
        (one,) = mirror.annotations(image_id)
        outline = [[left, 2, 15, 2, 15, 15, left, 15]]
        stage.change(one.id, category_id=one.category_id, segmentation=outline)


def interrupted(mirror: Mirror, dataset: Any, after: int) -> None:
    """Sync until the annotations of so many images were fetched."""

    def watch(phase: str, done: int, _: int | None) -> None:
        if phase == "annotations" and done > after:
            raise Interrupted

    with pytest.raises(Interrupted):
        mirror.sync(dataset, options=FULL, watch=watch)


@pytest.mark.parametrize(
    ("later", "fetched"),
    [(0.0, 4), (23 * HOUR, 4), (25 * HOUR, 6), (400 * DAY, 6), (-HOUR, 6)],
    ids=["at once", "on the same day", "on the next day", "much later", "after a clock was set"],
)
def test_what_was_fetched_before_an_interruption(
    stage: World, clock: Clock, later: float, fetched: int
) -> None:
    """It counts for a day; later, or where the clock tells no age, all are fetched anew."""
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset, options=FULL)
        redrawn(stage, mirror, 3)
        interrupted(mirror, dataset, 2)
        if fetched == 6:
            redrawn(stage, mirror, 4)
        clock.ahead = later
        report = mirror.sync(dataset, options=FULL)
        assert report.counts.images_looked_into == fetched
        with stage.mirror("now") as now:
            now.sync(dataset, options=FULL)
            assert contents(mirror) == contents(now)
        assert mirror.sync(dataset, options=FULL).counts.images_looked_into == 6


def test_interrupted_again_and_again(stage: World, clock: Clock) -> None:
    """Each part counts for a day of its own: what is older is fetched anew, and nothing else."""
    with stage.mirror("m") as mirror, stage.reach(plain=True) as dataset:
        mirror.sync(dataset, options=FULL)
        interrupted(mirror, dataset, 2)
        clock.ahead = 15 * HOUR
        interrupted(mirror, dataset, 2)
        redrawn(stage, mirror, 5)
        clock.ahead = 30 * HOUR
        assert mirror.sync(dataset, options=FULL).counts.images_looked_into == 4
        clock.ahead = 60 * HOUR
        mirror.sync(dataset, options=FULL)
        with stage.mirror("now") as now:
            now.sync(dataset, options=FULL)
            assert contents(mirror) == contents(now)


@pytest.mark.parametrize("original", [False, True], ids=["in bulk", "one by one"])
def test_an_image_that_fails_is_asked_for_once(
    running: Serving, tmp_path: Path, original: bool
) -> None:
    """Also where those on either side of it become due after it; they come without it."""
    stage = World(running, tmp_path, f"stumbling {original}")
    before, other, bad, behind = (stage.upload() for _ in range(4))
    elsewhere = stage.admin.post("/api/category/", json={"name": f"elsewhere {original}"}).json()
    for image_id in (before, behind):
        stage.annotate(image_id, stage.own_categories[0], segmentation=[])  # in no COCO
    asked: list[range] = []

    def stumble(path: str, params: dict[str, str], body: bytes) -> bytes | int:
        if not path.endswith("/coco"):
            return body
        first = int(params.get("id__gte") or path.split("/")[3])
        images = range(first, int(params.get("id__lt", first + 1)))
        asked.append(images)
        return 500 if bad in images else body

    with (
        Proxy(running.url, original=original) as proxy,
        coir.connect(proxy.url, username="admin", password="admin-pw") as server,
        stage.mirror("m") as mirror,
        stage.mirror("now") as now,
    ):
        dataset = server.dataset(stage.dataset)
        options = Options(images="none", recheck=0, concurrency=1)
        mirror.sync(dataset, options=options)
        stage.annotate(bad, stage.own_categories[0])
        # A category that comes lets those be looked for that it may have hidden in other images.
        stage.annotate(other, elsewhere["id"])
        proxy.tamper = stumble
        with pytest.raises(IncompleteSync, match="Of 1 images the annotations") as told:
            mirror.sync(dataset, options=options)
        assert told.value.report.counts.images_failed == 1
        assert asked.count(range(bad, bad + 1)) == 1
        assert sum(bad in images for images in asked) <= 2  # with others, and then alone
        came = {one for images in asked if bad not in images for one in images}
        assert came == {before, other, behind}
        proxy.tamper = untouched
        assert mirror.sync(dataset, options=options).counts.images_failed == 0
        now.sync(dataset, options=options)
        assert contents(mirror) == contents(now)
