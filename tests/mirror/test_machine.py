"""A server that is worked on while mirrors of it are synced, interrupted, and synced again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from coir.mirror import Limits, MaxDelete, Mirror, Options

from .world import World, contents, files, world

ANYTHING = Limits(MaxDelete(percent=100), allow_empty=True)


class Interrupted(BaseException):
    """What a person's Ctrl-C looks like."""


class Machine(RuleBasedStateMachine):
    """Two mirrors: one follows the change feed, one knows only what the original tells."""

    images: Bundle[int] = Bundle("images")
    annotations: Bundle[int] = Bundle("annotations")
    stage: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.stage()
        self.name = f"set-{self.world.dataset}"
        self.numbers = count(1)
        self.gone: list[tuple[str, int]] = []
        self.living: set[int] = set()
        self.labels: dict[int, int] = {}
        self.category: dict[int, int] = {}
        self.mirrors = {plain: self.world.mirror(f"{self.name}-{plain}") for plain in (False, True)}

    def teardown(self) -> None:
        for mirror in self.mirrors.values():
            mirror.close()

    # -- people at work -----------------------------------------------------------------

    @rule(target=images, folder=st.sampled_from(["", "a/", "b/"]))
    def upload(self, folder: str) -> int:
        image_id = self.world.upload(f"{folder}{next(self.numbers):03}.jpg")
        self.living.add(image_id)
        return image_id

    @rule(target=annotations, image=images, which=st.integers(0, 1))
    def annotate(self, image: int, which: int) -> int:
        known = self.known
        if image not in self.living or not known:
            return 0
        category = known[which % len(known)]
        made = self.world.annotate(image, category)
        self.category[made] = category
        self.labels[made] = image
        return made

    @rule(annotation=annotations, size=st.integers(2, 40))
    def edit(self, annotation: int, size: int) -> None:
        if self.labels.get(annotation) in self.living:
            corners = [[0, 0, size, 0, size, size]]
            self.world.change(
                annotation, category_id=self.category[annotation], segmentation=corners
            )

    @rule(annotation=annotations)
    def unlabel(self, annotation: int) -> None:
        if self.labels.get(annotation) in self.living:
            self.world.delete("annotation", annotation)
            del self.labels[annotation]

    @rule(image=images)
    def delete(self, image: int) -> None:
        if image in self.living:
            self.world.delete("image", image)
            self.living.remove(image)
            self.gone.append(("image", image))

    @rule()
    def delete_category(self) -> None:
        known = self.known
        if known:
            self.world.delete("category", known[-1])
            self.gone.append(("category", known[-1]))

    @property
    def known(self) -> list[int]:
        """The dataset's own categories that live."""
        own = self.world.own_categories
        return [one for one in self.world.categories() if one in own]

    @rule(which=st.integers(0, 5))
    def restore(self, which: int) -> None:
        if self.gone:
            kind, number = self.gone.pop(which % len(self.gone))
            self.world.restore(kind, number)
            if kind == "image":
                self.living.add(number)

    # -- mirrors ------------------------------------------------------------------------

    @rule(plain=st.booleans(), after=st.integers(0, 6))
    def interrupted(self, plain: bool, after: int) -> None:
        """A sync that ends after a few looks of whoever watches it."""
        looks = iter(range(after))

        def watch(*_: Any) -> None:
            if next(looks, None) is None:
                raise Interrupted

        with self.world.reach(plain=plain) as dataset, suppress(Interrupted):
            self._sync(self.mirrors[plain], dataset, plain, watch)

    @rule()
    def sync(self) -> None:
        """After a sync that ends, both hold what one made now would hold."""
        for plain, mirror in self.mirrors.items():
            with self.world.reach(plain=plain) as dataset:
                self._sync(mirror, dataset, plain)
        fresh = self.world.mirror(f"{self.name}-fresh")
        with fresh, self.world.reach(plain=True) as dataset:
            self._sync(fresh, dataset, plain=True)
            expected = contents(fresh), files(fresh)
        shutil.rmtree(fresh.path)
        for mirror in self.mirrors.values():
            assert (contents(mirror), files(mirror)) == expected

    def _sync(self, mirror: Mirror, dataset: Any, plain: bool, watch: Any = None) -> None:
        # What no row shows, a mirror without the feed has to look for.
        annotations = "full" if plain else "auto"
        options = Options(annotations=annotations, limits=ANYTHING)
        mirror.sync(dataset, options=options, watch=watch)


@pytest.mark.slow
def test_whatever_happens_a_mirror_becomes_like_its_server(tmp_path: Path) -> None:
    """However it was kept and interrupted, a mirror holds after a sync what a new one would."""
    with world(tmp_path) as first:
        numbers = iter(range(1, 1_000))

        def stage() -> World:
            return World(first.running, first.folder, f"birds{next(numbers)}")

        Machine.stage = staticmethod(stage)
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=12,
                stateful_step_count=15,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
