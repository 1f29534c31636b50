"""`coir watch` prints what appears, and outlives its server."""

from __future__ import annotations

import json as json_
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from client.misbehaving import DATA, Asked, Misbehaving, Reply, json, listing
from client.serving import Serving
from server.running import created, uploaded

from .command import started

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}
OFTEN = ("--every", "0.2")


@contextmanager
def watching(url: str, *arguments: str) -> Iterator[Any]:
    """A command that watches `birds`, from when it says so; it is ended in any case."""
    process = started("watch", "birds", *OFTEN, *arguments, "-s", url, env=ADMIN)
    try:
        assert process.stderr.readline() == "Watching birds for new images; Ctrl-C ends it.\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=120)


def interrupted(process: Any) -> tuple[int, str, str]:
    """What is left after Ctrl-C: exit code, and what was not read yet."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_what_appears_is_printed(place: Serving) -> None:
    """Uploads are printed as they appear, once each, and nothing that was there before."""
    admin = place.user("admin")
    dataset = created(admin, "birds")
    place.fill([dataset] * 5)
    with watching(place.url) as process:
        for name in ("one.jpg", "two.jpg", "été 鳥.jpg"):
            image_id = uploaded(admin, dataset, name).json()
            shown = json_.loads(process.stdout.readline())
            assert (shown["id"], shown["file_name"]) == (image_id, name)
        time.sleep(0.6)
        assert interrupted(process) == (130, "", "")


@pytest.mark.slow
def test_a_server_that_is_restarted(tmp_path: Path) -> None:
    """What appeared while the server was away is printed when it is back, and nothing twice."""
    first = Serving(tmp_path / "data")
    dataset = created(first.user("admin"), "birds")
    first.fill([dataset] * 5)
    port = first.url.rpartition(":")[2]
    with watching(first.url, "--format", "lines") as process:
        first.fill([dataset])
        assert process.stdout.readline().startswith("6\t")
        first.kill()
        time.sleep(0.5)
        first.fill([dataset] * 2)
        second = Serving(first.data, "--port", port)
        assert [process.stdout.readline().split("\t")[0] for _ in "78"] == ["7", "8"]
        second.fill([dataset])
        assert process.stdout.readline().startswith("9\t")
        code, out, err = interrupted(process)
        second.end()
    assert (code, out) == (130, "")
    assert "Traceback" not in err


@pytest.mark.slow
def test_looks_that_fail() -> None:
    """Each failure in a row doubles the wait, in words; then it goes on, and nothing is lost."""
    have = list(range(1, 9))

    def fails(asked: Asked) -> Reply:
        return json({"message": "Internal Server Error"}, 500)

    def fails_at_the_end(asked: Asked) -> Reply:
        last = asked.params["limit"] == "1" and asked.params["order"] == "id"
        closing = last and int(asked.params.get("id__lt", 0)) > max(have)
        return fails(asked) if closing and "id__gte" in asked.params else listing(have)(asked)

    with (
        Misbehaving({DATA: listing(have)}) as server,
        watching(server.url, "-f", "lines") as process,
    ):
        for broken in (fails, fails_at_the_end):
            server.routes[DATA] = broken
            said = [process.stderr.readline() for _ in range(3)]
            waits = [re.search(r" Looking again in ([\d.]+) s\.$", one) for one in said]
            assert [float(wait[1]) for wait in waits if wait] == [0.4, 0.8, 1.6], said
            have.append(max(have) + 1)
            server.routes[DATA] = listing(have)
            assert process.stdout.readline() == f"{have[-1]}\t{have[-1]}.jpg\n"
        assert interrupted(process) == (130, "", "")


def test_a_reader_that_has_seen_enough() -> None:
    """It ends when the next image finds nobody who reads."""
    with Misbehaving({DATA: listing(range(1, 3))}) as server, watching(server.url) as process:
        process.stdout.close()
        server.routes[DATA] = listing(range(1, 5))
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("every", ["0", "-1"])
def test_no_time_between_two_looks(every: str) -> None:
    """A server is not asked without a pause."""
    process = started("watch", "birds", "--every", every, "-s", "http://127.0.0.1:9")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "--every" in err
