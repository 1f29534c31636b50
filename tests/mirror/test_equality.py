"""What people do, step by step: the feed and the original's contract lead to the same mirror."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from client.serving import Serving
from coir.mirror import Limits, MaxDelete, Options
from server.running import job_of, picture, scanned

from .world import SQUARE, World, contents, files

ANY = Limits(MaxDelete(percent=100))
FEED = Options(limits=ANY)
# Of the edits that no row shows, the original's contract tells nothing: all is looked into.
LISTING = Options(limits=ANY, annotations="full")
FIRST, LAST = "a_file_is_found_by_a_scan", "another_gets_its_name"


class Story:
    """What happens to one dataset: each method is a step, and they are taken in their order."""

    def __init__(self, running: Serving, folder: Path) -> None:
        self.world = World(running, folder, "told")
        self.admin = self.world.admin
        self.dataset = self.world.dataset
        self.home = running.directory("told")
        self.cat, self.dog = self.world.own_categories
        self.image = self.world.upload("a.jpg")
        self.other = self.world.upload("b.jpg")
        self.mark = self.world.annotate(self.image, self.cat)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """The steps, by their names; the first one is none."""
        yield "nothing", lambda: None
        names = list(vars(type(self)))
        for name in names[names.index(FIRST) : names.index(LAST) + 1]:
            if not name.startswith("_"):
                yield name, getattr(self, name)

    def _asked(self, method: str, path: str, **more: Any) -> Any:
        answer = self.admin.request(method, path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    def _page(self, image_id: int, category_id: int, *marks: dict[str, Any], **more: Any) -> None:
        shown = {"id": category_id, "annotations": list(marks)} | more
        body = {"image": {"id": image_id, "metadata": {"k": 1}}, "categories": [shown]}
        self._asked("POST", "/api/annotator/data", json=body)

    def _removed_for_good(self, kind: str, number: int) -> None:
        self._asked("DELETE", "/api/undo/", params={"id": number, "instance": kind})

    # -- images ---------------------------------------------------------------------------

    def a_file_is_found_by_a_scan(self) -> None:
        (self.home / "deep").mkdir()
        (self.home / "deep" / "c.jpg").write_bytes(picture(50, 40))
        scanned(self.admin, self.dataset)

    # -- the annotation page --------------------------------------------------------------

    def a_page_sets_metadata(self) -> None:
        self._page(self.image, self.cat, {"id": self.mark, "metadata": {"seen": "yes"}})

    def a_page_draws(self) -> None:
        corners = [[10, 10], [40, 10], [40, 40]]
        drawn = ["Path", {"applyMatrix": True, "segments": corners, "closed": True}]
        self._page(
            self.image, self.cat,
            {"id": self.mark, "color": "#123456", "isbbox": False, "keypoints": [3, 4, 2],
             "compoundPath": ["CompoundPath", {"applyMatrix": True, "children": [drawn]}]},
        )  # fmt: skip

    def a_page_sets_keypoints_of_a_category(self) -> None:
        labels = {"keypoint_labels": ["head", "tail"], "keypoint_edges": [[1, 2]]}
        self._page(self.image, self.cat, color="#abcdef", **labels)

    def a_page_draws_in_another_category(self) -> None:
        self.second = self.world.annotate(self.image, self.dog, segmentation=[])
        self._page(self.image, self.dog, {"id": self.second, "keypoints": [5, 6, 2]})

    # -- annotations ----------------------------------------------------------------------

    def annotations_are_copied(self) -> None:
        self._asked("POST", f"/api/image/copy/{self.image}/{self.other}/annotations", json={})

    def an_annotation_changes_its_category(self) -> None:
        self.world.change(self.mark, category_id=self.dog)

    def an_outline_is_moved(self) -> None:
        self.world.change(self.mark, category_id=self.dog, segmentation=[[0, 0, 9, 0, 9, 9]])

    def an_annotation_of_a_category_from_elsewhere(self) -> None:
        made = self._asked("POST", "/api/category/", json={"name": "elsewhere"})
        self.elsewhere = made["id"]
        self.third = self.world.annotate(self.other, self.elsewhere)

    def metadata_are_reset(self) -> None:
        path = f"/api/dataset/{self.dataset}"
        self._asked("POST", path, json={"default_annotation_metadata": {"n": "m"}})
        self._asked("GET", f"{path}/reset/metadata")

    def a_file_is_imported(self) -> None:
        told = {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
            "categories": [{"id": 1, "name": "imported"}, {"id": 2, "name": "told cat"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
                {"id": 2, "image_id": 2, "category_id": 2, "segmentation": SQUARE, "iscrowd": 0},
            ],
        }
        file = {"coco": ("x.json", json.dumps(told), "application/json")}
        job_of(self.admin, self.admin.post(f"/api/dataset/{self.dataset}/coco", files=file))

    def an_annotation_is_deleted(self) -> None:
        self.world.delete("annotation", self.mark)

    def and_comes_back(self) -> None:
        self.world.restore("annotation", self.mark)

    def an_annotation_is_removed_for_good(self) -> None:
        self.world.delete("annotation", self.mark)
        self._removed_for_good("annotation", self.mark)

    # -- categories -----------------------------------------------------------------------

    def a_category_is_renamed(self) -> None:
        self._asked("PUT", f"/api/category/{self.cat}", json={"name": "tomcat"})

    def a_category_has_another_colour(self) -> None:
        self._asked(
            "PUT", f"/api/category/{self.dog}", json={"name": "told dog", "color": "#00ff00"}
        )

    def a_category_is_added_to_the_dataset(self) -> None:
        names = ["tomcat", "told dog", "imported", "owl"]
        self._asked("POST", f"/api/dataset/{self.dataset}", json={"categories": names})

    def a_category_is_taken_from_the_dataset(self) -> None:
        names = ["tomcat", "told dog", "imported"]
        self._asked("POST", f"/api/dataset/{self.dataset}", json={"categories": names})

    def a_category_is_deleted(self) -> None:
        self.world.delete("category", self.elsewhere)

    def and_that_one_comes_back(self) -> None:
        self.world.restore("category", self.elsewhere)

    def a_category_is_removed_for_good(self) -> None:
        for kind, number in (("annotation", self.third), ("category", self.elsewhere)):
            self.world.delete(kind, number)
            self._removed_for_good(kind, number)

    # -- images that go -------------------------------------------------------------------

    def an_image_is_deleted(self) -> None:
        self.world.delete("image", self.other)

    def and_that_image_comes_back(self) -> None:
        self.world.restore("image", self.other)

    def an_image_is_removed_for_good(self) -> None:
        self.world.delete("image", self.other)
        self._removed_for_good("image", self.other)

    def another_gets_its_name(self) -> None:
        self.world.upload("b.jpg", picture(30, 20))


def test_a_whole_history(running: Serving, tmp_path: Path) -> None:
    """After each step, a mirror by the feed and one by listings hold the same.

    At times, so does one that is made now.
    """
    story = Story(running, tmp_path)
    world = story.world
    with (
        world.mirror("feed") as feed,
        world.mirror("listing") as listing,
        world.reach() as own,
        world.reach(plain=True) as plain,
    ):
        before: list[str] = []
        for number, (name, step) in enumerate(story.steps()):
            step()
            report = feed.sync(own, options=FEED)
            listing.sync(plain, options=LISTING)
            assert report.mode == ("feed" if number else "full")
            held = contents(feed), files(feed)
            assert held == (contents(listing), files(listing)), name
            assert held[0] != before, f"{name} shows nothing"
            before = held[0]
            if number % 4 == 0 or name == LAST:
                with world.mirror(f"now {number}") as now:
                    now.sync(own if number % 8 else plain)
                    assert held == (contents(now), files(now)), name


class Walk:
    """A dataset to which anything may happen, in an order that chance decides."""

    def __init__(self, running: Serving, folder: Path, chance: Random) -> None:
        self.world = World(running, folder, "walked")
        self.chance = chance
        self.categories = list(self.world.own_categories)
        self.images = [self.world.upload() for _ in range(3)]
        self.marks: list[tuple[int, int]] = []  # each with its image
        self.deleted: list[tuple[str, int, int]] = []

    def step(self) -> str:
        """Let something happen that can; gives its name."""
        while True:
            one = self.chance.choice(
                [self.upload, self.annotate, self.annotate, self.redraw, self.redraw, self.relabel,
                 self.colour, self.delete_image, self.delete_mark, self.restore, self.restore,
                 self.remove_for_good, self.copy, self.describe]
            )  # fmt: skip
            if one():
                return one.__name__

    def _asked(self, method: str, path: str, **more: Any) -> None:
        answer = self.world.admin.request(method, path, **more)
        assert answer.status_code == 200, answer.text

    def _outline(self) -> list[list[int]]:
        left, top = self.chance.randrange(10), self.chance.randrange(10)
        return [[left, top, left + 20, top, left + 20, top + 20, left, top + 20]]

    def upload(self) -> bool:
        self.images.append(self.world.upload(content=picture(20 + len(self.images), 30)))
        return True

    def annotate(self) -> bool:
        if self.images:
            image, category = self.chance.choice(self.images), self.chance.choice(self.categories)
            mark = self.world.annotate(image, category, segmentation=self._outline())
            self.marks.append((mark, image))
        return bool(self.images)

    def redraw(self) -> bool:
        living = [mark for mark, image in self.marks if image in self.images]
        if living:
            category = self.chance.choice(self.categories)
            told = {"category_id": category, "segmentation": self._outline()}
            self.world.change(self.chance.choice(living), **told)
        return bool(living)

    def relabel(self) -> bool:
        name = f"walked {self.chance.randrange(10**6)}"
        self._asked(
            "PUT", f"/api/category/{self.chance.choice(self.categories)}", json={"name": name}
        )
        return True

    def colour(self) -> bool:
        category = self.chance.choice(self.categories)
        told = {"name": f"coloured {category}", "color": f"#{self.chance.randrange(16**6):06x}"}
        self._asked("PUT", f"/api/category/{category}", json=told)
        return True

    def delete_image(self) -> bool:
        if len(self.images) > 2:
            image = self.images.pop(self.chance.randrange(len(self.images)))
            self.world.delete("image", image)
            self.deleted.append(("image", image, image))
            return True
        return False

    def delete_mark(self) -> bool:
        if self.marks:
            mark, image = self.marks.pop(self.chance.randrange(len(self.marks)))
            if image in self.images:
                self.world.delete("annotation", mark)
                self.deleted.append(("annotation", mark, image))
                return True
        return False

    def restore(self) -> bool:
        if self.deleted:
            kind, number, image = self.deleted.pop(self.chance.randrange(len(self.deleted)))
            if kind == "image":
                self.images.append(image)
            elif image not in self.images:
                return False
            else:
                self.marks.append((number, image))
            self.world.restore(kind, number)
            return True
        return False

    def remove_for_good(self) -> bool:
        if self.deleted:
            kind, number, _ = self.deleted.pop(self.chance.randrange(len(self.deleted)))
            self._asked("DELETE", "/api/undo/", params={"id": number, "instance": kind})
            return True
        return False

    def copy(self) -> bool:
        if len(self.images) < 2:
            return False
        first, second = self.chance.sample(self.images, 2)
        path = f"/api/image/copy/{first}/{second}/annotations"
        return bool(self.world.admin.post(path, json={}).status_code == 200)

    def describe(self) -> bool:
        image, category = self.chance.choice(self.images), self.chance.choice(self.categories)
        shown = {"id": category, "annotations": []}
        body = {"image": {"id": image, "metadata": {"k": 1}}, "categories": [shown]}
        self._asked("POST", "/api/annotator/data", json=body)
        return True


@pytest.mark.slow
def test_a_hundred_steps(running: Serving, tmp_path: Path) -> None:
    """One go equals a hundred steps, by the feed, by listings, and by either at times only."""
    walk = Walk(running, tmp_path, Random(100))
    world = walk.world
    taken: set[str] = set()
    with (
        world.mirror("feed") as feed,
        world.mirror("listing") as listing,
        world.mirror("seldom by the feed") as seldom,
        world.mirror("seldom by listings") as rarely,
        world.reach() as own,
        world.reach(plain=True) as plain,
    ):
        for number in range(1, 101):
            taken.add(name := walk.step())
            feed.sync(own, options=FEED)
            listing.sync(plain, options=LISTING)
            held = contents(feed), files(feed)
            assert held == (contents(listing), files(listing)), f"{number}: {name}"
            if number % 20 == 0:
                seldom.sync(own, options=FEED)
                rarely.sync(plain, options=LISTING)
                for each in (seldom, rarely):
                    assert held == (contents(each), files(each)), f"{number}: {each.path.name}"
        assert len(taken) == 11
        assert next(iter(feed.log())).sync == next(iter(listing.log())).sync == 100
        for dataset in (own, plain):
            with world.mirror(f"one go {dataset is own}") as now:
                now.sync(dataset)
                assert held == (contents(now), files(now))
