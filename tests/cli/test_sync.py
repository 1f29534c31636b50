"""`coir sync`: a folder is made like a dataset, and what is said of it."""

from __future__ import annotations

import json as json_
import signal
import time
from pathlib import Path

import pytest

from client.misbehaving import Misbehaving
from client.serving import Serving
from server.running import created, uploaded

from .command import Terminal, coir, started

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}


def filled(place: Serving, name: str, count: int) -> tuple[int, list[int]]:
    """A dataset with so many pictures, half of them in a folder below: its id, and theirs."""
    admin = place.user("admin")
    dataset = created(admin, name, categories=["cat"])
    names = [f"north/{one}.jpg" if one % 2 else f"{one}.jpg" for one in range(count)]
    return dataset, [int(uploaded(admin, dataset, one).json()) for one in names]


def files(home: Path) -> list[str]:
    """The files of a mirror, as they lie below its folder of images."""
    below = home / "images"
    return sorted(one.relative_to(below).as_posix() for one in below.rglob("*") if one.is_file())


def test_sync_and_again(place: Serving, tmp_path: Path) -> None:
    """The first run copies everything, the second finds nothing, a later one what changed."""
    dataset, ids = filled(place, "mirrored", 4)
    home = tmp_path / "m"
    first = coir("sync", "mirrored", str(home), "-s", place.url, env=ADMIN)
    assert (first.code, first.out) == (0, ""), first.err
    assert first.sentences[0] == "images: 4 added, 0 changed, 0 removed, 0 unchanged"
    assert "files: 4 fetched" in first.err
    assert "complete: the server counts 4 images" in first.err
    assert files(home) == ["0.jpg", "2.jpg", "north/1.jpg", "north/3.jpg"]
    again = coir("sync", str(home), env=ADMIN)
    assert again.code == 0, again.err
    assert again.sentences[0] == "images: 0 added, 0 changed, 0 removed, 4 unchanged"
    admin = place.user("admin")
    admin.delete(f"/api/image/{ids[0]}")
    uploaded(admin, dataset, "new.jpg")
    third = coir("sync", "mirrored", str(home), "-q", "-s", place.url, env=ADMIN)
    assert (third.code, third.out, third.err) == (0, "", "")
    assert files(home) == ["2.jpg", "new.jpg", "north/1.jpg", "north/3.jpg"]


def test_json_log(place: Serving, tmp_path: Path) -> None:
    """With --json-log the counts are data, and the certificate comes after them."""
    filled(place, "sync_logged", 2)
    done = coir("sync", "sync_logged", str(tmp_path), "--json-log", "-s", place.url, env=ADMIN)
    told, proof = [json_.loads(line) for line in done.sentences]
    assert (told["event"], told["sync"], told["mode"]) == ("sync", 1, "full")
    assert (told["dry_run"], told["counts"]["images_added"]) == (False, 2)
    assert (proof["event"], proof["certificate"]["verdict"]) == ("done", "complete")


def test_certificate(place: Serving, tmp_path: Path) -> None:
    """--certificate keeps the listing's; of a sync that needed none it is said."""
    filled(place, "sync_proof", 2)
    home, proof = str(tmp_path / "m"), tmp_path / "proof.json"
    more = ("--certificate", str(proof))
    assert coir("sync", "sync_proof", home, *more, "-s", place.url, env=ADMIN).code == 0
    assert json_.loads(proof.read_bytes())["count"] == 2
    proof.unlink()
    done = coir("sync", home, *more, env=ADMIN)
    assert (done.code, proof.exists()) == (0, False)
    assert "No certificate: this sync (feed)" in done.err


