"""Annotations that programs posted to the original: the rows of their images stay as they were."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import coir
from coir import Dataset, Filter
from coir.errors import IncompleteSync
from coir.mirror import Limits, MaxDelete, Mirror, Options
from coir.mirror.posted import FARTHEST, NEAR, newest
from scan.proxy import Proxy, Tamper

from .test_clocks import Interrupted
from .world import World, contents, world

NUMBERS = itertools.count(1)
ROWS = Options(images="none", recheck=0, concurrency=1)
FULL = Options(images="none", recheck=0, concurrency=1, annotations="full")


@dataclass
class Original:
    """A server whose rows do not show what programs posted; it writes down what it is asked for.

    ``counted`` are images whose annotations were saved by the page, which counts them; ``posted``
    says on which image annotations are that it gives though the image was deleted.
    """

    counted: set[int] = field(default_factory=set)
    posted: dict[int, int] = field(default_factory=dict)
    singles: list[int] = field(default_factory=list)
    looked_into: list[int] = field(default_factory=list)

    def tamper(self, path: str, _: dict[str, str], body: bytes) -> bytes | tuple[int, bytes]:
        """Answer as the original does."""
        kind, _, rest = path.removeprefix("/api/").partition("/")
        if kind == "annotation" and rest.isdecimal():
            self.singles.append(int(rest))
            if int(rest) in self.posted:
                told = {"image_id": self.posted[int(rest)], "deleted": False}
                return 200, json.dumps(told).encode()
        elif kind == "image" and rest.endswith("/coco"):
            self.looked_into.append(int(rest.partition("/")[0]))
        elif path == "/api/image/" or path.endswith("/data"):
            page = json.loads(body)
            for row in page["images"]:
                if row["id"] not in self.counted:
                    row |= {"annotated": False, "num_annotations": 0}
            return json.dumps(page).encode()
        return body

    def forget(self) -> None:
        """Begin to write down anew."""
        self.singles.clear()
        self.looked_into.clear()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[World]:
    """A dataset of sixteen images without annotations, between those of another one."""
    with world(tmp_path) as made:
        other = World(made.running, tmp_path, "other")
        filled = made.running.fill([made.dataset, other.dataset] * 16)
        made.ids, made.others, made.other = filled[made.dataset], filled[other.dataset], other
        yield made


@contextmanager
def original(
    stage: World, shown: Original, *, user: str = "admin", tamper: Tamper | None = None
) -> Iterator[Dataset]:
    """The dataset as the original shows it, or as ``tamper`` wants."""
    with (
        Proxy(stage.running.url, tamper=tamper or shown.tamper) as proxy,
        coir.connect(proxy.url, username=user, password=f"{user}-pw") as server,
    ):
        yield server.dataset(stage.dataset)


def post(stage: World, image_ids: list[int]) -> list[int]:
    """Annotations that a program posts."""
    return [stage.annotate(one, stage.own_categories[0]) for one in image_ids]


def held(mirror: Mirror) -> set[int]:
    """The ids of the annotations in a mirror."""
    return {one.id for _, annotations in mirror for one in annotations}


def test_a_first_sync_has_them_all(stage: World) -> None:
    """It is like one that looks into every image; so is a sync after more were posted."""
    shown = Original(counted={stage.ids[0]})
    posted = post(stage, stage.ids[:4])
    with (
        original(stage, shown) as dataset,
        stage.mirror("m") as mirror,
        stage.mirror("full") as full,
    ):
        report = mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)
        assert report.unseen == 0
        full.sync(dataset, options=FULL)
        assert contents(mirror) == contents(full)
        more = post(stage, [stage.ids[1], stage.ids[9]])
        assert mirror.sync(dataset, options=ROWS).counts.annotations_added == 2
        assert held(mirror) == {*posted, *more}
        full.sync(dataset, options=FULL)
        assert contents(mirror) == contents(full)


def test_a_first_sync_that_is_to_be_quick(stage: World) -> None:
    """It is a full one, and has them."""
    posted = post(stage, stage.ids[:4])
    quick = Options(images="none", concurrency=1, quick=True)
    with original(stage, Original()) as dataset, stage.mirror("m") as mirror:
        assert mirror.sync(dataset, options=quick).mode == "full"
        assert held(mirror) == set(posted)


def test_only_new_ones_are_asked_for(stage: World) -> None:
    """Where nothing was posted, some ids behind the last one; of others each once."""
    shown = Original()
    post(stage, stage.ids[:2])
    foreign = [stage.other.annotate(stage.others[0], stage.other.own_categories[0])]
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, options=ROWS)
        shown.forget()
        mirror.sync(dataset, options=ROWS)
        assert all(one > foreign[-1] for one in shown.singles)
        assert 0 < len(shown.singles) < 20
        assert shown.looked_into == []
        shown.forget()
        foreign.append(stage.other.annotate(stage.others[0], stage.other.own_categories[0]))
        (new,) = post(stage, stage.ids[5:6])
        mirror.sync(dataset, options=ROWS)
        assert shown.looked_into == [stage.ids[5]]
        assert new in held(mirror)
        shown.forget()
        mirror.sync(dataset, options=ROWS)
        assert all(one > new for one in shown.singles)


def test_a_small_dataset_of_a_large_server(stage: World) -> None:
    """Where others have more annotations than it has images, the images are looked into."""
    shown = Original()
    posted = post(stage, stage.ids[3:4])
    foreign = {
        stage.other.annotate(image_id, stage.other.own_categories[0])
        for image_id in stage.others * 5
    }
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)
        assert sorted(shown.looked_into) == stage.ids
        assert len(foreign.intersection(shown.singles)) < 12  # to find the last one
        shown.forget()
        mirror.sync(dataset, options=ROWS)
        assert shown.looked_into == []
        assert len(shown.singles) < 20


def test_an_image_that_fails_once(stage: World) -> None:
    """The next sync tries again, as it is said, though the row says nothing new."""
    shown, failing = Original(), [True]
    posted = post(stage, stage.ids[3:4])
    for image_id in stage.others * 5:
        stage.other.annotate(image_id, stage.other.own_categories[0])

    def tamper(path: str, params: dict[str, str], body: bytes) -> bytes | int | tuple[int, bytes]:
        if path == f"/api/image/{stage.ids[3]}/coco" and failing:
            return 500
        return shown.tamper(path, params, body)

    with original(stage, shown, tamper=tamper) as dataset, stage.mirror("m") as mirror:
        with pytest.raises(IncompleteSync, match="Of 1 images"):
            mirror.sync(dataset, options=ROWS)
        failing.clear()
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)


def test_an_image_that_comes_back(stage: World) -> None:
    """What was posted on it before it was deleted comes, too."""
    shown = Original()
    posted = post(stage, stage.ids[2:3])
    stage.delete("image", stage.ids[2])
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set()
        stage.restore("image", stage.ids[2])
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)


@pytest.mark.parametrize("gone", [1, 16])
def test_images_that_were_held_come_back(stage: World, gone: int) -> None:
    """Those behind which the mirror holds none, too: the newest one, or all."""
    shown = Original()
    limits = Limits(max_delete=MaxDelete(percent=100.0), allow_empty=True)
    anything = Options(images="none", recheck=0, concurrency=1, limits=limits)
    ids = stage.ids[-gone:]
    posted = post(stage, ids)
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, options=ROWS)
        for image_id in ids:
            stage.delete("image", image_id)
        mirror.sync(dataset, options=anything)
        assert held(mirror) == set()
        for image_id in ids:
            stage.restore("image", image_id)
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)


def test_an_image_that_begins_to_match(stage: World) -> None:
    """What was posted on it while a filter left it out comes, too."""
    shown = Original()
    posted = post(stage, stage.ids[2:3])
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        where = Filter(annotated=True)
        shown.counted = {stage.ids[0]}
        stage.annotate(stage.ids[0], stage.own_categories[1])
        mirror.sync(dataset, where, ROWS)
        assert len(mirror) == 1
        shown.counted = set(stage.ids)
        mirror.sync(dataset, where, ROWS)
        assert set(posted) < held(mirror)


def test_a_category_that_comes_back(stage: World) -> None:
    """It brings back what was posted, though the number of no image says so."""
    shown = Original()
    posted = post(stage, stage.ids[:2])
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, options=ROWS)
        stage.delete("category", stage.own_categories[0])
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set()
        stage.restore("category", stage.own_categories[0])
        shown.forget()
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)
        assert shown.looked_into == stage.ids[:2]


def test_an_interruption(stage: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for before it is not asked for again; what was posted since comes, too."""
    monkeypatch.setattr("coir.mirror.posted.BATCH", 5)
    posted = post(stage, stage.ids)
    shown = Original()

    def watch(phase: str, done: int, _: int | None) -> None:
        if phase == "looking" and done > 10:
            raise Interrupted

    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        with pytest.raises(Interrupted):
            mirror.sync(dataset, options=ROWS, watch=watch)
        shown.forget()
        more = post(stage, stage.ids[:1])
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == {*posted, *more}
        assert [one for one in shown.singles if one <= posted[-1]] == posted[10:]


