"""Histories of annotations that programs post to the original, and mirrors of it."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coir import Dataset
from coir.mirror import Limits, MaxDelete, Mirror, Options

from .test_clocks import Interrupted
from .test_posted import Original, held, original
from .world import World, contents, world

LIMITS = Limits(max_delete=MaxDelete(percent=100.0), allow_empty=True)
FULL = Options(images="none", recheck=0, concurrency=1, limits=LIMITS, annotations="full")
NONE = Options(images="none", recheck=0, concurrency=1, limits=LIMITS, annotations="none")
QUICK = Options(images="none", recheck=0, concurrency=1, limits=LIMITS, quick=True)
ROWS = Options(images="none", recheck=0, concurrency=1, limits=LIMITS)
STEPS = 24


@dataclass
class History:
    """What happens, by chance, to a dataset and a mirror of it."""

    stage: World
    dataset: Dataset
    mirror: Mirror
    chance: random.Random
    alive: list[int]
    gone: list[int] = field(default_factory=list)
    posted: dict[int, int] = field(default_factory=dict)

    def step(self) -> None:
        """One thing that happens."""
        does = [self.post, self.post, self.upload, self.delete, self.restore, self.sync, self.end]
        self.chance.choice(does)()

    def post(self) -> None:
        """A program posts an annotation."""
        if self.alive:
            image_id = self.chance.choice(self.alive)
            made = self.stage.annotate(image_id, self.chance.choice(self.stage.own_categories))
            self.posted[made] = image_id

    def upload(self) -> None:
        """An image is new."""
        self.alive.append(self.stage.upload())

    def delete(self) -> None:
        """An image goes that the mirror holds: another one would be new when it comes back."""
        if self.alive:
            self.mirror.sync(self.dataset, options=QUICK)
            self.gone.append(self.alive.pop(self.chance.randrange(len(self.alive))))
            self.stage.delete("image", self.gone[-1])

    def restore(self) -> None:
        """An image comes back."""
        if self.gone:
            self.alive.append(self.gone.pop(self.chance.randrange(len(self.gone))))
            self.stage.restore("image", self.alive[-1])

    def sync(self) -> None:
        """A sync of any kind."""
        self.mirror.sync(self.dataset, options=self.chance.choice([QUICK, NONE, ROWS]))

    def end(self) -> None:
        """A sync is interrupted, perhaps."""
        left = self.chance.randrange(8)

        def watch(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Interrupted

        with suppress(Interrupted):
            self.mirror.sync(self.dataset, options=ROWS, watch=watch)


@pytest.mark.parametrize("seed", range(3))
def test_a_mirror_has_what_was_posted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever happened, a sync has what one has that looks into every image; none asks twice."""
    monkeypatch.setattr("coir.mirror.posted.BATCH", 3)
    shown = Original()
    with (
        world(tmp_path) as stage,
        original(stage, shown) as dataset,
        stage.mirror("m") as mirror,
        stage.mirror("full") as full,
    ):
        alive = stage.running.fill([stage.dataset] * 6)[stage.dataset]
        history = History(stage, dataset, mirror, random.Random(seed), alive)
        shown.posted = history.posted
        mirror.sync(dataset, options=ROWS)
        for _ in range(STEPS):
            history.step()
        assert mirror.sync(dataset, options=ROWS).unseen == 0
        full.sync(dataset, options=FULL)
        assert held(mirror) == held(full)
        assert contents(mirror) == contents(full)
        shown.forget()
        mirror.sync(dataset, options=ROWS)
        assert len(shown.singles) < 20
        assert shown.looked_into == []