def test_dry_run_and_plan(place: Serving, tmp_path: Path) -> None:
    """--dry-run changes nothing; --plan writes what --apply carries out, once."""
    dataset, ids = filled(place, "sync_planned", 3)
    home, plan = tmp_path / "m", tmp_path / "plan.jsonl"
    dry = coir("sync", "sync_planned", str(home), "--dry-run", "-s", place.url, env=ADMIN)
    assert dry.code == 0
    assert dry.sentences[0].startswith("would be done: images: 3 added, 0 changed")
    assert not home.exists()
    command = ("sync", "sync_planned", str(home), "-s", place.url)
    assert coir(*command, "--plan", str(plan), env=ADMIN).code == 0
    assert not home.exists()
    head, *actions = [json_.loads(line) for line in plan.read_text().splitlines()]
    assert (head["format"], head["mirror"], head["sync"]) == ("coir.plan/1", None, 0)
    assert (head["dataset_id"], head["server_url"]) == (dataset, place.url)
    assert head["counts"]["added"] == 3
    assert [(one["action"], one["image"]["id"]) for one in actions] == [("add", n) for n in ids]
    done = coir(*command, "--apply", str(plan), env=ADMIN)
    assert done.code == 0, done.err
    assert done.sentences[0] == "images: 3 added, 0 changed, 0 removed, 0 unchanged"
    assert len(files(home)) == 3
    again = coir(*command, "--apply", str(plan), env=ADMIN)
    assert (again.code, "for another mirror" in again.err) == (2, True)
    place.user("admin").delete(f"/api/image/{ids[1]}")
    assert coir("sync", str(home), "--plan", str(plan), env=ADMIN).code == 0
    assert len(files(home)) == 3
    assert coir("sync", str(home), "--apply", str(plan), env=ADMIN).code == 0
    assert len(files(home)) == 2
    late = coir("sync", str(home), "--apply", str(plan), env=ADMIN)
    assert (late.code, "after sync 1 of the mirror, and now it is at 2" in late.err) == (2, True)
    assert "unchanged" in coir("sync", str(home), env=ADMIN).err


def test_guards(place: Serving, tmp_path: Path) -> None:
    """A deletion above --max-delete stops with code 13 and says which flag allows it."""
    _, ids = filled(place, "sync_guarded", 3)
    home = tmp_path / "m"
    assert coir("sync", "sync_guarded", str(home), "-s", place.url, env=ADMIN).code == 0
    for one in ids[:2]:
        place.user("admin").delete(f"/api/image/{one}")
    stopped = coir("sync", str(home), "--max-delete", "1", env=ADMIN)
    assert stopped.code == 13, stopped.err
    assert "would be done: images: 0 added, 0 changed, 2 removed" in stopped.err
    assert "add --max-delete 2" in stopped.err
    plan = str(tmp_path / "plan")
    planned = coir("sync", str(home), "--max-delete", "1", "--plan", plan, env=ADMIN)
    assert planned.code == 13
    refused = coir("sync", str(home), "--max-delete", "1", "--apply", plan, env=ADMIN)
    assert (refused.code, len(files(home))) == (13, 3)
    assert coir("sync", str(home), "--max-delete", "50%", env=ADMIN).code == 0
    assert len(files(home)) == 1
    place.user("admin").delete(f"/api/image/{ids[2]}")
    emptied = coir("sync", str(home), env=ADMIN)
    assert (emptied.code, "add --allow-empty" in emptied.err) == (13, True)
    assert coir("sync", str(home), "--allow-empty", env=ADMIN).code == 0
    assert files(home) == []


