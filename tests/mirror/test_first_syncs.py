"""First syncs of the original: ids by counting, all else from the list of all images."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import coir
from coir import Filter
from coir.mirror import Options
from coir.mirror.sync import PRICES
from coir.scan.prices import ListPrices
from scan.proxy import Proxy
from server.running import picture

from .world import World, contents, world

NUMBERS = itertools.count(1)
ROWS = Options(images="none", recheck=0, concurrency=1)
# Images in a page of the list of all images, and in a transaction of the mirror.
PAGE = 5


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own for each test: the list of all images is as short as the dataset."""
    with world(tmp_path_factory.mktemp("first")) as first:
        yield first


@pytest.fixture
def stage(running: World, tmp_path: Path) -> World:
    """A dataset of sixteen images, whose rows lie between those of another one."""
    made = World(running.running, tmp_path, f"first {next(NUMBERS)}")
    other = World(running.running, tmp_path, f"other {next(NUMBERS)}")
    filled = running.running.fill([made.dataset, other.dataset, made.dataset] * 8)
    made.ids, made.others = filled[made.dataset], filled[other.dataset]
    for number, image_id in enumerate(made.ids[::4]):
        made.annotate(image_id, made.own_categories[number % 2])
    return made


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few images have many pages."""
    monkeypatch.setattr("coir.scan.details.PER_PAGE", PAGE)
    monkeypatch.setattr("coir.mirror.store.BATCH", PAGE)


def test_filters(stage: World) -> None:
    """A part of a dataset is the same, whichever way it came here."""
    large = stage.upload("large/one.jpg", picture(200, 100))
    stage.annotate(large, stage.own_categories[0])
    some = f"{stage.name} cat"
    filters = {
        "annotated": Filter(annotated=True),
        "not annotated": Filter(annotated=False),
        "category": Filter(categories=[some]),
        "folder": Filter(folder="large"),
        "where": Filter().where("width__gte", 100),
        "two": Filter(categories=[some], folder="large"),
        "name": Filter(name_startswith="frame"),
        "id": Filter(after_id=stage.ids[7]),
    }
    seen = set()
    with stage.reach() as own, stage.reach(plain=True) as plain:
        for name, where in filters.items():
            with stage.mirror(f"{name} own") as ours, stage.mirror(name) as mirror:
                ours.sync(own, where, ROWS)
                report = mirror.sync(plain, where, ROWS)
                assert contents(mirror) == contents(ours), name
                assert 0 < len(mirror) < 17, name
                assert report.counts.images_added == len(mirror)
                seen.add(tuple(image.id for image in mirror.images()))
                assert mirror.sync(plain, options=ROWS).counts.images_unchanged == len(mirror)
    assert len(seen) == 6


class Interrupted(BaseException):
    """What a person's Ctrl-C looks like."""


Moment = Callable[[World, str, dict[str, str], bytes], bool]


def in_the_list(stage: World, path: str, params: dict[str, str], body: bytes) -> bool:
    """After the page of the list of all images that has the ninth of the dataset."""
    if path != "/api/image/" or params["per_page"] != str(PAGE):
        return False
    return stage.ids[8] in {row["id"] for row in json.loads(body)["images"]}


MOMENTS: dict[str, Moment] = {
    "among the ids": lambda _, path, params, __: (
        path.endswith("/data") and params["order"] == "-id"
    ),
    "before the list": lambda _, path, params, __: params.get("per_page") == "1",
    "in the list": in_the_list,
    "after the list": lambda _, path, __, ___: path == "/api/category/",
}


@contextmanager
def edited(stage: World, moment: Moment, edit: Callable[[], Any]) -> Iterator[coir.Dataset]:
    """The dataset as at the original, where something happens after a certain answer."""
    waiting = [edit]

    def look(path: str, params: dict[str, str], body: bytes) -> bytes:
        if waiting and moment(stage, path, params, body):
            waiting.pop()()
        return body

    who = {"username": "admin", "password": "admin-pw"}
    with Proxy(stage.running.url, tamper=look) as proxy, coir.connect(proxy.url, **who) as server:
        yield server.dataset(stage.dataset)
    assert not waiting, "it never happened"


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("moment", MOMENTS)
def test_edits_meanwhile(stage: World, moment: str) -> None:
    """What lives all the time is there after it; what else happened, the next sync sees."""
    ids = stage.ids
    # Before, on and behind the page of the list that is under way; and rows move up.
    gone = [ids[1], ids[8], ids[14]]
    stage.delete("image", ids[9])
    stayed = {one for one in ids if one not in (*gone, ids[9])}

    def edit() -> None:
        for one in (*gone, stage.others[0]):
            stage.delete("image", one)
        for one in (ids[2], ids[7], ids[15]):
            stage.annotate(one, stage.own_categories[0])
        stage.restore("image", ids[9])
        stage.upload("new.jpg")

    with stage.mirror("m") as mirror, edited(stage, MOMENTS[moment], edit) as dataset:
        mirror.sync(dataset, options=ROWS)
        assert stayed <= {image.id for image in mirror.images()}
        mirror.sync(dataset, options=ROWS)
        with stage.mirror("now") as now, stage.reach() as own:
            now.sync(own, options=ROWS)
            assert contents(mirror) == contents(now)


