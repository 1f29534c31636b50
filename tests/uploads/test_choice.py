from __future__ import annotations

import os
from pathlib import Path

import pytest

from coir.errors import InvalidRequest
from coir.uploads.choice import choice


def laid_out(folder: Path, *names: str) -> Path:
    """A folder with empty files of these names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_file_and_folder(tmp_path: Path) -> None:
    """A file goes under its own name; the pictures of a folder with their paths in it."""
    photos = laid_out(tmp_path / "photos", "b.JPG", "north/a.png", "north/deep/c.tiff")
    alone = laid_out(tmp_path, "somewhere/z.jpg") / "somewhere" / "z.jpg"
    chosen = choice([photos, str(alone)])
    assert [one.name for one in chosen.files] == [
        "b.JPG", "north/a.png", "north/deep/c.tiff", "z.jpg"
    ]  # fmt: skip
    assert [one.path for one in chosen.files][-1] == alone
    assert chosen.passed_over == 0


@pytest.mark.parametrize("into", ["trip", "/trip/", "trip/day 1"])
def test_into(tmp_path: Path, into: str) -> None:
    """Everything can be put below a folder of the dataset."""
    (one,) = choice([laid_out(tmp_path, "a/b.gif")], into).files
    assert one.name == f"{into.strip('/')}/a/b.gif"


def test_what_is_passed_over(tmp_path: Path) -> None:
    """Of a folder, what is no picture or hidden is passed over, and counted."""
    folder = laid_out(tmp_path, "a.bmp", "notes.txt", ".hidden.jpg", "x/Thumbs.db", "x/jpg")
    laid_out(folder, ".thumbnails/a.jpg")
    chosen = choice([folder])
    assert [one.name for one in chosen.files] == ["a.bmp"]
    assert chosen.passed_over == 4  # a hidden folder is not looked into


def test_a_named_file_is_taken_at_its_word(tmp_path: Path) -> None:
    """A file that is named itself goes whatever its name is: the server decides."""
    file = laid_out(tmp_path, "picture") / "picture"
    assert [one.name for one in choice(file for file in [file]).files] == ["picture"]


def test_links(tmp_path: Path) -> None:
    """Links to files are followed; links to folders are not, or one might run in a circle."""
    folder = laid_out(tmp_path / "photos", "a.jpg")
    (folder / "b.jpg").symlink_to(folder / "a.jpg")
    (folder / "round").symlink_to(folder)
    assert [one.name for one in choice([folder]).files] == ["a.jpg", "b.jpg"]


def test_twice(tmp_path: Path) -> None:
    """A file that is named in two ways is sent once."""
    folder = laid_out(tmp_path, "a.jpg")
    assert len(choice([folder, folder, folder / "a.jpg"]).files) == 1


def test_two_of_a_name(tmp_path: Path) -> None:
    """Two files that would have the same place are refused, and named."""
    folder = laid_out(tmp_path, "x/a.jpg", "y/a.jpg")
    with pytest.raises(InvalidRequest, match=r"x/a\.jpg and .*y/a\.jpg would both become a\.jpg"):
        choice([folder / "x", folder / "y" / "a.jpg"])
    assert len(choice([folder]).files) == 2


def test_nothing(tmp_path: Path) -> None:
    """What is not there, and a folder without pictures, is refused."""
    laid_out(tmp_path, "notes.txt")
    with pytest.raises(InvalidRequest, match=r"missing\.jpg is not there"):
        choice([tmp_path / "missing.jpg"])
    with pytest.raises(InvalidRequest, match="nothing to upload") as raised:
        choice([tmp_path])
    assert ".jpeg" in raised.value.hint
    with pytest.raises(InvalidRequest, match="nothing to upload"):
        choice([])
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InvalidRequest, match="is no file"):
        choice([tmp_path / "pipe.jpg"])
