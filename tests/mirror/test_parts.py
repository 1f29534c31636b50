"""Mirrors of parts of one dataset, kept by the change feed: images enter and leave each of them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client.serving import Serving
from coir import Filter
from coir.mirror import Limits, MaxDelete, Mirror, Options
from server.running import job_of, scanned

from .library import painted
from .world import SQUARE, World, contents, files

ANY = Options(limits=Limits(MaxDelete(percent=100), allow_empty=True))


class History:
    """What happens to one dataset, so that images begin and cease to match filters."""

    def __init__(self, running: Serving, folder: Path) -> None:
        self.world = World(running, folder, "parted")
        self.home = running.directory("parted")
        self.cat, self.dog = self.world.own_categories
        self.one, self.two, self.three, self.four = (
            self.world.upload(f"{folder}/{number}.jpg", painted(number))
            for number, folder in enumerate("aabb", 1)
        )

    def filters(self) -> dict[str, Filter]:
        """The parts that are mirrored."""
        return {
            "folder": Filter(folder="a"),
            "category": Filter(categories=[self.cat]),
            "annotated": Filter(annotated=True),
            "not annotated": Filter(annotated=False),
            "some": Filter(min_annotations=2),
            "wide": Filter(min_width=100),
            "both": Filter(folder="a", categories=[self.dog]),
        }

    def steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """What happens, by its name, in its order."""
        world = self.world
        first = world.annotate(self.one, self.cat)
        yield "the first is annotated", lambda: None
        second = world.annotate(self.three, self.dog)
        yield "another is", lambda: None
        yield "its category changes", lambda: self._relabel(second, self.cat)
        yield "and that of the first", lambda: self._relabel(first, self.dog)
        yield "a second annotation", lambda: world.annotate(self.one, self.cat)
        yield "one is deleted", lambda: world.delete("annotation", first)
        yield "the only one is deleted", lambda: world.delete("annotation", second)
        yield "and comes back", lambda: world.restore("annotation", second)
        yield "a file leaves the folder", lambda: self._move("a/2.jpg", "b/2.jpg")
        yield "an annotated one enters it", lambda: self._move("b/3.jpg", "a/3.jpg")
        yield "two swap folders", self._swap
        yield "an image is deleted", lambda: world.delete("image", self.three)
        yield "another is annotated meanwhile", lambda: world.annotate(self.four, self.dog)
        yield "it comes back", lambda: world.restore("image", self.three)
        yield "a file is replaced by a wide one", lambda: self._write("b/4.jpg", 90)
        yield "and by a narrow one", lambda: self._write("b/4.jpg", 4)
        yield "one without outline", lambda: world.annotate(self.two, self.cat, segmentation=[])
        yield "a file is imported", self._imported
        yield "a category has another name", self._renamed
        yield "a new image", lambda: world.upload("a/5.jpg", painted(50))
        yield "another image is deleted", lambda: world.delete("image", self.two)
        yield "and one more", lambda: world.delete("image", self.four)

    def _relabel(self, annotation_id: int, category_id: int) -> None:
        self.world.change(annotation_id, category_id=category_id, segmentation=SQUARE)

    def _move(self, *places: str) -> None:
        for before, after in zip(places[::2], places[1::2], strict=True):
            (self.home / before).rename(self.home / after)
        scanned(self.world.admin, self.world.dataset)

    def _swap(self) -> None:
        self._move("a/1.jpg", "b/1.jpg", "b/2.jpg", "a/2.jpg")

    def _write(self, place: str, number: int) -> None:
        (self.home / place).write_bytes(painted(number))
        scanned(self.world.admin, self.world.dataset)

    def _imported(self) -> None:
        told = {
            "images": [{"id": 1, "file_name": "2.jpg"}],
            "categories": [{"id": 1, "name": "parted dog"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        }
        file = {"coco": ("x.json", json.dumps(told), "application/json")}
        path = f"/api/dataset/{self.world.dataset}/coco"
        job_of(self.world.admin, self.world.admin.post(path, files=file))

    def _renamed(self) -> None:
        path = f"/api/category/{self.cat}"
        assert self.world.admin.put(path, json={"name": "tomcat"}).status_code == 200


@pytest.mark.slow
def test_images_enter_and_leave(running: Serving, tmp_path: Path) -> None:
    """After each step, each part holds what a mirror of it would that is made now."""
    history = History(running, tmp_path)
    world, filters = history.world, history.filters()
    entered, left = Counter[str](), Counter[str]()
    mirrors = {name: world.mirror(name) for name in filters}
    with world.reach() as dataset:
        for name, mirror in mirrors.items():
            mirror.sync(dataset, filters[name], ANY)
        for what, step in history.steps():
            step()
            for name, mirror in mirrors.items():
                report = mirror.sync(dataset, options=ANY)
                assert report.mode == "feed"
                entered[name] += report.counts.images_added
                left[name] += report.counts.images_removed
                with Mirror(tmp_path / "now") as now:
                    now.sync(dataset, filters[name], ANY)
                    assert contents(mirror) == contents(now), f"{name}: {what}"
                    assert files(mirror) == files(now), f"{name}: {what}"
                shutil.rmtree(tmp_path / "now")
    for mirror in mirrors.values():
        mirror.close()
    assert all(entered[name] and left[name] for name in filters)
