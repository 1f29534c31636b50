"""What a scan makes of files that moved, changed, vanished and came back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .running import Running, created, job_of, picture, uploaded

SQUARE = [[10, 10, 40, 10, 40, 40, 10, 40]]


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


class Scene:
    """A dataset with pictures of different content, each with an annotation."""

    def __init__(self, server: Running, admin: httpx.Client, name: str, files: list[str]) -> None:
        self.admin = admin
        self.name = name
        self.id = created(admin, name, categories=["cat"])
        self.directory = server.directory(name)
        for number, file in enumerate(files):
            self.put(file, number)
        self.scan()
        self.ids = self.shown()
        for image in self.ids.values():
            given = {"image_id": image, "category_id": 1, "segmentation": SQUARE}
            assert admin.post("/api/annotation/", json=given).status_code == 200

    def put(self, file: str, number: int, **more: int) -> None:
        """A picture whose content follows from the number."""
        place = self.directory / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content(number, **more))

    def scan(self) -> tuple[dict[str, Any], list[str]]:
        """A scan's job and log."""
        return job_of(self.admin, self.admin.get(f"/api/dataset/{self.id}/scan"))

    def rows(self, **query: Any) -> list[dict[str, Any]]:
        given = {"limit": 10_000, "order": "path", "fields": "path,width,height,vanished", **query}
        answer = self.admin.get(f"/api/dataset/{self.id}/data", params=given)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["images"]
        return rows

    def shown(self, **query: Any) -> dict[str, int]:
        """The ids by the path below the dataset."""
        prefix = f"/datasets/{self.name}/"
        return {row["path"].removeprefix(prefix): row["id"] for row in self.rows(**query)}

    def vanished(self) -> list[str]:
        return list(self.shown(vanished="true"))


def content(number: int, width: int = 96, height: int = 64) -> bytes:
    """A picture of its own for each number, all of the same length."""
    whole = picture(width, height, "BMP")
    return whole[:-4] + number.to_bytes(4, "big")


def test_moved_file_keeps_its_image(server: Running, admin: httpx.Client) -> None:
    """A file or a folder that is renamed, or moved, has the same image, its annotations too."""
    scene = Scene(server, admin, "moved", ["a.bmp", "b.bmp", "train/c.bmp", "train/d.bmp"])
    (scene.directory / "a.bmp").rename(scene.directory / "z.bmp")
    (scene.directory / "sub").mkdir()
    (scene.directory / "b.bmp").rename(scene.directory / "sub" / "b.bmp")
    (scene.directory / "train").rename(scene.directory / "learn")
    job, lines = scene.scan()
    ids = scene.ids
    assert scene.shown() == {
        "learn/c.bmp": ids["train/c.bmp"],
        "learn/d.bmp": ids["train/d.bmp"],
        "sub/b.bmp": ids["b.bmp"],
        "z.bmp": ids["a.bmp"],
    }
    assert "Moved: /datasets/moved/a.bmp to /datasets/moved/z.bmp" in lines
    assert lines[-2:] == ["Of the images that were there: 4 moved", "Created 0 new image(s)"]
    assert (job["errors"], job["warnings"]) == (0, 0)
    assert scene.vanished() == []
    assert {row["file_name"] for row in scene.rows()} == {"b.bmp", "c.bmp", "d.bmp", "z.bmp"}
    assert all(row["num_annotations"] == 1 for row in scene.rows())
    assert admin.get(f"/api/image/{ids['a.bmp']}").status_code == 200
    assert scene.scan()[1][1:] == ["Created 0 new image(s)"]


