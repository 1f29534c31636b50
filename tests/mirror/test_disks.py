"""Disks below the database and the listing that are full, or take no writing."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cli.command import coir
from coir import CoirError, Dataset
from coir.mirror import Limits, MaxDelete, Mirror, Options
from coir.mirror.instant import Instant

from .library import mounted
from .test_sync import older
from .world import World, contents, files, world

ANY = Options(recheck=0, limits=Limits(MaxDelete(percent=100)))
ROWS = Options(images="none", recheck=0)
# Kilobytes: less than an empty database needs, and steps that end in each part of a sync.
SMALLEST, STEP = 40, 90
# What a disk in memory gives at a time.
PAGE = resource.getpagesize()


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


def filled(folder: Path) -> Path:
    """A file that takes all that is left of a disk, in whole pages."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(PAGE)):
            pass
    return filler


def freed(filler: Path, pages: int) -> None:
    """Leave so many pages more to others."""
    os.truncate(filler, filler.stat().st_size - pages * PAGE)


def trashed(mirror: Mirror) -> dict[str, bytes]:
    """The files in the trash, of which none is there twice."""
    home = mirror.path / ".coir" / "trash"
    found = [one for one in home.glob("*/images*/**/*") if one.is_file()]
    places = {str(one.relative_to(home)).partition("/")[2]: one.read_bytes() for one in found}
    assert len(places) == len(found)
    return places


def everything(mirror: Mirror) -> tuple[list[str], dict[str, str], dict[str, bytes]]:
    """Rows, files and trash."""
    return contents(mirror), files(mirror), trashed(mirror)


@pytest.fixture(params=[False, True], ids=["own", "original"])
def gone(
    running: World, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[World, Dataset, list[int]]]:
    """Images with long names, a mirror of them, and those of them that are deleted since then."""
    stage = World(running.running, tmp_path, request.node.name)
    ids = [stage.upload(f"{number:02}{'é' * 60}{'x' * 70}.jpg") for number in range(60)]
    for image_id in ids:
        stage.annotate(image_id, stage.own_categories[0])
    with stage.reach(plain=request.param) as dataset:
        with stage.mirror("before") as mirror:
            mirror.sync(dataset, options=ANY)
        for image_id in ids[5:55]:
            stage.delete("image", image_id)
        yield stage, dataset, ids[5:55]


def test_a_disk_that_is_full_while_files_go(
    gone: tuple[World, Dataset, list[int]], tmp_path: Path
) -> None:
    """Wherever that stops a sync, each file is here or in the trash, and the next one ends well."""
    stage, dataset, ids = gone
    full, before = tmp_path / "full", stage.folder / "before"
    shutil.copytree(before, stage.folder / "whole")
    with stage.mirror("whole") as whole:
        whole.sync(dataset, options=ANY)
        expected = everything(whole)
    stopped: list[str] = []
    with mounted(full, "-t", "tmpfs", "-o", "size=4m", "none"):
        for pages in range(1, 64, 3):
            shutil.copytree(before, full / "m")
            filler = filled(full)
            freed(filler, pages)
            with Mirror(full / "m") as mirror:
                try:
                    mirror.sync(dataset, options=ANY)
                except CoirError as error:
                    stopped.append(f"{error.message} {error.hint}")
                assert len(files(mirror)) + len(trashed(mirror)) == 60, pages
            filler.unlink()
            with Mirror(full / "m") as mirror:
                mirror.sync(dataset, options=ANY)
                assert everything(mirror) == expected, pages
                for image_id in ids:  # whose they were is known
                    assert any((mirror.path / one.at).exists() for one in mirror.trash.of(image_id))
            shutil.rmtree(full / "m")
    assert all("Free some space" in words for words in stopped)
    where = " ".join(stopped)
    assert "coir.db is full" in where
    assert "could not be read or written: No space left" in where


def test_a_disk_that_becomes_free_page_by_page(
    gone: tuple[World, Dataset, list[int]], tmp_path: Path
) -> None:
    """What is written in vain does not take all that becomes free."""
    stage, dataset, ids = gone
    full, before = tmp_path / "full", stage.folder / "before"
    for number in range(20):
        stage.upload(f"new/{number}.jpg")
    stopped: list[str] = []
    with (
        mounted(full, "-t", "tmpfs", "-o", "size=4m", "none"),
        stage.mirror("whole") as whole,
    ):
        shutil.copytree(before, full / "m")
        filler = filled(full)
        for _ in range(200):
            with Mirror(full / "m") as mirror:
                try:
                    mirror.sync(dataset, options=ANY)
                    break
                except CoirError as error:
                    stopped.append(f"{error.message} {error.hint}")
            freed(filler, 2)
        assert all("Free some space" in words for words in stopped)
        with Mirror(full / "m") as mirror:
            whole.sync(dataset, options=ANY)
            assert (contents(mirror), files(mirror)) == (contents(whole), files(whole))
            assert len(trashed(mirror)) == len(ids)
            assert {one.sign for one in mirror.verify()} == {"="}


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
        with Mirror(full / "m") as mirror:
            assert len(mirror) == len(files(mirror)) == 1
            assert read(mirror, tmp_path) == 1
            with pytest.raises(CoirError, match="No space") as there:
                mirror.sync(dataset)
            with pytest.raises(CoirError, match=r"coir.db is full"), mirror.database.write():
                pass
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


