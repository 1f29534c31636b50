"""An interrupted listing goes on where it stopped; a later one gives what is new."""

from __future__ import annotations

import json as json_
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from client.misbehaving import DATA, DATASETS, Asked, Fault, Misbehaving, Reply, json, listing
from client.serving import Serving
from server.running import created

from .command import coir, started

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}
MANY = range(5, 60_000, 2)  # with holes: no window is known by its count
HALF = 30_000


def beyond(asked: Asked) -> bool:
    """Whether rows of the second half are asked for, and not a probe or a count."""
    params = asked.params
    return int(params.get("id__gte", 0)) > HALF and params.get("limit") != "1"


def _hangs_later(asked: Asked) -> Reply:
    return Fault.HANG if beyond(asked) else listing(MANY)(asked)


def _fails_later(asked: Asked) -> Reply:
    if beyond(asked):
        return json({"message": "Internal Server Error"}, 500)
    return listing(MANY)(asked)


def _interrupted(server: Misbehaving, number: signal.Signals, *arguments: str) -> Any:
    """Run a command until it waits for the second half, and end it; what it left."""
    server.routes[DATA] = _hangs_later
    process = started(*arguments, "-s", server.url)
    deadline = time.monotonic() + 30
    while not any(beyond(asked) for asked in server.asked):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    server.routes[DATA] = listing(MANY)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("command", "number"), [("ids", signal.SIGINT), ("images", signal.SIGKILL)]
)
def test_it_goes_on_where_it_stopped(tmp_path: Path, command: str, number: signal.Signals) -> None:
    """The same bytes and hash as of an undisturbed run, and nothing is asked for twice."""
    progress, certificate = tmp_path / "progress", tmp_path / "certificate.json"
    again = (command, "birds", "--resume", str(progress), "--certificate", str(certificate))
    with Misbehaving() as server:
        code, out, err = _interrupted(server, number, *again)
        assert (code, out) == ((130, "") if number is signal.SIGINT else (-number, ""))
        if number is signal.SIGINT:
            assert err == (
                "Interrupted: run the same command again to go on; "
                f"the progress is in {progress}.\n"
            )
        read = json_.loads(progress.read_bytes().splitlines()[-1])["stop"]
        assert read > MANY[0]
        before = len(server.asked)
        resumed = coir(*again, "-s", server.url)
        windows = [asked.params for asked in server.asked[before:] if asked.route == DATA]
        says = json_.loads(certificate.read_bytes())
        whole = coir(command, "birds", "--certificate", str(certificate), "-s", server.url)
    assert (resumed.code, resumed.out) == (0, whole.out)
    undisturbed = json_.loads(certificate.read_bytes())
    same = ("verdict", "count", "rows_read", "ids_sha256", "high_water_mark", "smallest_id",
            "newest_ids", "claims")  # fmt: skip
    assert {name: says[name] for name in same} == {name: undisturbed[name] for name in same}
    rows = [window for window in windows if int(window["limit"]) > 1]
    assert rows
    assert min(int(window["id__gte"]) for window in rows) == read
    assert not progress.exists()


def test_a_failure_says_how_to_go_on(tmp_path: Path) -> None:
    """A listing that ends without proof keeps its progress, and says so."""
    progress = tmp_path / "progress"
    command = ("ids", "birds", "--resume", str(progress))
    with Misbehaving({DATA: _fails_later}) as server:
        failed = coir(*command, "-s", server.url)
        assert (failed.code, failed.out) == (10, "")
        assert failed.sentences[-1].endswith("Run the same command again to go on from there.")
        server.routes[DATA] = listing(MANY)
        done = coir(*command, "-s", server.url)
    assert done.code == 0
    assert done.out.split() == [str(one) for one in MANY]