def test_numbered_anew(server: Running, admin: httpx.Client) -> None:
    """One of a series is deleted and the others take new numbers: each keeps its image."""
    files = [f"{number:03}.bmp" for number in range(6)]
    scene = Scene(server, admin, "series", files)
    (scene.directory / "001.bmp").unlink()
    for number in range(2, 6):
        place = scene.directory / f"{number:03}.bmp"
        place.rename(scene.directory / f"{number - 1:03}.bmp")
    lines = scene.scan()[1]
    ids = scene.ids
    renamed = {f"{number - 1:03}.bmp": ids[f"{number:03}.bmp"] for number in range(2, 6)}
    assert scene.shown(vanished="false") == {"000.bmp": ids["000.bmp"], **renamed}
    # The image of what was deleted cannot have its name any more.
    aside = f".vanished/{ids['001.bmp']}/001.bmp"
    assert scene.shown(vanished="true") == {aside: ids["001.bmp"]}
    assert f"Vanished: /datasets/series/001.bmp, kept as /datasets/series/{aside}" in lines
    assert lines[-2] == "Of the images that were there: 4 moved, 1 vanished"
    assert scene.scan()[1][1:] == ["Created 0 new image(s)"]
    scene.put("001 again.bmp", 1)
    os.utime(scene.directory / "001 again.bmp", ns=(1, 1))
    scene.put("again/001.bmp", 1)
    scene.scan()
    assert scene.shown()["again/001.bmp"] == ids["001.bmp"]


def test_two_that_change_places(server: Running, admin: httpx.Client) -> None:
    """Two files exchange their names: the images do so too."""
    scene = Scene(server, admin, "changed places", ["a.bmp", "b.bmp"])
    spare = scene.directory / "c"
    moments = [10**18, 10**18 + 1]  # a coarse clock may have given both the same
    for name, moment in zip("ab", moments, strict=True):
        os.utime(scene.directory / f"{name}.bmp", ns=(1, moment))
    scene.scan()
    (scene.directory / "a.bmp").rename(spare)
    (scene.directory / "b.bmp").rename(scene.directory / "a.bmp")
    spare.rename(scene.directory / "b.bmp")
    os.utime(scene.directory / "b.bmp", ns=(1, moments[0]))
    os.utime(scene.directory / "a.bmp", ns=(1, moments[1]))
    scene.scan()
    ids = scene.ids
    assert scene.vanished() == []
    assert scene.shown() == {"a.bmp": ids["b.bmp"], "b.bmp": ids["a.bmp"]}


def test_copied_and_removed(server: Running, admin: httpx.Client) -> None:
    """A copy that keeps its name and not its time is a move, once the first is gone."""
    scene = Scene(server, admin, "copied", ["a.bmp"])
    (scene.directory / "sub").mkdir()
    shutil.copyfile(scene.directory / "a.bmp", scene.directory / "sub" / "a.bmp")
    os.utime(scene.directory / "sub" / "a.bmp", ns=(1, 10**18))
    scene.scan()
    both = scene.shown()
    assert both["a.bmp"] == scene.ids["a.bmp"]
    assert len(set(both.values())) == 2
    (scene.directory / "a.bmp").rename(server.data / "kept")
    scene.scan()
    assert scene.vanished() == ["a.bmp"]  # the copy had an image by then
    (scene.directory / "deep").mkdir()
    shutil.copyfile(server.data / "kept", scene.directory / "deep" / "a.bmp")
    os.utime(scene.directory / "deep" / "a.bmp", ns=(1, 2 * 10**18))
    scene.scan()
    assert scene.shown()["deep/a.bmp"] == scene.ids["a.bmp"]


