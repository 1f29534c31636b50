"""`coir status`, `log`, `diff` and `gc`: what a mirror tells of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import coir as coir_
from client.serving import Serving
from coir.mirror import Options
from scan.proxy import Proxy
from server.running import created, uploaded

from .command import coir, started


@pytest.fixture(scope="module")
def home(place: Serving, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror of two syncs: two images, of which one was removed and one came."""
    folder = tmp_path_factory.mktemp("told") / "m"
    admin = place.user("admin")
    dataset = created(admin, "told", categories=["cat"])
    ids = [int(uploaded(admin, dataset, f"{one}.jpg").json()) for one in range(2)]
    with (
        coir_.connect(place.url, username="admin", password="admin-pw") as server,
        coir_.Mirror(folder) as mirror,
    ):
        mirror.sync(server.dataset("told"))
        admin.delete(f"/api/image/{ids[0]}")
        uploaded(admin, dataset, "new.jpg")
        mirror.sync(server.dataset("told"))
    return folder


def test_status(place: Serving, home: Path) -> None:
    """The status is for people, and with --json for programs."""
    done = coir("status", str(home))
    assert (done.code, done.err) == (0, "")
    first, kept, last, held, disk = done.out.splitlines()
    assert first.startswith("told (")
    assert first.endswith(f" at {place.url}")
    assert kept == "files kept: original"
    assert last.startswith("last: sync 2 (feed), 2")
    assert held == "2 images, 0 annotations, 1 categories, 2 files"
    assert disk.startswith("on disk: database ")
    told = json.loads(coir("status", str(home), "--json").out)
    assert (told["images"], told["last"]["sync"], told["troubles"]) == (2, 2, [])


def test_status_of_a_mirror_of_the_original(place: Serving, tmp_path: Path) -> None:
    """It says how long ago annotations were looked into; a feed tells of all edits."""
    admin = place.user("admin")
    dataset = created(admin, "looked into", categories=["looked at"])
    ids = [int(uploaded(admin, dataset, f"{one}.jpg").json()) for one in range(2)]
    admin.post("/api/annotation/", json={"image_id": ids[0], "category_id": 1})
    with (
        Proxy(place.url) as proxy,
        coir_.connect(proxy.url, username="admin", password="admin-pw") as server,
        coir_.Mirror(tmp_path / "m") as mirror,
    ):
        for recheck in (0.0, 0.0, 0.5):
            mirror.sync(server.dataset(dataset), options=Options(images="none", recheck=recheck))
    lines = coir("status", str(tmp_path / "m")).out.splitlines()
    (looked,) = [one for one in lines if one.startswith("annotations looked into")]
    assert looked.startswith("annotations looked into: of 2 images, the longest ago in sync 1, 2")


def test_log(home: Path) -> None:
    """The log is one sync a line, the newest first; --sync lists what one changed."""
    done = coir("log", str(home))
    assert done.code == 0
    newest, oldest = done.out.splitlines()
    assert newest.startswith("sync 2 (feed), ")
    assert "images +1 *0 -1" in newest
    assert "images +2 *0 -0" in oldest
    one = coir("log", str(home), "--sync", "2").out.splitlines()
    assert one[0] == newest
    assert [line.split()[:2] for line in one[1:]] == [["-", "image"], ["+", "image"]]
    told = coir("log", str(home), "--json").out.splitlines()
    assert [json.loads(line)["sync"] for line in told] == [2, 1]


def test_diff(home: Path) -> None:
    """The difference is a line for each thing, or an object."""
    lines = coir("diff", str(home), "--since", "1").out.splitlines()
    assert [line.split()[0] for line in lines] == ["-", "+"]
    assert lines[1].endswith(" new.jpg")
    gone = json.loads(coir("diff", str(home), "--since", "1", "--json").out.splitlines()[0])
    assert (gone["sign"], gone["kind"], gone["after"]) == ("-", "image", None)
    assert gone["before"]["file_name"] == "0.jpg"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status"], "Missing argument"),
        (["status", "NOWHERE"], "There is no mirror in"),
        (["log", "NOWHERE"], "There is no mirror in"),
        (["diff", "HOME"], "Missing option '--since'"),
        (["diff", "HOME", "--since", "9"], "no sync 9"),
        (["log", "HOME", "--sync", "9"], "no sync 9"),
        (["gc", "NOWHERE"], "There is no mirror in"),
        (["gc", "HOME", "--older-than", "soon"], "'soon' is no time"),
        (["verify", "NOWHERE"], "There is no mirror in"),
    ],
)
def test_mistakes(home: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    """Mistakes are told in a sentence, with code 2, and make nothing."""
    given = {"HOME": str(home), "NOWHERE": str(tmp_path / "nowhere")}
    done = coir(*(given.get(one, one) for one in arguments))
    assert (done.code, done.out) == (2, "")
    assert says in " ".join(done.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough(home: Path) -> None:
    """A closed pipe ends the printing, and is no error."""
    process = started("diff", str(home), "--since", "0")
    process.stdout.close()
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_gc(home: Path) -> None:
    """The trash is emptied, of what is old enough."""
    trash = home / ".coir" / "trash"
    assert list(trash.rglob("0.jpg"))
    kept = coir("gc", str(home), "--older-than", "30d")
    assert (kept.code, kept.sentences) == (0, ["0 files removed from the trash, 0 bytes."])
    assert list(trash.rglob("0.jpg"))
    done = coir("gc", str(home))
    assert done.code == 0, done.err
    assert done.sentences[0].startswith("1 files removed from the trash, ")
    assert not list(trash.rglob("0.jpg"))
