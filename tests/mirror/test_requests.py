"""The number of requests that a sync tells is the number of those that it sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import coir
from client.serving import Serving
from coir.mirror import Mirror, Options
from scan.proxy import Proxy, untouched

from .world import World, contents

ALONE = Options(recheck=0, concurrency=1)
ROWS = Options(images="none", recheck=0, concurrency=1)


@pytest.fixture
def stage(running: Serving, tmp_path: Path) -> World:
    """A dataset of images with files, every other of them annotated, that bob may see."""
    made = World(running, tmp_path, f"counted {tmp_path.name}")
    made.ids = [made.upload() for _ in range(8)]
    for image_id in made.ids[::2]:
        made.annotate(image_id, made.own_categories[0])
    running.user("bob")
    share = {"users": ["bob"]}
    assert made.admin.post(f"/api/dataset/{made.dataset}/share", json=share).is_success
    return made


@pytest.fixture(params=[False, True], ids=["own", "original"])
def proxy(stage: World, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """The way to the server, which counts."""
    with Proxy(stage.running.url, original=request.param) as proxy:
        yield proxy


def counted(
    stage: World, proxy: Proxy, mirror: Mirror, options: Options = ALONE, who: str = "admin"
) -> coir.SyncReport:
    """What a sync tells; the number of its requests must be what came through the proxy."""
    with coir.connect(proxy.url, username=who, password=f"{who}-pw") as server:
        dataset = server.dataset(stage.dataset)
        before = proxy.requests
        report = mirror.sync(dataset, options=options)
    assert report.counts.requests == proxy.requests - before
    last = next(iter(mirror.log()))
    assert last.counts.requests == report.counts.requests
    return report


def test_every_request_is_counted(stage: World, proxy: Proxy) -> None:
    """A first sync, one with nothing new, one with something of everything, and a plan."""
    with stage.mirror("m") as mirror:
        assert counted(stage, proxy, mirror).counts.files_fetched == 8
        counted(stage, proxy, mirror)
        new = stage.upload()
        stage.annotate(new, stage.own_categories[0])
        stage.annotate(stage.ids[1], stage.own_categories[0])
        stage.delete("image", stage.ids[2])
        report = counted(stage, proxy, mirror)
        assert (report.counts.images_added, report.counts.images_removed) == (1, 1)
        counted(stage, proxy, mirror, Options(recheck=0.5, concurrency=1, images="none"))
        stage.delete("image", stage.ids[3])
        if proxy.original:
            counted(stage, proxy, mirror, Options(quick=True, images="none"))


def test_requests_for_further_fields_are_counted(stage: World, proxy: Proxy) -> None:
    """Those for each image that the list of all does not have, and for one that is gone."""
    gone: list[int] = []

    def go(path: str, _: dict[str, str], body: bytes) -> bytes:
        if path == "/api/image/" and not gone:
            gone.append(stage.ids[-1])
            stage.delete("image", gone[0])
        return body

    proxy.tamper = go
    with stage.mirror("m") as mirror:
        counted(stage, proxy, mirror, ROWS)
        first = [stage.upload() for _ in range(3)]
        report = counted(stage, proxy, mirror, ROWS)
        assert report.counts.images_added == len(first)


def test_an_image_that_goes_while_its_fields_are_asked_for(stage: World) -> None:
    """The certificate counts it; it is not held, in a first sync and in a later one."""
    waiting: list[int] = []

    def go(path: str, _: dict[str, str], body: bytes) -> bytes:
        if path == "/api/image/" and waiting:
            stage.delete("image", waiting.pop())
            return b'{"total": 9, "images": []}'
        return body

    with Proxy(stage.running.url) as proxy, stage.mirror("m") as mirror:
        counted(stage, proxy, mirror, ROWS)
        waiting.append(stage.upload())
        proxy.tamper = go
        report = counted(stage, proxy, mirror, ROWS)
        assert report.certificate is not None
        assert report.certificate.details_missing == 1
        assert report.counts.images_added == 0


def test_a_second_look_is_counted(stage: World) -> None:
    """What a listing that changed while it was read lacks is asked for again."""
    waiting = [stage.ids[1]]

    def work(path: str, params: dict[str, str], body: bytes) -> bytes:
        if waiting and path.endswith("/data") and params.get("limit", "1") != "1":
            stage.restore("image", waiting.pop())
        return body

    with Proxy(stage.running.url) as proxy, stage.mirror("m") as mirror:
        counted(stage, proxy, mirror, ROWS)
        stage.delete("image", waiting[0])
        proxy.tamper = work
        assert counted(stage, proxy, mirror, ROWS).counts.images_removed == 0


def test_the_annotation_page_is_counted(stage: World, proxy: Proxy) -> None:
    """Who may not download asks twice at first."""
    with stage.mirror("bob") as mirror, stage.mirror("admin") as other:
        counted(stage, proxy, mirror, ROWS, who="bob")
        counted(stage, proxy, other, ROWS)
        assert contents(mirror) == contents(other)


@pytest.mark.usefixtures("hurried")
def test_what_is_sent_again_is_counted(stage: World, proxy: Proxy) -> None:
    """A server that was busy, and a session that had ended."""
    broken: list[str] = []

    def busy(path: str, _: dict[str, str], body: bytes) -> bytes | int:
        if path.endswith("/category/") and not broken:
            broken.append(path)
            return 503
        if path.endswith("/coco") and len(broken) == 1:
            broken.append(path)
            with stage.running.database() as database:
                database.execute("DELETE FROM sessions")
        return body

    proxy.tamper = busy
    with stage.mirror("m") as mirror:
        counted(stage, proxy, mirror, ROWS)
    assert len(broken) == 2
    proxy.tamper = untouched