def test_other_content_is_no_move(server: Running, admin: httpx.Client) -> None:
    """A new file of the same size and time, or of the same name, is a new image."""
    scene = Scene(server, admin, "other content", ["a.bmp", "b.bmp"])
    stamp = (scene.directory / "a.bmp").stat()
    for name in ("a.bmp", "b.bmp"):
        (scene.directory / name).unlink()
    scene.put("sub/a.bmp", 100)
    scene.put("c.bmp", 101)
    os.utime(scene.directory / "c.bmp", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    scene.scan()
    shown = scene.shown()
    assert scene.vanished() == ["a.bmp", "b.bmp"]
    assert {shown["a.bmp"], shown["b.bmp"]} == set(scene.ids.values())
    assert len(shown) == 4


def test_vanished_file_marks_its_image(server: Running, admin: httpx.Client) -> None:
    """The image stays in every list and export, is marked, and is itself again with its file."""
    scene = Scene(server, admin, "vanished", ["a.bmp", "b.bmp"])
    before = admin.get(f"/api/dataset/{scene.id}/data").json()
    (scene.directory / "a.bmp").rename(server.data / "aside")
    lines = scene.scan()[1]
    assert "Vanished: /datasets/vanished/a.bmp" in lines
    assert lines[-2] == "Of the images that were there: 1 vanished"
    after = admin.get(f"/api/dataset/{scene.id}/data").json()
    assert (after["total"], after["images"]) == (before["total"], scene_images(before))
    assert [row["vanished"] for row in scene.rows()] == [True, False]
    image = scene.ids["a.bmp"]
    answer = admin.get(f"/api/image/{image}")
    assert (answer.status_code, "not there any more" in answer.json()["message"]) == (400, True)
    whole = admin.get(f"/api/dataset/{scene.id}/coco").json()
    assert [one["id"] for one in whole["images"]] == sorted(scene.ids.values())
    assert scene.scan()[1][1:] == ["Created 0 new image(s)"]  # said once
    (server.data / "aside").rename(scene.directory / "a.bmp")
    assert admin.get(f"/api/image/{image}").status_code == 200
    assert "Back again: /datasets/vanished/a.bmp" in scene.scan()[1]
    assert scene.vanished() == []
    assert scene.shown() == scene.ids


def scene_images(page: dict[str, Any]) -> list[dict[str, Any]]:
    """The images of a page, whose annotations were counted before it was asked for."""
    images: list[dict[str, Any]] = page["images"]
    return images


def test_vanished_file_comes_back_elsewhere(server: Running, admin: httpx.Client) -> None:
    """A file that was away for a scan and lies in another folder then is its image again."""
    scene = Scene(server, admin, "came back", ["a.bmp"])
    (scene.directory / "a.bmp").rename(server.data / "away")
    scene.scan()
    assert scene.vanished() == ["a.bmp"]
    (scene.directory / "sub").mkdir()
    (server.data / "away").rename(scene.directory / "sub" / "b.bmp")
    scene.scan()
    assert (scene.shown(), scene.vanished()) == ({"sub/b.bmp": scene.ids["a.bmp"]}, [])


def test_vanished_file_is_sent_again(server: Running, admin: httpx.Client) -> None:
    """An upload of the same picture under its name is the image again; another one is refused."""
    scene = Scene(server, admin, "resent", ["a.bmp"])
    (scene.directory / "a.bmp").unlink()
    scene.scan()
    answer = uploaded(admin, scene.id, "a.bmp", content(7))
    assert (answer.status_code, "vanished" in answer.json()["message"]) == (400, True)
    assert not (scene.directory / "a.bmp").exists()
    assert uploaded(admin, scene.id, "a.bmp", content(0)).json() == scene.ids["a.bmp"]
    assert scene.vanished() == []
    assert scene.scan()[1][1:] == ["Created 0 new image(s)"]


def test_changed_file_is_measured_again(server: Running, admin: httpx.Client) -> None:
    """Another picture under the name: the new size, and a warning where annotations may not fit."""
    scene = Scene(server, admin, "changed", ["a.bmp", "b.bmp", "c.bmp"])
    scene.put("a.bmp", 50, width=30, height=20)
    scene.put("b.bmp", 51)
    (scene.directory / "c.bmp").touch()
    job, lines = scene.scan()
    assert [(row["width"], row["height"]) for row in scene.rows()] == [(30, 20), (96, 64), (96, 64)]
    assert scene.shown() == scene.ids
    assert job["warnings"] == 1
    assert (
        "Annotations may not fit any more: /datasets/changed/a.bmp (96x64 before, 30x20 now)"
        in lines
    )
    changed = [line for line in lines if line.startswith("Changed")]
    assert changed == [f"Changed: /datasets/changed/{name}.bmp" for name in "ab"]
    assert scene.scan()[1][1:] == ["Created 0 new image(s)"]


def test_half_written_file_stays_as_it_was(server: Running, admin: httpx.Client) -> None:
    """A file that cannot be read any more is said to be so until it can; its image stays."""
    scene = Scene(server, admin, "half", ["a.bmp"])
    whole = (scene.directory / "a.bmp").read_bytes()
    (scene.directory / "a.bmp").write_bytes(b"half")
    for _ in range(2):
        assert scene.scan()[0]["warnings"] == 1
    assert (scene.shown(), scene.vanished()) == (scene.ids, [])
    (scene.directory / "a.bmp").write_bytes(whole)
    assert scene.scan()[0]["warnings"] == 0


def test_files_as_they_were_are_not_opened(server: Running, admin: httpx.Client) -> None:
    """What has its size and time still is taken for what it was."""
    scene = Scene(server, admin, "untouched", ["a.bmp"])
    place = scene.directory / "a.bmp"
    stamp = place.stat()
    place.write_bytes(bytes(stamp.st_size))
    os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert scene.scan()[0]["warnings"] == 0
    os.utime(place)
    assert scene.scan()[0]["warnings"] == 1


def test_folders_deeper_than_the_system_allows(server: Running, admin: httpx.Client) -> None:
    """A path that is too long to be opened is a warning; the rest is scanned."""
    scene = Scene(server, admin, "dark", ["a.bmp", "z/b.bmp"])
    (scene.directory / "z" / "b.bmp").unlink()
    place, depth = os.open(scene.directory, os.O_RDONLY), 0
    while depth < 20:
        os.mkdir("n" * 250, dir_fd=place)
        below = os.open("n" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place, depth = below, depth + 1
    os.close(place)
    job, lines = scene.scan()
    assert any("File name too long" in line for line in lines)
    assert job["warnings"] == 1
    assert scene.vanished() == ["z/b.bmp"]


def test_deleted_image_that_moves_stays_deleted(server: Running, admin: httpx.Client) -> None:
    """A deleted image is not added again because its file lies elsewhere."""
    scene = Scene(server, admin, "deleted", ["a.bmp", "b.bmp"])
    admin.delete(f"/api/image/{scene.ids['a.bmp']}")
    (scene.directory / "a.bmp").rename(scene.directory / "c.bmp")
    assert scene.scan()[1][-1] == "Created 0 new image(s)"
    assert list(scene.shown()) == ["b.bmp"]


def test_log_is_bounded(server: Running, admin: httpx.Client) -> None:
    """Of many files a thousand are named, and the others counted."""
    dataset = created(admin, "many")
    directory = server.directory("many")
    for number in range(1203):
        (directory / f"{number:04}.jpg").write_bytes(b"no picture" if number < 1003 else picture())
    job, lines = job_of(admin, admin.get(f"/api/dataset/{dataset}/scan"))
    assert job["warnings"] == 1003
    assert sum(line.startswith("Skipped /") for line in lines) == 1000
    assert "Skipped 3 more" in lines
    assert lines[-1] == "Created 200 new image(s)"


def test_images_of_an_earlier_version(server: Running, admin: httpx.Client) -> None:
    """Rows without a stamp are looked at once; from then on their files are known."""
    scene = Scene(server, admin, "earlier", ["a.bmp", "b.bmp"])
    with server.database() as database:
        database.execute(
            "UPDATE images SET file_size=NULL, file_mtime_ns=NULL, file_sample=NULL, width=1"
            " WHERE dataset_id=?",
            (scene.id,),
        )
    lines = scene.scan()[1]
    assert "Changed: /datasets/earlier/a.bmp" in lines
    assert [row["width"] for row in scene.rows()] == [96, 96]
    (scene.directory / "a.bmp").rename(scene.directory / "c.bmp")
    scene.scan()
    assert scene.shown()["c.bmp"] == scene.ids["a.bmp"]


@pytest.mark.slow
def test_ten_thousand_in_one_folder(data: Path, tmp_path: Path) -> None:
    """Ten thousand files in one folder are registered, and looked at again in a moment."""
    server = Running(data)
    admin = server.user("admin")
    dataset, directory = created(admin, "crowd"), server.directory("crowd")
    one = tmp_path / "one.jpg"
    one.write_bytes(picture(8, 8))
    for number in range(10_000):
        os.link(one, directory / f"{number:05}.jpg")
    assert job_of(admin, admin.get(f"/api/dataset/{dataset}/scan"))[1][-1] == (
        "Created 10000 new image(s)"
    )
    (directory / "00000.jpg").unlink()
    lines = job_of(admin, admin.get(f"/api/dataset/{dataset}/scan"))[1]
    assert lines[-2:] == ["Of the images that were there: 1 vanished", "Created 0 new image(s)"]
    page = admin.get(f"/api/dataset/{dataset}/data", params={"vanished": "true"}).json()
    assert (page["total"], page["images"][0]["file_name"]) == (1, "00000.jpg")
    server.end()
