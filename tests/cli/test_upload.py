"""`coir upload`: files and folders into a dataset, and what is said of them."""

from __future__ import annotations

import json as json_
import os
import signal
import time
from pathlib import Path

import pytest

import coir as coir_
from client.misbehaving import DATA, Asked, Misbehaving, Reply, json, listing
from client.serving import Serving
from server.running import created, picture

from .command import Terminal, coir, started

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}


def photos(folder: Path, count: int) -> Path:
    """A folder with so many pictures, half of them in a folder below."""
    (folder / "north").mkdir(parents=True, exist_ok=True)
    content = picture()
    for number in range(count):
        name = f"north/{number:03}.jpg" if number % 2 else f"{number:03}.jpg"
        (folder / name).write_bytes(content)
    return folder


def names(place: Serving, dataset: str) -> list[str]:
    """The paths of the images in a dataset."""
    with coir_.connect(place.url, username="admin", password="admin-pw") as server:
        scan = coir_.Scan(server.dataset(dataset), fields=["path"])
        return sorted(str(row.path).removeprefix(f"/datasets/{dataset}/") for row in scan)


def test_upload_and_again(place: Serving, tmp_path: Path) -> None:
    """Everything is uploaded, told in a sentence, and nothing the second time."""
    created(place.user("admin"), "up")
    folder = photos(tmp_path, 6)
    (folder / "notes.txt").touch()
    done = coir("upload", "up", str(folder), "-s", place.url, env=ADMIN)
    assert (done.code, done.out) == (0, "")
    passed = "1 passed over as hidden or no picture"
    assert done.sentences == [f"6 uploaded, 0 were there, {passed}."]
    assert len(names(place, "up")) == 6
    again = coir("upload", "up", str(folder), "-s", place.url, env=ADMIN)
    assert (again.code, again.sentences) == (0, [f"0 uploaded, 6 were there, {passed}."])
    quiet = coir("upload", "up", str(folder), "-q", "-s", place.url, env=ADMIN)
    assert (quiet.code, quiet.err) == (0, "")
    into = coir(
        "upload", "up", str(folder / "000.jpg"), "--into", "x/y", "-s", place.url, env=ADMIN
    )
    assert into.code == 0
    assert "x/y/000.jpg" in names(place, "up")


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_refused(place: Serving, tmp_path: Path, quiet: list[str]) -> None:
    """What is refused is told by its file, the rest goes on, and the code is 11."""
    name = f"refused{len(quiet)}"
    created(place.user("admin"), name)
    folder = photos(tmp_path, 3)
    (folder / "bad.jpg").write_text("no picture")
    done = coir("upload", name, str(folder), "-s", place.url, *quiet, env=ADMIN)
    assert (done.code, done.out) == (11, "")
    first, *middle, error, hint = done.sentences
    assert first.startswith(f"{folder}/bad.jpg: The server refused POST /api/image/: ")
    assert middle == ([] if quiet else ["3 uploaded, 0 were there, 1 failed."])
    assert error == "Error: 1 of 4 files could not be uploaded."
    assert "Repeat the command" in hint
    assert len(names(place, name)) == 3


def test_json_log(place: Serving, tmp_path: Path) -> None:
    """With --json-log each file that failed is a warning, and the counts are data."""
    created(place.user("admin"), "logged")
    folder = photos(tmp_path, 2)
    (folder / "bad.jpg").write_text("no picture")
    done = coir("upload", "logged", str(folder), "--json-log", "-s", place.url, env=ADMIN)
    warning, note, error = [json_.loads(line) for line in done.sentences]
    assert (warning["event"], warning["file"]) == ("warning", f"{folder}/bad.jpg")
    assert note["event"] == "note"
    assert (note["uploaded"], note["present"], note["failed"], note["untried"]) == (2, 0, 1, 0)
    assert (error["event"], error["error"], error["exit_code"]) == ("error", "IncompleteUpload", 11)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["up"], 2, "Missing argument"),
        (["nowhere", "."], 7, "no dataset 'nowhere'"),
        (["up", "missing.jpg"], 2, "missing.jpg is not there"),
        (["up", "."], 2, "nothing to upload"),
    ],
)
def test_mistakes(
    place: Serving, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """Mistakes are told before anything is sent, with the codes of the other commands."""
    admin = place.user("admin")
    if all(one["name"] != "up" for one in admin.get("/api/dataset/").json()):
        created(admin, "up")
    here = os.path.relpath(tmp_path)
    given = [one if one in {"up", "nowhere"} else f"{here}/{one}" for one in arguments]
    done = coir("upload", *given, "-s", place.url, env=ADMIN)
    assert (done.code, done.out) == (code, "")
    assert says in done.err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(place: Serving, tmp_path: Path, how: signal.Signals) -> None:
    """What was interrupted is repeated, and in the end each file is there once."""
    name = f"interrupted{how.value}"
    created(place.user("admin"), name)
    folder = photos(tmp_path, 200)
    command = ("upload", name, str(folder), "-s", place.url)
    process = started(*command, env=ADMIN)
    deadline = time.monotonic() + 30
    while not (came := names(place, name)):
        assert time.monotonic() < deadline
    process.send_signal(how)
    _, err = process.communicate(timeout=120)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert "Traceback" not in err
    assert 0 < len(came) < 200
    done = coir(*command, env=ADMIN)
    assert done.code == 0, done.err
    there = names(place, name)
    assert len(there) == len(set(there)) == 200
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert there == found
    uploaded, present = (int(part.split()[0]) for part in done.err.split(", ")[:2])
    assert (uploaded + present, 0 < present < 200) == (200, True)


def _slow(_: Asked) -> Reply:
    time.sleep(0.1)
    return json(1)


def test_at_a_terminal(tmp_path: Path) -> None:
    """At a terminal, a bar shows how many files are done, of how many."""
    folder = photos(tmp_path, 30)
    routes = {DATA: listing([]), "POST /api/image/": _slow}
    with (
        Misbehaving(routes) as server,
        Terminal("upload", "birds", str(folder), "-s", server.url) as terminal,
    ):
        terminal.expect("Uploading to birds: uploading")
        terminal.expect("/30")
        done = terminal.end()
    assert done.code == 0
    assert done.err.rstrip().endswith("30 uploaded, 0 were there.")


def test_the_rule_is_in_the_help() -> None:
    """--help says which files go, what counts as being there, and the exit code."""
    text = " ".join(coir("upload", "--help").out.replace("│", " ").split())
    for part in (
        "Of a folder go the pictures below it",
        "the same folder with the same file name",
        "not compared",
        "the exit code is then 11",
        "repeat the command",
    ):
        assert part in text
