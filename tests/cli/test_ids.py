from __future__ import annotations

import json as json_
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.misbehaving import (
    DATA,
    DATASETS,
    INFO,
    LOGIN,
    Asked,
    Fault,
    Misbehaving,
    Reply,
    Route,
    json,
    listing,
)
from client.serving import Scene, serving

from .command import Terminal, coir, lines, started

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}
MANY = range(5, 60_000, 2)  # with holes: no window is known by its count


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with serving(tmp_path_factory.mktemp("cli")) as running:
        yield Scene(running)


def test_ids(scene: Scene) -> None:
    """The ids come one a line, ascending; the certificate is told on stderr."""
    done = coir("ids", "birds", "--server", scene.url, env=ADMIN)
    assert done.code == 0, done.err
    assert done.out == "".join(f"{one}\n" for one in scene.ids)
    assert done.sentences[0].startswith("complete: ")
    assert f"{len(scene.ids)} ids up to {scene.ids[-1]}" in done.sentences[1]
    assert "admin-pw" not in done.err


def test_everything_from_the_environment(scene: Scene) -> None:
    """Server, user and password may all come from the environment."""
    done = coir("ids", str(scene.empty), "-q", env={**ADMIN, "COIR_SERVER": scene.url})
    assert (done.code, done.out, done.err) == (0, "", "")


def test_cookie(scene: Scene) -> None:
    """A browser's session does instead of a password, and is not shown."""
    cookie = scene.cookie("bob")
    done = coir("ids", "bobs", "-s", scene.url, "--cookie", cookie)
    assert done.out.split() == [str(one) for one in scene.bobs_ids]
    assert cookie not in done.err


def test_not_permitted(scene: Scene) -> None:
    """Another user's dataset is not found, and those that are visible are named."""
    env = {"COIR_USERNAME": "bob", "COIR_PASSWORD": "bob-pw"}
    done = coir("ids", "birds", "-s", scene.url, env=env)
    assert (done.code, done.out) == (7, "")
    assert "'bobs'" in done.err


def test_datasets(scene: Scene) -> None:
    """`coir datasets` lists id, name and owner, separated by tabs."""
    done = coir("datasets", "-s", scene.url, env=ADMIN)
    assert (done.code, done.err) == (0, "")
    assert f"{scene.birds}\tbirds\tadmin" in done.out.splitlines()


def test_no_datasets() -> None:
    """Somebody who sees no dataset is told so, on stderr."""
    with Misbehaving({DATASETS: [json([])]}) as server:
        done = coir("datasets", "-s", server.url)
    assert (done.code, done.out) == (0, "")
    assert "ask an owner" in done.err


def test_quiet(scene: Scene) -> None:
    """With -q nothing is said but the ids."""
    done = coir("ids", "birds", "-q", "-s", scene.url, env=ADMIN)
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == [str(one) for one in scene.ids]


def test_certificate(scene: Scene, tmp_path: Path) -> None:
    """The certificate is written whole, in place of an older one, and nothing beside it."""
    path = tmp_path / "certificate.json"
    path.write_text("older")
    done = coir("ids", "birds", "-q", "-s", scene.url, "--certificate", str(path), env=ADMIN)
    assert done.code == 0, done.err
    says = json_.loads(path.read_bytes())
    assert (says["verdict"], says["count"]) == ("complete", len(scene.ids))
    assert says["dataset_name"] == "birds"
    assert "admin-pw" not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/certificate.json", ".", "pipe", "/proc/certificate"])
def test_certificate_in_no_place(place: str, tmp_path: Path) -> None:
    """A place where no file can be put is refused before anything is sent, and left as it is."""
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with Misbehaving() as server:
        path = str(tmp_path / place)
        done = coir("ids", "birds", "-s", server.url, "--certificate", path)
        assert server.connections == 0
    assert (done.code, done.out) == (2, "")
    assert "cannot be written" in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_head() -> None:
    """A reader that has seen enough is no error: no traceback, exit code 0."""
    with Misbehaving({DATA: listing(MANY)}) as server:
        process = started("ids", "birds", "-s", server.url)
        first = lines(process.stdout, 1)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        code = process.wait(30)
    assert first == ["5\n"]
    assert (code, err.splitlines()[0].split(":")[0]) == (0, "complete")
    assert "Error" not in err
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_full_disk() -> None:
    """When the output cannot be written, that is said, and the exit code is not 0."""
    with Misbehaving({DATA: listing(MANY)}) as server, Path("/dev/full").open("w") as full:
        process = started("ids", "birds", "-s", server.url, stdout=full)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.splitlines() == ["Error: The output could not be written: No space left on device."]