def test_the_list_proves_nothing(stage: World) -> None:
    """What the server does not count is not held, though the list has it; what it counts comes,
    though the list lacks it."""
    made_up, lost = range(1_000, 1_030), stage.ids[5]

    def lie(path: str, params: dict[str, str], body: bytes) -> bytes:
        if path != "/api/image/" or params["per_page"] == "1":
            return body
        page = json.loads(body)
        rows = [one for one in page["images"] if one["id"] != lost]
        (mine, *_) = (one for one in rows if one["id"] == stage.ids[0])
        rows += [{**mine, "id": one} for one in made_up]
        return json.dumps({**page, "images": rows}).encode()

    who = {"username": "admin", "password": "admin-pw"}
    with (
        Proxy(stage.running.url, tamper=lie) as proxy,
        coir.connect(proxy.url, **who) as server,
        stage.mirror("m") as mirror,
    ):
        dataset = server.dataset(stage.dataset)
        planned, _ = mirror.plan(dataset, options=ROWS)
        assert sorted(action.id for action in planned) == stage.ids, (
            "a plan that takes back what it says cannot be carried out"
        )
        report = mirror.sync(dataset, options=ROWS)
        assert [image.id for image in mirror.images()] == stage.ids
        assert mirror.database.value("SELECT count(*) FROM tombstones") == 0
        assert {one.id for one in mirror.diff(since=0)}.isdisjoint(made_up)
        assert report.certificate is not None
        assert report.certificate.count == len(stage.ids)
    assert PRICES.lists == ListPrices(), "what a server has taught is not believed of another"


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("where", [Filter(), Filter(annotated=True)], ids=["all", "annotated"])
def test_interrupted_in_the_list(stage: World, where: Filter) -> None:
    """What was written stays, the rest comes, and what happened between the syncs is seen."""
    for image_id in stage.ids:
        stage.annotate(image_id, stage.own_categories[0])
    read: list[bool] = []

    def watch(*_: Any) -> None:
        if read:
            raise Interrupted

    with (
        stage.mirror("m") as mirror,
        edited(stage, in_the_list, lambda: read.append(True)) as dataset,
    ):
        with pytest.raises(Interrupted):
            mirror.sync(dataset, where, ROWS, watch=watch)
        held = [image.id for image in mirror.images()]
        assert 0 < len(held) < len(stage.ids)
        for image_id in (held[0], next(one for one in stage.ids if one not in held)):
            stage.delete("image", image_id)
        stage.annotate(held[1], stage.own_categories[1])
        stage.upload("new.jpg")
        mirror.sync(dataset, options=ROWS)
        with stage.mirror("now") as now, stage.reach() as own:
            now.sync(own, where, options=ROWS)
            assert contents(mirror) == contents(now)
        assert len(mirror) == len(stage.ids) - 2 + (where.annotated is None)


def is_page(path: str, params: dict[str, str]) -> bool:
    return path == "/api/image/" and params.get("per_page") == str(PAGE)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("shorter", [False, True])
def test_what_was_written_is_not_read_again(
    stage: World, monkeypatch: pytest.MonkeyPatch, shorter: bool
) -> None:
    """An interrupted first sync goes on with the pages of the list that it lacks, and asks for no
    ids; then it looks at the server as it is now. Where rows have moved to other pages it reads
    the listing instead."""
    monkeypatch.setattr("coir.mirror.first_list.SHORTER", 0)
    monkeypatch.setattr("coir.mirror.store.BATCH", 1)
    who = {"username": "admin", "password": "admin-pw"}
    asked: list[tuple[str, str]] = []  # with the number of a page of the list
    there: list[bool] = []

    def look(path: str, params: dict[str, str], body: bytes) -> bytes:
        whole = path == "/api/image/" and params["per_page"] == str(PAGE)
        asked.append((path, params["page"] if whole else ""))
        if in_the_list(stage, path, params, body):
            there.append(True)
        return body

    def pages() -> list[str]:
        return [page for _, page in asked if page]

    def watch(*_: Any) -> None:
        if len(there) == 1:
            raise Interrupted

    with Proxy(stage.running.url, tamper=look) as proxy, coir.connect(proxy.url, **who) as server:
        dataset = server.dataset(stage.dataset)
        with stage.mirror("m") as mirror, stage.mirror("now") as now, stage.reach() as own:
            with pytest.raises(Interrupted):
                mirror.sync(dataset, options=ROWS, watch=watch)
            assert 0 < len(mirror) < len(stage.ids)
            *written, _ = pages()
            assert written
            asked.clear()
            there.append(True)
            if shorter:
                stage.delete("image", stage.others[0])
            mirror.sync(dataset, options=ROWS)
            listed = [path.endswith("/data") for path, _ in asked]
            assert True in listed
            if not shorter:
                last = asked.index(("/api/image/", pages()[-1]))
                assert set(written).isdisjoint(pages())
                assert len(set(pages())) == len(pages())
                assert True not in listed[: last + 1]
            elif pages():
                assert listed.index(True) < asked.index(("/api/image/", pages()[0]))
            now.sync(own, options=ROWS)
            assert contents(mirror) == contents(now)
