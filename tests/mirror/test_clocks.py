"""Wall clocks that are set: what a mirror does goes by none, and what it tells is in order."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.serving import Serving
from coir import MirrorBusy
from coir.errors import SyncStopped
from coir.mirror import Limits, MaxDelete, Options
from coir.mirror.aging import FIRST, Moment, since
from coir.mirror.lock import holder, locked

from .test_lock import holding
from .world import World, contents, files

DAY = 24 * 3600.0
YEAR = 365 * DAY
# A session's cookie lapses on the way, and some moments lie before 1970.
SETTINGS = [40 * YEAR, -60 * YEAR, 0.0, 0.2 * YEAR, -0.2 * YEAR, 1 * YEAR]


class Clock:
    """The wall clock of this process, which can be set; others of its clocks cannot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The wall clock."""
    return Clock(monkeypatch)


class Interrupted(BaseException):
    """What a person's Ctrl-C looks like."""


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
def test_a_clock_that_is_set_between_and_in_syncs(
    running: Serving, tmp_path: Path, clock: Clock, plain: bool
) -> None:
    """A mirror holds what it would anyhow, and its history is in the order of its syncs."""
    stage = World(running, tmp_path, f"set {plain}")
    ids = [stage.upload() for _ in range(4)]
    settings = itertools.cycle(SETTINGS)

    def watch(phase: str, *_: Any) -> None:
        clock.ahead = next(settings)

    def interrupted(phase: str, *_: Any) -> None:
        watch(phase)
        if phase == "annotations":
            raise Interrupted

    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        for step in range(4):
            stage.annotate(ids[step], stage.own_categories[0])
            stage.delete("image", stage.upload(f"{step} gone.jpg"))
            stage.upload(f"{step} stays.jpg")
            with suppress(Interrupted):
                mirror.sync(dataset, options=Options(recheck=1), watch=interrupted)
            report = mirror.sync(dataset, options=Options(recheck=1), watch=watch)
            assert 0 <= report.seconds < 60
            last = mirror.status().last
            assert last is not None
            assert last.sync == report.sync
        numbers = [one.sync for one in mirror.log()]
        assert numbers == sorted(numbers, reverse=True)
        started = [one.started for one in mirror.log()]
        assert started != sorted(started, reverse=True), "the clock was set"
        clock.ahead = 0.0
        with stage.mirror("now") as now:
            now.sync(dataset)
            assert (contents(mirror), files(mirror)) == (contents(now), files(now))
        assert not mirror.status().due


def test_the_trash_when_the_clock_is_set_back(
    running: Serving, tmp_path: Path, clock: Clock
) -> None:
    """What seems to come from the future is not old: it stays, until it is or all is emptied."""
    stage = World(running, tmp_path, "trash")
    ids = [stage.upload() for _ in range(2)]
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        stage.delete("image", ids[0])
        mirror.sync(dataset, options=Options(limits=Limits(MaxDelete(percent=100))))
        clock.ahead = -3 * YEAR
        assert mirror.gc(timedelta(days=30)).files == 0
        assert mirror.gc(timedelta()).files == 0
        clock.ahead = 31 * 24 * 3600.0
        assert mirror.gc(timedelta(days=32)).files == 0
        assert mirror.gc(timedelta(days=30)).files == 1
        stage.delete("image", ids[1])
        mirror.sync(dataset, options=Options(limits=Limits(allow_empty=True)))
        clock.ahead = -3 * YEAR
        assert mirror.gc().files == 1


@pytest.mark.parametrize("wrong", [-60 * YEAR, -0.5 * YEAR, 40 * YEAR])
@pytest.mark.parametrize("again", [False, True], ids=["gc", "sync"])
def test_the_trash_when_the_clock_was_wrong(
    running: Serving, tmp_path: Path, clock: Clock, wrong: float, again: bool
) -> None:
    """What was put there by a wrong clock counts from the next sync or gc by a right one."""
    stage = World(running, tmp_path, f"wrong {wrong} {again}")
    ids = [stage.upload() for _ in range(3)]
    every = Options(limits=Limits(MaxDelete(percent=100)))
    month = timedelta(days=30)
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        clock.ahead = wrong
        for one in ids[:2]:  # the second sync is no better witness than the first
            stage.delete("image", one)
            mirror.sync(dataset, options=every)
        mirror.gc(month)
        clock.ahead = 0.0
        if again:
            mirror.sync(dataset, options=every)
        assert mirror.gc(month).files == 0
        clock.ahead = 29 * DAY
        assert mirror.gc(month).files == 0
        clock.ahead = 31 * DAY
        assert mirror.gc(month).files == 2
        stage.delete("image", ids[2])
        mirror.sync(dataset, options=Options(limits=Limits(allow_empty=True)))
        clock.ahead = 60 * DAY
        assert mirror.gc(month).files == 0
        clock.ahead = 62 * DAY
        assert mirror.gc(month).files == 1