def test_filters(place: Serving, tmp_path: Path) -> None:
    """Filters are those of `coir images`; a mirror holds to them."""
    filled(place, "sync_filtered", 4)
    home = tmp_path / "m"
    command = ("sync", "sync_filtered", str(home), "-s", place.url)
    assert coir(*command, "--folder", "north", env=ADMIN).code == 0
    assert files(home) == ["north/1.jpg", "north/3.jpg"]
    assert "2 unchanged" in coir("sync", str(home), env=ADMIN).err
    other = coir(*command, "--folder", "south", env=ADMIN)
    assert (other.code, "made with the filters" in other.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sync"], "Missing argument"),
        (["sync", "DIR"], "There is no mirror in"),
        (["sync", "birds", "DIR", "more"], "Too many arguments"),
        (["sync", "birds", "DIR"], "No server is named"),
        (["sync", "birds", "DIR", "--dry-run", "--apply", "x"], "do not go together"),
        (["sync", "birds", "DIR", "--every", "5m", "--plan", "DIR"], "cannot be written"),
        (["sync", "birds", "DIR", "--every", "5 parsecs"], "'5 parsecs' is no time"),
        (["sync", "birds", "DIR", "--every", "0"], "more than 0 seconds"),
        (["sync", "birds", "DIR", "--max-delete", "-3"], "neither a number of images nor a"),
        (["sync", "birds", "DIR", "--max-delete", "120%"], "neither a number of images nor a"),
        (["sync", "birds", "DIR", "--recheck", "7"], "'7' is no part"),
        (["sync", "birds", "DIR", "--images", "large"], "does not say which files to keep"),
        (["sync", "birds", "DIR", "--annotations", "some"], "'some' is not one of"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], says: str) -> None:
    """Mistakes are told in a sentence, before anything is sent, with code 2."""
    done = coir(*(str(tmp_path) if one == "DIR" else one for one in arguments))
    assert (done.code, done.out) == (2, "")
    assert says in " ".join(done.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_another_server(place: Serving, tmp_path: Path) -> None:
    """A mirror goes on at another address only when it is said; no password is sent before."""
    filled(place, "sync_moved", 2)
    home = tmp_path / "m"
    assert coir("sync", "sync_moved", str(home), "-s", place.url, env=ADMIN).code == 0
    with Misbehaving({}) as other:
        done = coir("sync", str(home), "-s", other.url, env=ADMIN)
        assert (done.code, other.asked) == (2, [])
    assert "--moved" in done.err
    address = place.url.replace("127.0.0.1", "localhost")
    moved = coir("sync", str(home), "--moved", "-s", address, env=ADMIN)
    assert moved.code == 0, moved.err
    assert "2 unchanged" in moved.err
    assert "(full)" in moved.err
    assert coir("sync", str(home), env=ADMIN | {"COIR_SERVER": address}).code == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted(place: Serving, tmp_path: Path, how: signal.Signals) -> None:
    """What was interrupted is repeated, and in the end the mirror is whole."""
    name = f"sync_interrupted{how.value}"
    filled(place, name, 20)
    home = tmp_path / "m"
    command = ("sync", name, str(home), "--max-rps", "10", "-s", place.url)
    process = started(*command, env=ADMIN)
    deadline = time.monotonic() + 120
    while not (home / "images").is_dir() or not files(home):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, err = process.communicate(timeout=120)
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
    assert process.returncode == codes[how]
    assert "Traceback" not in err
    if how is not signal.SIGKILL:
        assert "Interrupted: the next run goes on where this one stopped." in err
    done = coir("sync", str(home), env=ADMIN)
    assert done.code == 0, done.err
    assert len(files(home)) == 20


def test_closed_pipe(place: Serving, tmp_path: Path) -> None:
    """Who does not read what is said keeps no sync from its end."""
    filled(place, "sync_piped", 2)
    process = started("sync", "sync_piped", str(tmp_path / "m"), "-s", place.url, env=ADMIN)
    process.stdout.close()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert len(files(tmp_path / "m")) == 2


def test_at_a_terminal(place: Serving, tmp_path: Path) -> None:
    """At a terminal, a bar shows the phase, and the password is asked for."""
    filled(place, "sync_shown", 8)
    command = ("sync", "sync_shown", str(tmp_path / "m"), "-s", place.url, "--max-rps", "8")
    with Terminal(*command, "-u", "admin") as terminal:
        terminal.expect("Password of admin")
        terminal.type("admin-pw\n")
        terminal.expect("files")
        terminal.expect("/8")
        done = terminal.end()
    assert done.code == 0
    assert "8 added" in done.err


def test_a_file_that_cannot_come(place: Serving, tmp_path: Path) -> None:
    """The rest is copied, the code is 12, and the next run tries again."""
    filled(place, "sync_lacking", 2)
    there = place.directory("sync_lacking") / "0.jpg"
    away = tmp_path / "away.jpg"
    there.rename(away)
    home = tmp_path / "m"
    done = coir("sync", "sync_lacking", str(home), "-s", place.url, env=ADMIN)
    assert (done.code, files(home)) == (12, ["north/1.jpg"]), done.err
    assert "1 failed" in done.err
    away.rename(there)
    assert coir("sync", str(home), env=ADMIN).code == 0
    assert files(home) == ["0.jpg", "north/1.jpg"]


def test_coco(place: Serving, tmp_path: Path) -> None:
    """--coco writes a COCO file beside the images, and again only when something changed."""
    _, ids = filled(place, "sync_coco", 2)
    admin = place.user("admin")
    category = admin.get("/api/category/").json()[0]["id"]
    drawn = {"image_id": ids[0], "category_id": category, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    home = tmp_path / "m"
    assert coir("sync", "sync_coco", str(home), "--coco", "-s", place.url, env=ADMIN).code == 0
    written = home / "annotations.json"
    assert json_.loads(written.read_bytes())["annotations"] == []
    before = written.stat().st_mtime_ns
    assert coir("sync", str(home), "--coco", env=ADMIN).code == 0
    assert written.stat().st_mtime_ns == before
    assert admin.post("/api/annotation/", json=drawn).status_code == 200
    done = coir("sync", str(home), "--coco", env=ADMIN)
    assert (done.code, "annotations.json was written" in done.err) == (0, True)
    content = json_.loads(written.read_bytes())
    assert [one["bbox"] for one in content["annotations"]] == [[1, 1, 8, 8]]
    assert (home / "images" / content["images"][0]["file_name"]).is_file()