def _slow(asked: Asked) -> Reply:
    time.sleep(0.2)
    return listing(range(1, 2_000_000))(asked)


def _hangs_later(asked: Asked) -> Reply:
    if int(asked.params.get("id__gte", 0)) > 3000 and asked.params["limit"] != "1":
        return Fault.HANG
    return listing(MANY)(asked)


HANG = (Fault.HANG,)


@pytest.mark.parametrize(
    ("routes", "route", "times"),
    [
        ({INFO: HANG}, INFO, 1),
        ({LOGIN: HANG}, LOGIN, 1),
        ({DATASETS: HANG}, DATASETS, 1),
        ({DATA: HANG}, DATA, 1),
        ({DATA: _hangs_later}, DATA, 7),
        ({DATA: _slow}, DATA, 6),
    ],
    ids=["greeting", "login", "datasets", "first", "later", "slow"],
)
def test_interrupt(routes: dict[str, Route], route: str, times: int) -> None:
    """Ctrl-C ends at once, with a sentence and without a list, also when the server hangs."""
    with Misbehaving(routes) as server:
        process = started("ids", "birds", "-s", server.url, env=ADMIN)
        deadline = time.monotonic() + 30
        while server.count(route) < times and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.count(route) >= times, process.communicate(timeout=120)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        out, err = process.communicate(timeout=120)
        took = time.monotonic() - sent
    assert (process.returncode, out) == (130, "")
    assert err == "Interrupted: the list was not whole, so nothing was printed.\n"
    assert took < 3


def test_password_is_asked_for() -> None:
    """At a terminal the password is asked for, and not shown while it is typed."""
    with Misbehaving({DATA: listing(MANY)}) as server:
        with Terminal("ids", "birds", "-s", server.url, "-u", "admin") as terminal:
            terminal.expect(f"Password of admin at {server.url}: ")
            assert server.connections == 0
            terminal.type("hush\n")
            done = terminal.end()
        [login] = [asked for asked in server.asked if asked.route == LOGIN]
    assert json_.loads(login.body) == {"username": "admin", "password": "hush"}
    assert done.code == 0
    assert done.out.split() == [str(one) for one in MANY]
    assert "hush" not in done.err
    assert "complete: " in done.err


def test_password_is_not_typed() -> None:
    """Ctrl-C at the password's prompt ends without a traceback, and nothing is sent."""
    with Misbehaving() as server:
        with Terminal("ids", "birds", "-s", server.url, "-u", "admin") as terminal:
            terminal.expect("Password of admin")
            terminal.type("\x03")
            done = terminal.end()
        assert server.connections == 0
    assert (done.code, done.out) == (130, "")
    assert "Traceback" not in done.err


def _leisurely(asked: Asked) -> Reply:
    time.sleep(0.1)
    return listing(range(1, 16_001, 2))(asked)


@pytest.mark.parametrize("name", ["birds", "[/birds] [red]"])
def test_progress(name: str) -> None:
    """At a terminal a bar shows what is read and how much of it, and goes away at the end."""
    routes: dict[str, Route] = {DATA: _leisurely, DATASETS: [json([{"id": 1, "name": name}])]}
    with (
        Misbehaving(routes) as server,
        Terminal("ids", name, "-s", server.url) as terminal,
    ):
        terminal.expect("/8000")
        done = terminal.end()
    assert done.code == 0, done.err
    assert f"Reading {name}: reading" in done.err
    assert "━" in done.err
    assert done.out.split() == [str(one) for one in range(1, 16_001, 2)]
    assert "\x1b[2K" in terminal.shown  # the line is erased
    assert done.err.rstrip().splitlines()[-1].endswith(" s")  # the certificate's last line


def test_progress_is_quiet() -> None:
    """With -q there is no bar at a terminal either."""
    with (
        Misbehaving({DATA: listing(MANY)}) as server,
        Terminal("ids", "birds", "-q", "-s", server.url) as terminal,
    ):
        done = terminal.end()
    assert (done.code, done.err) == (0, "")
