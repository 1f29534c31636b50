"""Disks below the database and the listing that are full, or take no writing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coir import CoirError
from coir.mirror import Mirror, Options

from .library import mounted
from .world import World, contents, files, world

ROWS = Options(images="none", recheck=0)
# Kilobytes: less than an empty database needs, and steps that end in each part of a sync.
SMALLEST, STEP = 40, 150


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("disks")) as first:
        yield first


def resized(folder: Path, size: int) -> None:
    """Let a disk have another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}k", str(folder)], check=True)


@pytest.mark.parametrize("plain", [False, True], ids=["own", "original"])
def test_a_disk_that_is_full_again_and_again(running: World, tmp_path: Path, plain: bool) -> None:
    """Wherever a sync stops for it, nothing that was held goes, and more space lets it go on."""
    stage = World(running.running, tmp_path, f"full {plain}")
    full, size = tmp_path / "full", SMALLEST
    stopped: list[str] = []
    held = 0
    with mounted(full, "-t", "tmpfs", "-o", f"size={size}k", "none"):
        for images in (1_500, 3_000):
            stage.running.fill([stage.dataset] * 1_500)
            while True:
                with stage.reach(plain=plain) as dataset:
                    try:
                        with Mirror(full / "m") as mirror:
                            mirror.sync(dataset, options=ROWS)
                            break
                    except CoirError as error:
                        stopped.append(f"{error.message} {error.hint}")
                size += STEP
                resized(full, size)
                with Mirror(full / "m") as mirror:
                    assert len(mirror) >= held
                    held = len(mirror)
            with Mirror(full / "m") as mirror:
                assert len(mirror) == images
        with Mirror(full / "m") as mirror, stage.mirror("now") as now, stage.reach() as dataset:
            now.sync(dataset, options=ROWS)
            assert contents(mirror) == contents(now)
    assert all("Free some space" in words for words in stopped)
    where = " ".join(stopped)
    assert "coir.db is full" in where
    assert "listing: No space left" in where


def test_a_disk_without_any_space(running: World, tmp_path: Path) -> None:
    """A mirror that is there, and one that is to be made: both say what to do."""
    stage = World(running.running, tmp_path, "none left")
    stage.upload()
    full = tmp_path / "full"
    with mounted(full, "-t", "tmpfs", "-o", "size=2m", "none"), stage.reach() as dataset:
        with Mirror(full / "m") as mirror:
            mirror.sync(dataset)
        stage.upload()
        filler = full / "filler"
        with filler.open("wb", buffering=0) as file:
            file.write(bytes(4_000_000))  # as much of it as there is space for
        with pytest.raises(CoirError, match=r"coir.db is full") as there:
            Mirror(full / "m")
        with Mirror(full / "new") as new, pytest.raises(CoirError, match="No space") as made:
            new.sync(dataset)
        assert "pace" in there.value.hint
        assert "space" in made.value.hint
        filler.unlink()
        with Mirror(full / "m") as mirror:
            assert mirror.sync(dataset).counts.images_added == 1
            assert len(files(mirror)) == 2


@pytest.mark.parametrize("part", ["", ".coir"])
def test_a_folder_that_takes_no_writing(running: World, tmp_path: Path, part: str) -> None:
    """The error says so, and afterwards the next sync goes on."""
    stage = World(running.running, tmp_path, f"read only {part}")
    stage.upload()
    home = tmp_path / "m"
    with stage.reach() as dataset:
        with Mirror(home) as mirror:
            mirror.sync(dataset)
            before = contents(mirror), files(mirror)
        stage.upload()
        with mounted(home / part, "--bind", str(home / part)):
            subprocess.run(["mount", "-o", "remount,ro,bind", str(home / part)], check=True)
            with (
                pytest.raises(CoirError, match="cannot be written") as told,
                Mirror(home) as mirror,
            ):
                mirror.sync(dataset)
            assert "permissions" in told.value.hint
        with Mirror(home) as mirror:
            assert (contents(mirror), files(mirror)) == before
            assert mirror.sync(dataset).counts.images_added == 1
            assert len(files(mirror)) == 2
