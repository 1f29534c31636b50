"""A sync that is killed at any instant, and what the next one makes of it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coir.mirror import Mirror, Options

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
            assert not list((folder / ".coir").glob("**/*.part"))