def test_the_trash_of_a_mirror_whose_clock_was_always_behind(
    running: Serving, tmp_path: Path, clock: Clock
) -> None:
    """A moment before there was any mirror is not believed, though none was told before it."""
    stage = World(running, tmp_path, "always")
    ids = [stage.upload() for _ in range(2)]
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        clock.ahead = -50 * YEAR
        mirror.sync(dataset)
        stage.delete("image", ids[0])
        mirror.sync(dataset)
        clock.ahead = 0.0
        (mirror.path / ".coir/trash/by hand").mkdir()
        assert mirror.gc(timedelta(days=30)).files == 0
        clock.ahead = 31 * DAY
        assert mirror.gc(timedelta(days=30)).files == 1
        assert not mirror.trash.folders()


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
@pytest.mark.parametrize("ending", ["done", "stopped", "killed"])
def test_the_trash_of_a_mirror_whose_clock_was_a_little_behind_all_the_time(
    running: Serving, tmp_path: Path, clock: Clock, plain: bool, ending: str
) -> None:
    """The later of two clocks is believed: the server's tells that this machine's is behind."""
    stage = World(running, tmp_path, f"a little behind {plain} {ending}")
    ids = [stage.upload() for _ in range(4)]
    every = Options(limits=Limits(MaxDelete(percent=100)))
    month = timedelta(days=30)
    with stage.mirror("m") as mirror, stage.reach(plain=plain) as dataset:
        clock.ahead = -0.5 * YEAR
        assert time.time() * 1000 > FIRST
        mirror.sync(dataset)
        stage.delete("image", ids[0])
        mirror.sync(dataset, options=every)
        assert mirror.gc(month).files == 0
        stage.delete("image", ids[1])
        if ending == "done":
            mirror.sync(dataset, options=every)
        else:

            def watch(phase: str, *_: Any) -> None:
                if phase == "files":
                    raise Interrupted

            stage.upload()
            with pytest.raises(Interrupted):
                mirror.sync(dataset, options=every, watch=watch)
            if ending == "killed":  # the begin of the next one is all that is told
                with pytest.raises(Interrupted):
                    mirror.sync(dataset, options=every, watch=watch)
            else:
                stage.delete("image", ids[2])
                with pytest.raises(SyncStopped):
                    mirror.sync(dataset, options=Options(limits=Limits(MaxDelete(number=0))))
        clock.ahead = 0.0
        assert mirror.gc(month).files == 0
        clock.ahead = 29 * DAY
        assert mirror.gc(month).files == 0
        clock.ahead = 31 * DAY
        assert mirror.gc(month).files == 2


def test_a_server_whose_clock_is_ahead(running: Serving, tmp_path: Path, clock: Clock) -> None:
    """What seems to come from the future counts from the first `gc` that sees it."""
    stage = World(running, tmp_path, "ahead")
    ids = [stage.upload() for _ in range(2)]
    month = timedelta(days=30)
    clock.ahead = -YEAR / 4  # to this machine, the server is
    with stage.mirror("m") as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        stage.delete("image", ids[0])
        mirror.sync(dataset)
        assert mirror.gc(month).files == 0
        clock.ahead = -YEAR / 4 + 29 * DAY
        assert mirror.gc(month).files == 0
        clock.ahead = -YEAR / 4 + 31 * DAY
        assert mirror.gc(month).files == 1


@given(
    clocks=st.lists(st.integers(FIRST - 10, FIRST + 100), max_size=8),
    now=st.integers(FIRST, FIRST + 100),
    sync=st.integers(1, 4),
)
def test_since_when(clocks: list[int], now: int, sync: int) -> None:
    """It is a moment that was told, after the sync, and none earlier that could be right."""
    moments = [Moment(number // 2, clock) for number, clock in enumerate(clocks)]
    at = since(sync, moments, now)
    right = [
        one.clock
        for number, one in enumerate(moments)
        if one.syncs >= sync
        and FIRST <= one.clock <= now
        and all(before.clock <= one.clock for before in moments[:number] if before.clock <= now)
    ]
    assert at == (right[0] if right else None)


@pytest.mark.parametrize("age", [-3 * YEAR, 3 * YEAR], ids=["from the future", "old"])
def test_a_lock_is_held_however_old_it_seems(tmp_path: Path, age: float) -> None:
    """Its process holds it, and nothing else does."""
    lock = tmp_path / ".coir" / "lock"
    process = holding(lock)
    moment = time.time() - age
    os.utime(lock, (moment, moment))
    assert holder(lock) == process.pid
    with pytest.raises(MirrorBusy), locked(lock):
        raise AssertionError
    process.kill()
    process.communicate()
    os.utime(lock, (moment, moment))
    assert holder(lock) is None
    with locked(lock):
        assert holder(lock) == os.getpid()
