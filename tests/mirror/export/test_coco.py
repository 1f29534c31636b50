"""COCO files of a mirror, read as programs that train read them."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from coco.checking import problems
from coir import Filter, InvalidRequest
from coir.errors import CoirError
from coir.mirror import Mirror

from .conftest import POINTS, Scene

# pycocotools' own use of NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def copy(scene: Scene, tmp_path: Path) -> Iterator[Mirror]:
    """A mirror that a test may change."""
    shutil.copytree(scene.home, tmp_path / "copy")
    with Mirror(tmp_path / "copy", create=False) as held:
        yield held


def exported(mirror: Mirror, where: Filter | None = None, **how: Any) -> dict[str, Any]:
    """A COCO file of a mirror."""
    file = io.BytesIO()
    mirror.export("coco", file, where, **how)
    found: dict[str, Any] = json.loads(file.getvalue())
    return found


def changed(mirror: Mirror, **values: Any) -> None:
    """Write into the first annotation of a mirror."""
    with closing(sqlite3.connect(mirror.path / "coir.db")) as connection:
        for name, value in values.items():
            connection.execute(
                "UPDATE annotations SET body = json_set(body, '$.' || ?, json(?)) "
                "WHERE id = (SELECT min(id) FROM annotations)",
                (name, json.dumps(value)),
            )
        connection.commit()


def test_it_holds_what_the_server_says(scene: Scene, mirror: Mirror) -> None:
    """Images, categories and annotations are those of the server's own COCO."""
    file, told = exported(mirror), scene.told()
    assert problems(file) == []
    for kind in ("images", "categories", "annotations"):
        held, theirs = ({one["id"]: one for one in from_[kind]} for from_ in (file, told))
        assert held.keys() == theirs.keys()
        for number, one in held.items():
            shared = {name: theirs[number].get(name) for name in one if name in theirs[number]}
            if kind == "images":
                assert Path(one["file_name"]).name == shared.pop("file_name")
            assert {name: one[name] for name in shared} == shared
            assert one.keys() - theirs[number].keys() == set()


def test_pycocotools_reads_it_and_finds_the_files(mirror: Mirror, tmp_path: Path) -> None:
    """Each file name leads to a file below images/, and each outline to pixels."""
    mirror.export("coco", tmp_path / "all.json")
    coco = COCO(tmp_path / "all.json")
    for image in coco.loadImgs(coco.getImgIds()):
        assert (mirror.path / "images" / image["file_name"]).is_file()
    names = [one["name"] for one in coco.loadCats(coco.getCatIds())]
    assert sorted(names) == ["mug", "person"]
    outlines = [one for one in coco.loadAnns(coco.getAnnIds()) if one["segmentation"]]
    assert len(outlines) == 4
    for one in outlines:
        assert coco.annToMask(one).sum() > 0
    keypoints = [one["keypoints"] for one in coco.loadAnns(coco.getAnnIds()) if "keypoints" in one]
    assert keypoints == [POINTS, POINTS]


@pytest.mark.parametrize("form", ["polygon", "rle"])
def test_it_agrees_with_itself(mirror: Mirror, tmp_path: Path, form: Any) -> None:
    """pycocotools' evaluation of an export against itself is perfect."""
    where = Filter(categories=["mug"])
    mirror.export("coco", tmp_path / "all.json", where, segmentation=form)
    coco = COCO(tmp_path / "all.json")
    results = [{**one, "score": 1.0} for one in coco.loadAnns(coco.getAnnIds())]
    for kind in ("segm", "bbox"):
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == pytest.approx(1.0)


def test_masks_are_those_of_the_polygons_with_holes_open(mirror: Mirror, tmp_path: Path) -> None:
    """As masks the outlines have the pixels of pycocotools' polygons, but a hole stays open."""
    coco = {}
    for form in ("polygon", "rle"):
        mirror.export("coco", tmp_path / f"{form}.json", segmentation=form)
        coco[form] = COCO(tmp_path / f"{form}.json")
    plain, holed, *others = coco["polygon"].getAnnIds()
    for number in (plain, *others):
        (one,), (other,) = (coco[form].loadAnns([number]) for form in coco)
        if one["segmentation"]:
            assert isinstance(other["segmentation"]["counts"], str)
            assert np.array_equal(coco["polygon"].annToMask(one), coco["rle"].annToMask(other))
    (mask,) = (coco["rle"].annToMask(one) for one in coco["rle"].loadAnns([holed]))
    assert (mask[15, 15], mask[25, 25]) == (1, 0)
    assert mask.sum() == coco["rle"].loadAnns([holed])[0]["area"] == 800


def test_what_the_original_left_at_nothing_is_computed(copy: Mirror) -> None:
    """Area and box of 0 beside an outline become those of the outline; others stay."""
    changed(copy, area=0, bbox=[0, 0, 0, 0])
    first = exported(copy)["annotations"][0]
    assert (first["area"], first["bbox"]) == (900, [10, 10, 30, 30])
    changed(copy, area=7, bbox=[1, 2, 3, 4])
    first = exported(copy)["annotations"][0]
    assert (first["area"], first["bbox"]) == (7, [1, 2, 3, 4])


