"""Several mirrors below one folder: each is alone in its own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from client.serving import Serving
from coir.errors import MirrorBusy
from coir.mirror import Limits, MaxDelete, Mirror, Options
from server.running import picture

from .world import World, contents, files

COLORS = {"cats": "teal", "dogs": "orange", "owls": "gray"}
ANY = Options(recheck=0, limits=Limits(MaxDelete(percent=100)))


@pytest.fixture(scope="module")
def zoo(running: Serving, tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """Datasets whose files have the same names, and other content."""
    folder = tmp_path_factory.mktemp("neighbours")
    found = {name: World(running, folder / "all", name) for name in COLORS}
    for name, stage in found.items():
        for number in range(4):
            content = picture(40 + number, 30, "JPEG", COLORS[name])
            stage.annotate(stage.upload(f"a/{number}.jpg", content), stage.own_categories[0])
    return found


def everything(mirror: Mirror) -> dict[str, str]:
    """All that lies in a mirror's folder."""
    found = [path for path in mirror.path.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def alone(stage: World, folder: Path) -> tuple[list[str], dict[str, str]]:
    """What a mirror holds that has no neighbours."""
    with Mirror(folder) as mirror, stage.reach() as dataset:
        mirror.sync(dataset)
        return contents(mirror), files(mirror)


def test_mirrors_of_several_datasets(zoo: dict[str, World], tmp_path: Path) -> None:
    """Also in one another's folder, and while another is synced, each holds its own dataset."""
    home = tmp_path / "zoo"
    with (
        Mirror(home) as outer,
        Mirror(home / "dogs") as inner,
        Mirror(home / "dogs" / "owls") as innermost,
        zoo["cats"].reach() as cats,
        zoo["dogs"].reach(plain=True) as dogs,
        zoo["owls"].reach() as owls,
    ):
        met: list[str] = []

        def meet(phase: str, *_: Any) -> None:
            if phase not in met:
                met.append(phase)
                inner.sync(dogs, options=ANY)
                innermost.sync(owls, options=ANY)
                with Mirror(home) as again, pytest.raises(MirrorBusy):
                    again.sync(cats)

        outer.sync(cats, options=ANY, watch=meet)
        assert {"reading", "annotations", "files"} <= set(met)
        mirrors = {"cats": outer, "dogs": inner, "owls": innermost}
        for name, mirror in mirrors.items():
            assert (contents(mirror), files(mirror)) == alone(zoo[name], tmp_path / name)


def test_what_happens_to_one_leaves_the_others(zoo: dict[str, World], tmp_path: Path) -> None:
    """Deletions, the trash and its emptying, another size of pictures, and a filter."""
    home = tmp_path / "zoo"
    with (
        Mirror(home) as outer,
        Mirror(home / "a") as inner,
        zoo["cats"].reach() as cats,
        zoo["dogs"].reach() as dogs,
    ):
        outer.sync(cats)
        inner.sync(dogs)
        before = everything(inner)
        for image in list(outer.images())[:2]:
            zoo["cats"].delete("image", image.id)
        assert outer.sync(cats, options=ANY).counts.images_removed == 2
        assert outer.gc().files == 2
        outer.sync(cats, options=Options(images="20x20"))
        assert outer.gc().files == 2
        assert everything(inner) == before
        assert {str(one.sign) for one in inner.verify(dogs, deep=True)} == {"="}
        assert {str(one.sign) for one in outer.verify(cats, deep=True)} == {"="}