def read(mirror: Mirror, out: Path) -> int:
    """How many images a mirror gives, by each of the ways to read one."""
    told = mirror.status()
    assert told.last is not None
    exported = mirror.export("coco", out / "out.json", with_empty_images=True)
    asked = mirror.query("SELECT count(*) AS number FROM images").to_pylist()
    verified = list(mirror.verify())
    assert {one.sign for one in verified} == {"="}
    numbers = {told.images, exported.images, asked[0]["number"], len(verified), len(mirror)}
    assert list(mirror.log())
    assert list(mirror.diff(since=0))
    (number,) = numbers
    return number


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody can write to."""
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield


def test_reading_where_nothing_can_be_written(running: World, tmp_path: Path) -> None:
    """Everything but a sync works; and that works again where it can be written."""
    stage = World(running.running, tmp_path, "only read")
    stage.upload()
    home = tmp_path / "m"
    with stage.reach() as dataset:
        with Mirror(home) as mirror:
            mirror.sync(dataset)
        with read_only(home), Mirror(home, create=False) as mirror:
            assert read(mirror, tmp_path) == 1
            verification = mirror.verify(dataset, deep=True)
            assert [one.sign for one in verification] == ["="]
            with pytest.raises(CoirError, match="cannot be written"), mirror.database.write():
                pass
        new = stage.upload()
        with Mirror(home) as mirror:
            with mirror.database.write():  # what could not be written is opened anew
                pass
            mirror.sync(dataset)
            assert new in [one.id for one in mirror.images()]


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "log",
        "diff --since 0",
        "verify --offline",
        "export",
        "query 'SELECT 1 FROM images'",
    ],
)
def test_commands_where_nothing_can_be_written(
    running: World, tmp_path: Path, command: str
) -> None:
    """Each that only reads does so."""
    stage = World(running.running, tmp_path, f"commands {command[:6].strip()}")
    stage.upload()
    home = tmp_path / "m"
    with stage.reach() as dataset, Mirror(home) as mirror:
        mirror.sync(dataset)
    name, *rest = shlex.split(command)
    if name == "export":
        rest = ["--format", "coco", str(tmp_path / "out.json")]
    with read_only(home):
        done = coir(name, str(home), *rest)
    assert (done.code, done.err if done.code else "") == (0, "")


def test_what_was_frozen_is_written_again(running: World, tmp_path: Path) -> None:
    """Who opened a mirror while it could only be read may sync it afterwards."""
    stage = World(running.running, tmp_path, "thawed")
    stage.upload()
    home = tmp_path / "m"
    with stage.reach() as dataset, Mirror(home) as first:
        first.sync(dataset)
        first.close()
        with read_only(home):
            mirror = Mirror(home)
        stage.upload()
        with mirror:
            assert mirror.sync(dataset).counts.images_added == 1


def test_what_was_written_while_it_was_read_as_it_lay(running: World, tmp_path: Path) -> None:
    """It is told, since it may be of two instants."""
    stage = World(running.running, tmp_path, "torn")
    stage.upload()
    home = tmp_path / "m"
    with stage.reach() as dataset:
        with Mirror(home) as mirror:
            mirror.sync(dataset)
        with read_only(home):
            frozen, instant = Mirror(home), Instant(home)
        stage.upload()
        with Mirror(home) as mirror:
            mirror.sync(dataset)
        with frozen, instant:
            with pytest.raises(CoirError, match="written while it was read"):
                len(frozen)
            with pytest.raises(CoirError, match="written while it was read"):
                list(instant.images())


def test_an_older_mirror_where_nothing_can_be_written(running: World, tmp_path: Path) -> None:
    """It cannot be brought up to date there, and says so."""
    stage = World(running.running, tmp_path, "older")
    for _ in range(3):
        stage.upload()
    home = tmp_path / "m"
    with stage.reach() as dataset, Mirror(home) as mirror:
        mirror.sync(dataset)
    older(home)
    with read_only(home), pytest.raises(CoirError, match="older version of coir") as told:
        Mirror(home)
    assert "Open it once where it can be written" in told.value.hint
    with Mirror(home) as mirror:
        assert mirror.status().troubled == 3


@pytest.mark.parametrize("shared", [True, False])
def test_what_a_kill_left_where_nothing_can_be_written(
    running: World, tmp_path: Path, shared: bool
) -> None:
    """It is read with what is in the log; and told what to do where SQLite cannot do that."""
    stage = World(running.running, tmp_path, f"killed {shared}")
    stage.upload()
    home, copy = tmp_path / "m", tmp_path / "copy"
    with stage.reach() as dataset, Mirror(home) as mirror:
        mirror.sync(dataset)
        shutil.copytree(home, copy)  # as it lies while it is open
    assert (copy / "coir.db-wal").stat().st_size
    if not shared:
        (copy / "coir.db-shm").unlink()
    with read_only(copy):
        if shared:
            with Mirror(copy) as mirror:
                assert read(mirror, tmp_path) == 1
        else:
            for opening in (Mirror, Instant):
                with pytest.raises(CoirError, match=r"coir.db-wal.* cannot be written") as told:
                    opening(copy)
                assert "Copy coir.db and coir.db-wal" in told.value.hint
    with Mirror(copy) as mirror:
        assert read(mirror, tmp_path) == 1