def test_no_time_for_all(stage: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no longer than the rest of a sync, and tells how many are left."""
    monkeypatch.setattr("coir.mirror.posted.BATCH", 1)
    monkeypatch.setattr("coir.mirror.sync.LOOKING", 0.0)
    posted = post(stage, stage.ids)
    shown = Original()
    listed: list[str] = []
    pause = 1.0

    def slow(path: str, params: dict[str, str], body: bytes) -> bytes | tuple[int, bytes]:
        if path.endswith("/data"):
            listed.append(path)
        elif path.startswith("/api/annotation/") and listed:
            time.sleep(pause)
        return shown.tamper(path, params, body)

    with original(stage, shown, tamper=slow) as dataset, stage.mirror("m") as mirror:
        report = mirror.sync(dataset, options=ROWS)
        assert 0 < report.unseen < len(posted)
        assert f"{report.unseen} are not looked at yet" in report.words()
        assert len(held(mirror)) == len(posted) - report.unseen
        pause = 0.0
        assert mirror.sync(dataset, options=FULL).unseen == 0
        assert held(mirror) == set(posted)


def test_a_server_that_has_moved(stage: World) -> None:
    """Another copy of its database may count on from an earlier one: what is not held is asked."""
    shown = Original()
    foreign = stage.other.annotate(stage.others[0], stage.other.own_categories[0])
    moved = Options(images="none", recheck=0, concurrency=1, moved=True)
    with stage.mirror("m") as mirror:
        with original(stage, shown) as dataset:
            mirror.sync(dataset, options=ROWS)
        shown.forget()
        with original(stage, shown) as dataset:
            mirror.sync(dataset, options=moved)
        assert foreign in shown.singles


def test_who_may_not_see_all(stage: World) -> None:
    """To them the sequence has gaps: nothing is asked for."""
    shown = Original()
    post(stage, stage.ids[:1])
    stage.running.user("bob")
    stage.admin.post(f"/api/dataset/{stage.dataset}/share", json={"users": ["bob"]})
    with original(stage, shown, user="bob") as dataset, stage.mirror("m") as mirror:
        assert mirror.sync(dataset, options=ROWS).unseen == 0
        assert shown.singles == []


def test_without_annotations(stage: World) -> None:
    """Nothing is asked for, until annotations are wanted."""
    shown = Original()
    posted = post(stage, stage.ids[:1])
    none = Options(images="none", annotations="none", concurrency=1)
    with original(stage, shown) as dataset, stage.mirror("m") as mirror:
        mirror.sync(dataset, options=none)
        assert shown.singles == []
        mirror.sync(dataset, options=ROWS)
        assert held(mirror) == set(posted)


def test_a_server_that_gives_no_single_ones(stage: World) -> None:
    """A sync does without."""
    shown = Original()

    def tamper(path: str, _: dict[str, str], body: bytes) -> bytes | int:
        return 404 if path.startswith("/api/annotation/") else body

    with original(stage, shown, tamper=tamper) as dataset, stage.mirror("m") as mirror:
        assert mirror.sync(dataset, options=ROWS).unseen == 0


@pytest.mark.parametrize("answer", [500, b'{"image_id": 1, "area": NaN}'])
@pytest.mark.parametrize("number", [1, 5])
def test_ones_that_fail(
    stage: World, monkeypatch: pytest.MonkeyPatch, number: int, answer: bytes | int
) -> None:
    """The others come; those that fail are told, and come once the server gives them."""
    monkeypatch.setattr("coir.mirror.posted.UNTOLD", 3)
    shown, failing, listed = Original(), set[str](), list[str]()
    posted = post(stage, stage.ids[:8])
    failing.update(f"/api/annotation/{one}" for one in posted[1 : 1 + number])

    def tamper(path: str, params: dict[str, str], body: bytes) -> bytes | int | tuple[int, bytes]:
        if path.endswith("/data"):
            listed.append(path)
        if path in failing and listed:
            return answer
        return shown.tamper(path, params, body)

    with original(stage, shown, tamper=tamper) as dataset, stage.mirror("m") as mirror:
        several = number > 1
        for _ in range(2):
            assert mirror.sync(dataset, options=ROWS).unseen == (8 if several else 1)
            assert held(mirror) == (set() if several else {*posted} - {posted[1]})
        failing.clear()
        assert mirror.sync(dataset, options=ROWS).unseen == 0
        assert held(mirror) == set(posted)
        assert mirror.sync(dataset, options=ROWS).unseen == 0


def test_the_first_of_the_new_ones_fails(stage: World) -> None:
    """The search goes on behind it."""
    shown = Original()
    posted = post(stage, stage.ids[:3])
    broken = f"/api/annotation/{posted[0]}"

    def tamper(path: str, params: dict[str, str], body: bytes) -> bytes | int | tuple[int, bytes]:
        return b'{"area": NaN}' if path == broken else shown.tamper(path, params, body)

    with original(stage, shown, tamper=tamper) as dataset, stage.mirror("m") as mirror:
        assert mirror.sync(dataset, options=ROWS).unseen == 1
        assert held(mirror) == set(posted[1:])
        assert mirror.sync(dataset, options=FULL).unseen == 0
        assert held(mirror) == set(posted)


# -- the search for the last one --------------------------------------------------------


def found(there: set[int], known: int) -> tuple[int, int]:
    """The last id that a search finds, and how many it asks for."""
    searching = newest(known)
    asked, number = next(searching), 0
    while True:
        number += 1
        try:
            asked = searching.send(asked in there)
        except StopIteration as stop:
            last: int = stop.value
            return last, number


@given(last=st.integers(0, 10**7), known=st.integers(0, 10**7))
def test_the_last_of_a_sequence(last: int, known: int) -> None:
    """It is found with few questions, however far it is."""
    there = range(1, last + 1)
    start = min(last, known)
    assert found(there, start)[0] == last  # type: ignore[arg-type]  # asked whether it has one
    assert found(there, start)[1] <= 100  # type: ignore[arg-type]
    assert found(there, last)[1] < 20  # type: ignore[arg-type]


@given(there=st.sets(st.integers(1, 3_000), max_size=200), known=st.integers(0, 3_000))
def test_a_sequence_with_gaps(there: set[int], known: int) -> None:
    """What is found is there, or was known."""
    last, _ = found(there, known)
    assert last >= known
    assert last == known or last in there


@given(gap=st.integers(0, FARTHEST // 2), run=st.integers(1, 3_000))
def test_a_gap(gap: int, run: int) -> None:
    """One that is narrow, or not wider than what lies behind it, is passed."""
    there = set(range(gap + 1, gap + run + 1))
    last, _ = found(there, 0)
    if gap < NEAR or run > gap:
        assert last == gap + run
    else:
        assert last in {0, gap + run}
