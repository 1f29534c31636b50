"""A member with whom a dataset is not shared any more, before a sync and in the midst of one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import coir
from client.serving import Serving
from coir import DatasetNotFound
from coir.mirror import Mirror, Options
from scan.proxy import Proxy

from .world import World, contents, files

BOB = {"username": "bob", "password": "bob-pw"}
GENTLY = Options(recheck=0, concurrency=1)


class Shared(World):
    """A dataset of five images, of which two are annotated, that bob may see."""

    def __init__(self, running: Serving, folder: Path, name: str) -> None:
        super().__init__(running, folder, name)
        self.ids = [self.upload() for _ in range(5)]
        self.annotated = {one: self.annotate(one, self.own_categories[0]) for one in self.ids[3:]}
        self.share(["bob"])

    def share(self, users: list[str]) -> None:
        """Let these users see it, and nobody else but its owner."""
        answer = self.admin.post(f"/api/dataset/{self.dataset}/share", json={"users": users})
        assert answer.status_code == 200, answer.text

    def work(self) -> set[tuple[str, int]]:
        """Something for a sync to see: an image comes, one is annotated, one goes; gives that."""
        image_id, label = self.annotated.popitem()
        self.delete("image", image_id)
        new = self.upload()
        self.annotated[new] = self.annotate(new, self.own_categories[0])
        self.annotate(self.ids[0], self.own_categories[1])
        self.upload()
        return {("image", image_id), ("annotation", label)}

    def is_whole(self, mirror: Mirror) -> bool:
        """Whether a mirror holds what its owner's would, made now."""
        with self.mirror("now") as now, self.reach() as dataset:
            now.sync(dataset)
            return (contents(mirror), files(mirror)) == (contents(now), files(now))


def known(mirror: Mirror) -> set[tuple[str, int]]:
    """The kind and the id of all that a mirror holds."""
    lines = map(json.loads, mirror.records())
    return {(line["kind"], line["record"]["id"]) for line in lines}


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
def test_a_share_that_is_taken_away(running: Serving, tmp_path: Path, plain: bool) -> None:
    """Nothing goes from the mirror, and it goes on once the dataset is shared again."""
    stage = Shared(running, tmp_path, f"taken {plain}")
    with (
        Proxy(stage.running.url, original=plain) as proxy,
        coir.connect(proxy.url, **BOB) as server,
        stage.mirror("m") as mirror,
    ):
        dataset = server.dataset(stage.dataset)
        mirror.sync(dataset, options=GENTLY)
        before = contents(mirror), files(mirror)
        stage.work()
        stage.share([])
        for quick in (False, True):
            with pytest.raises(DatasetNotFound, match="that this user may see"):
                mirror.sync(dataset, options=Options(quick=quick))
        with pytest.raises(DatasetNotFound) as told:
            server.dataset(stage.dataset)
        assert "visible are" in told.value.hint or "ask the owner" in told.value.hint
        assert (contents(mirror), files(mirror)) == before
        assert not (mirror.path / ".coir/trash").exists()
        stage.share(["bob"])
        assert mirror.sync(dataset, options=GENTLY).counts.images_removed == 1
        assert stage.is_whole(mirror)


@pytest.mark.parametrize(
    ("plain", "moments"),
    [
        (False, ["/changes$", "/data$", "/category/$", "/coco$"]),
        (True, ["/data$", "/image/$", "/category/$", "/annotator/data/", "/image/[0-9]+$"]),
    ],
    ids=["own", "original"],
)
def test_a_share_that_is_taken_away_meanwhile(
    running: Serving, tmp_path: Path, plain: bool, moments: list[str]
) -> None:
    """After any answer of a sync: what the server still has stays, and the next one goes on."""
    stage = Shared(running, tmp_path, f"meanwhile {plain}")
    waiting: list[str] = []

    def take(path: str, _: dict[str, str], body: bytes) -> bytes:
        if waiting and re.search(waiting[0], path):
            waiting.clear()
            stage.share([])
        return body

    with (
        Proxy(stage.running.url, tamper=take, original=plain) as proxy,
        coir.connect(proxy.url, **BOB) as server,
        stage.mirror("m") as mirror,
    ):
        dataset = server.dataset(stage.dataset)
        mirror.sync(dataset, options=GENTLY)
        for moment in moments:
            before, gone = known(mirror), stage.work()
            waiting.append(moment)
            with pytest.raises(DatasetNotFound, match="that this user may see"):
                mirror.sync(dataset, options=GENTLY)
            assert not waiting
            assert before - known(mirror) <= gone, moment
            stage.share(["bob"])
            mirror.sync(dataset, options=GENTLY)
        assert stage.is_whole(mirror)