def test_what_no_program_can_use_is_left_out_and_counted(copy: Mirror) -> None:
    """Outlines that are none, and categories that are not there, are in the account."""
    changed(copy, segmentation=[[1, 2, 3, 4]])
    report = copy.export("coco", io.BytesIO())
    assert report.left_out == {"images_empty": 1, "annotations_unusable": 1}
    changed(copy, category_id=999)
    report = copy.export("coco", io.BytesIO())
    assert report.left_out == {"images_empty": 1, "annotations_homeless": 1}
    assert "left out: 1 annotations whose category is not in the mirror" in report.words()


@pytest.mark.parametrize(
    ("where", "more", "names", "annotations"),
    [
        (Filter(categories=["mug"]), {}, ["a/1.jpg", "b/1.jpg"], 3),
        (Filter(categories=["person"], folder="b"), {}, ["b/1.jpg"], 1),
        (Filter(folder="a/"), {}, ["a/1.jpg", "a/ein Bild.jpg"], 3),
        (Filter(annotated=False), {}, ["c/leer.jpg"], 0),
        (Filter(annotated=False), {"with_empty_images": False}, [], 0),
        (Filter(), {"with_empty_images": True},
         ["a/1.jpg", "b/1.jpg", "a/ein Bild.jpg", "c/leer.jpg"], 5),
        (Filter(min_width=97), {"with_empty_images": True}, [], 0),
        (Filter().where("path__icontains", "EIN "), {}, ["a/ein Bild.jpg"], 1),
    ],
)  # fmt: skip
def test_filters_choose(
    mirror: Mirror, where: Filter, more: dict[str, Any], names: list[str], annotations: int
) -> None:
    """Filters mean what they mean for listings; a category also chooses annotations."""
    file = exported(mirror, where, **more)
    assert [one["file_name"] for one in file["images"]] == names
    assert len(file["annotations"]) == annotations
    assert {one["image_id"] for one in file["annotations"]} <= {one["id"] for one in file["images"]}
    used = {one["category_id"] for one in file["annotations"]}
    assert used <= {one["id"] for one in file["categories"]}


def test_what_a_mirror_does_not_know_is_refused(mirror: Mirror) -> None:
    """An unknown category, and a field that no row has, are no silent nothing."""
    for where in (Filter(categories=["nobody"]), Filter().where("milliseconds__gt", 1)):
        with pytest.raises(InvalidRequest):
            exported(mirror, where)


def test_base_names_are_told_when_they_are_alike(mirror: Mirror) -> None:
    """Without folders two images have the same file name, and the account says so."""
    file = io.BytesIO()
    report = mirror.export("coco", file, file_names="base")
    names = [one["file_name"] for one in json.loads(file.getvalue())["images"]]
    assert names == ["1.jpg", "1.jpg", "ein Bild.jpg"]
    assert report.notes == {"images_alike": 1}


@pytest.mark.parametrize("name", ["coco", "csv", "parquet"])
def test_equal_mirrors_give_equal_bytes(scene: Scene, mirror: Mirror, tmp_path: Path,
                                        name: str) -> None:  # fmt: skip
    """A mirror that was made on its own gives the same file, byte for byte."""
    with scene.synced(tmp_path / "other") as other:
        other.export(name, tmp_path / "other.out")
    mirror.export(name, tmp_path / "one.out")
    assert (tmp_path / "one.out").read_bytes() == (tmp_path / "other.out").read_bytes()


def test_a_file_that_cannot_be_made_leaves_what_was_there(mirror: Mirror, tmp_path: Path) -> None:
    """The file of before stays when an export fails, and nothing lies beside it."""
    out = tmp_path / "all.json"
    out.write_text("before")
    with pytest.raises(InvalidRequest):
        mirror.export("coco", out, Filter(categories=["nobody"]))
    with pytest.raises(CoirError):
        mirror.export("coco", tmp_path / "missing" / "all.json")
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


def test_the_file_of_a_mirror_is_written_when_something_changed(copy: Mirror) -> None:
    """annotations.json is left alone until the mirror, or the file itself, is another."""
    file = copy.path / "annotations.json"
    assert copy.write_coco() is True
    first = file.read_bytes()
    assert json.loads(first) == exported(copy)
    assert copy.write_coco() is False
    file.write_bytes(b"{}")
    assert copy.write_coco() is True
    assert file.read_bytes() == first
    with copy.database.write() as connection:
        connection.execute("UPDATE images SET place = 'a/2.jpg' WHERE place = 'a/1.jpg'")
    assert copy.write_coco() is True
    assert b"a/2.jpg" in file.read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow(tmp_path: Path) -> None:
    """Twenty times the annotations take as much memory."""
    used = []
    for number in (2_000, 40_000):
        home = tmp_path / str(number)
        home.mkdir()
        of_its_own("import sys; from bench.export import Path, fill; "
                   "fill(Path(sys.argv[1]), int(sys.argv[2]))", home, number)  # fmt: skip
        shown = of_its_own("import sys; from bench.export import Path, run; "
                           "print(run('coco', Path(sys.argv[1]))['memory_mb'])", home)  # fmt: skip
        used.append(float(shown))
    assert used[1] - used[0] < 10


def of_its_own(program: str, *words: object) -> str:
    """What a program prints in a process of its own, where nothing else was done before."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout
