"""A sync that is killed at any instant, and what the next one makes of it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import coir
from client.serving import Serving
from coir.mirror import Mirror, Options
from scan.proxy import Proxy

from .world import World, contents, files, world

PROGRAM = """
import sys
import coir
from coir.mirror import Mirror, Options
from msgspec.structs import replace

url, dataset, folder, plain = sys.argv[1:]
with coir.connect(url, username="admin", password="admin-pw") as server:
    if plain == "plain":
        server.info = replace(server.info, coir=None)
    with Mirror(folder) as mirror:
        mirror.sync(server.dataset(int(dataset)), options=Options(annotations="auto", recheck=0))
"""
KILLS = 6


def start(stage: World, folder: Path, *, plain: bool) -> subprocess.Popen[bytes]:
    """A process that syncs."""
    arguments = [stage.running.url, str(stage.dataset), str(folder), "plain" if plain else "own"]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])


def under_way(folder: Path) -> set[str]:
    """What a mirror keeps for a sync that is to go on: files on their way, and a listing."""
    own = folder / ".coir"
    found = {str(one.relative_to(own)) for one in own.rglob("*") if one.is_file()}
    return {one for one in found if not one.startswith("trash/")} - {"lock"}


@pytest.mark.slow
@pytest.mark.parametrize("plain", [False, True])
def test_a_sync_that_is_killed(tmp_path: Path, plain: bool) -> None:
    """Killed again and again at random, a mirror ends like one that never was."""
    chance = random.Random(20_000 + plain)
    with world(tmp_path) as stage:
        ids = [stage.upload(f"{number % 7}/{number:04}.jpg") for number in range(150)]
        for image_id in ids[::2]:
            stage.annotate(image_id, stage.own_categories[image_id % 2])
        folder = tmp_path / "mirrors" / "killed"
        started = time.monotonic()
        whole = start(stage, tmp_path / "mirrors" / "whole", plain=plain)
        assert whole.wait(timeout=120) == 0
        seconds = time.monotonic() - started
        for _ in range(KILLS):
            process = start(stage, folder, plain=plain)
            try:
                process.wait(timeout=chance.uniform(0.3, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            image_id = ids.pop(chance.randrange(len(ids)))
            stage.delete("image", image_id)
            stage.annotate(ids[0], stage.own_categories[0])
        with (
            Mirror(folder) as mirror,
            stage.mirror("now") as now,
            stage.reach(plain=plain) as reach,
        ):
            before = len(files(mirror))
            report = mirror.sync(reach, options=Options(recheck=0))
            now.sync(reach)
            assert contents(mirror) == contents(now)
            assert files(mirror) == files(now)
            # What was committed before is not fetched again.
            assert report.counts.files_fetched <= len(files(now)) - before + KILLS
            assert under_way(folder) == set()


def test_killed_between_a_listing_and_its_plan(tmp_path: Path) -> None:
    """While it looks again for what the listing lacks: no row of that is read a second time."""
    with world(tmp_path) as stage:
        ids = [stage.upload() for _ in range(20)]
        process: subprocess.Popen[bytes] | None = None
        wide: list[dict[str, str]] = []

        def look(path: str, params: dict[str, str], body: bytes) -> bytes:
            start, stop = int(params.get("id__gte", 0)), int(params.get("id__lt", 0))
            if not path.endswith("/data") or params.get("limit") == "1":
                return body
            if stop - start > 1:
                wide.append(params)
                if process is not None:
                    stage.delete("image", ids[12])  # it was read: no count confirms the listing
            elif process is not None:
                process.kill()
            return body

        with (
            Proxy(stage.running.url, tamper=look, original=False) as proxy,
            coir.connect(proxy.url, username="admin", password="admin-pw") as server,
            stage.mirror("killed") as mirror,
            stage.mirror("now") as now,
        ):
            dataset = server.dataset(stage.dataset)
            mirror.sync(dataset)
            with mirror.database.write() as connection:
                connection.execute("UPDATE syncs SET cursor = 'expired'")
            stage.delete("image", ids[3])
            stage.annotate(ids[7], stage.own_categories[0])
            wide.clear()
            arguments = [proxy.url, str(stage.dataset), str(mirror.path), "own"]
            process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])
            assert process.wait(timeout=60) == -signal.SIGKILL
            assert under_way(mirror.path) == {"listing"}
            assert wide
            process = None
            wide.clear()
            report = mirror.sync(dataset)
            assert report.mode == "feed"  # from the moment at which the listing began
            assert not wide
            now.sync(dataset)
            assert contents(mirror) == contents(now)
            assert files(mirror) == files(now)
            assert under_way(mirror.path) == set()


# It is killed from within, so that the moment is always the same.
IN_ANNOTATIONS = """
import os
import signal
import sys
import coir
from coir.mirror import Mirror, Options, annotations

annotations.BATCH = int(sys.argv[4])
url, dataset, folder, _, at = sys.argv[1:]

def watch(phase, done, total):
    if phase == "annotations" and done == int(at):
        os.kill(os.getpid(), signal.SIGKILL)

with coir.connect(url, username="admin", password="admin-pw") as server, Mirror(folder) as mirror:
    options = Options(images="none", recheck=0, concurrency=1)
    mirror.sync(server.dataset(int(dataset)), options=options, watch=watch)
"""


def test_no_more_than_a_batch_of_annotations_is_fetched_again(
    running: Serving, tmp_path: Path
) -> None:
    """Those of a batch come together into the mirror, and a kill takes back no others."""
    number, batch = 24, 5
    asked: Counter[str] = Counter()

    def count(path: str, _: dict[str, str], body: bytes) -> bytes:
        asked[path] += path.endswith("/coco")
        return body

    stage = World(running, tmp_path, "killed")
    stage.ids = running.fill([stage.dataset] * number)[stage.dataset]
    for image_id in stage.ids:
        stage.annotate(image_id, stage.own_categories[0])
    with Proxy(running.url, tamper=count) as proxy:
        folder = tmp_path / "killed"
        for at in (12, 9):
            arguments = [proxy.url, str(stage.dataset), str(folder), str(batch), str(at)]
            command = [sys.executable, "-c", IN_ANNOTATIONS, *arguments]
            assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        with (
            Mirror(folder) as mirror,
            coir.connect(proxy.url, username="admin", password="admin-pw") as server,
        ):
            held = mirror.database.value("SELECT count(*) FROM annotations")
            report = mirror.sync(server.dataset(stage.dataset), options=Options(recheck=0))
            assert report.counts.images_looked_into == number - held
            assert held >= 15
        # One more may be on its way when a process is killed.
        assert sum(asked.values()) <= number + 2 * (batch + 1)