def test_progress_of_something_else(tmp_path: Path) -> None:
    """Another command, filter or dataset does not go on from it, and leaves it as it is."""
    progress = tmp_path / "progress"
    two = {DATASETS: [json([{"id": 1, "name": "birds"}, {"id": 2, "name": "fish"}])]}
    with Misbehaving(two) as server:
        _interrupted(server, signal.SIGINT, "ids", "birds", "--resume", str(progress))
        kept = progress.read_bytes()
        for other in (["images", "birds"], ["ids", "birds", "--annotated"], ["ids", "fish"]):
            done = coir(*other, "--resume", str(progress), "-s", server.url)
            assert (done.code, done.out) == (2, "")
            assert done.sentences[0] == (
                f"Error: {progress} holds an interrupted listing of something else."
            )
    assert progress.read_bytes() == kept


def test_since(place: Serving, tmp_path: Path) -> None:
    """Only what is new since a certificate is given, and nothing the next time."""
    admin = place.user("admin")
    dataset, env = created(admin, "since"), {"COIR_COOKIE": str(admin.cookies["session"])}
    old = place.fill([dataset] * 30)[dataset]
    first, second, third = (str(tmp_path / name) for name in ("1.json", "2.json", "3.json"))

    def ids(*more: str) -> list[int]:
        done = coir("ids", "since", "-q", *more, "-s", place.url, env=env)
        assert (done.code, done.err) == (0, "")
        return [int(line) for line in done.out.splitlines()]

    assert ids("--certificate", first) == old
    new = place.fill([dataset] * 5)[dataset]
    assert ids("--since", first, "--certificate", second) == new
    assert ids("--since", first) == new
    assert ids("--since", second, "--certificate", third) == []
    says = [json_.loads(Path(name).read_bytes()) for name in (first, second, third)]
    assert [one["count"] for one in says] == [30, 5, 0]
    assert [one["since"] for one in says] == [None, says[0]["ids_sha256"], says[1]["ids_sha256"]]
    assert says[2]["newest_ids"] == old + new


def test_since_a_reading_that_failed(tmp_path: Path) -> None:
    """The certificate of an incomplete reading leads to what that reading lacks."""
    certificate = str(tmp_path / "certificate.json")
    with Misbehaving({DATA: _fails_later}) as server:
        early = coir("ids", "birds", "--at-once", "--certificate", certificate, "-s", server.url)
        server.routes[DATA] = listing(MANY)
        later = coir("ids", "birds", "--since", certificate, "-s", server.url)
    assert (early.code, later.code) == (10, 0)
    assert (early.out + later.out).split() == [str(one) for one in MANY]


def test_since_something_else(place: Serving, tmp_path: Path) -> None:
    """The certificate of another dataset or filter is refused in a sentence."""
    admin = place.user("admin")
    for name in ("this", "other"):
        place.fill([created(admin, name)])
    made = str(tmp_path / "made.json")
    done = coir("ids", "other", "-q", "--certificate", made, "-s", place.url, env=ADMIN)
    assert done.code == 0
    for dataset, more in (("this", ()), ("other", ("--annotated",))):
        command = ("ids", dataset, "--since", made, *more)
        done = coir(*command, "-s", place.url, env=ADMIN)
        assert (done.code, done.out) == (2, "")
        assert done.sentences[0].startswith("Error: The certificate is about dataset ")
        assert "same server, dataset and filters" in done.sentences[1]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.json", None, "cannot be read: No such file or directory."),
        ("letter", "Dear Sir", "is not a certificate: "),
        (
            "part.json",
            '{"format": "coir.certificate/1", "verdict": "comp',
            "is not a certificate: ",
        ),
    ],
)
def test_since_no_certificate(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    """What is no certificate is refused in a sentence, before anything is sent."""
    if content is not None:
        (tmp_path / name).write_text(content)
    done = coir("ids", "birds", "--since", str(tmp_path / name), "-s", "http://127.0.0.1:9")
    assert (done.code, done.out) == (2, "")
    assert says in done.sentences[0]
    assert "Traceback" not in done.err
