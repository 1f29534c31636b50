"""The end of a server: it loses no request, and comes in time."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import pytest

from .databases import SQLITE, Place, turn_to_write
from .running import created, picture
from .serving import Serving, Started


class Slow:
    """A request that is sent in two halves."""

    def __init__(self, server: Started, client: httpx.Client, name: str) -> None:
        body = json.dumps({"name": name}).encode()
        self._half, self._rest = body[:5], body[5:]
        host, port = server.url.removeprefix("http://").split(":")
        self._connection = socket.create_connection((host, int(port)), timeout=30)
        head = (
            "POST /api/dataset/ HTTP/1.1\r\nHost: coir\r\nContent-Type: application/json\r\n"
            f"Cookie: session={client.cookies['session']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._connection.sendall(head.encode() + self._half)
        time.sleep(0.3)  # until the server has read it

    def finish(self) -> bytes:
        """Send the rest; the answer."""
        self.send_rest()
        return self.answer()

    def send_rest(self) -> None:
        self._connection.sendall(self._rest)

    def answer(self) -> bytes:
        """What comes until the connection ends."""
        received = b""
        with self._connection, suppress(ConnectionResetError):
            while some := self._connection.recv(65536):
                received += some
        return received


def refuses(server: Started) -> bool:
    """Whether the server takes no more connections."""
    try:
        httpx.get(f"{server.url}/api/health", timeout=5)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # it closed while this one waited to be taken
        return False
    return False


def until_it_refuses(server: Started) -> None:
    deadline = time.monotonic() + 10
    while not refuses(server):
        assert time.monotonic() < deadline, "still taking connections"
        time.sleep(0.05)


def test_what_is_under_way_is_finished(data: Path) -> None:
    """After SIGTERM no connection is taken, and the request that had begun gets its answer."""
    server = Started(data)
    slow = Slow(server, server.user("admin"), "slow")
    server.signal()
    until_it_refuses(server)
    answer = slow.finish()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.ended() == 0
    with server.database() as database:
        assert database.execute("SELECT name FROM datasets").fetchall() == [("slow",)]
    assert server.log() == ""


def test_a_request_that_does_not_end_is_cut(data: Path) -> None:
    """What takes longer than the grace is cut, and leaves nothing; the server ends in order."""
    server = Started(data, "--grace-seconds", "1")
    slow = Slow(server, server.user("admin"), "endless")
    server.signal()
    begun = time.monotonic()
    assert server.ended() == 0
    assert 0.9 < time.monotonic() - begun < 6
    assert b"200 OK" not in slow.answer()
    with server.database() as database:
        assert database.execute("SELECT name FROM datasets").fetchall() == []


def test_a_thread_that_does_not_end_is_cut(place: Place, data: Path) -> None:
    """What hangs, here at a lock of the database, does not keep the server: exit code 1, a line
    that says so, and the database is whole."""
    server = Started(data, "--grace-seconds", "1")
    admin = server.user("admin")
    with turn_to_write(data):
        slow = Slow(server, admin, "hanging")
        slow.send_rest()
        time.sleep(0.3)
        server.signal()
        begun = time.monotonic()
        assert server.ended() == 1
        assert time.monotonic() - begun < 12
        assert b"200 OK" not in slow.answer()
    with server.database() as database:
        if place.kind == SQLITE:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT name FROM datasets").fetchall() == []
    assert "was cut" in server.log()
    again = Serving(data)
    assert created(again.user("admin"), "after") > 0
    assert again.end()[0] == 0


def test_draining_is_not_ready(data: Path) -> None:
    """With drain seconds, requests are served for so long after SIGTERM, while the server says
    that it is not ready; then it ends."""
    server = Started(data, "--drain-seconds", "3")
    admin = server.user("admin")
    assert admin.get("/api/ready").status_code == 200
    begun = time.monotonic()
    server.signal()
    answer = httpx.get(f"{server.url}/api/ready")
    assert (answer.status_code, answer.json()) == (503, {"message": "The server is ending."})
    assert httpx.get(f"{server.url}/api/health").status_code == 200
    assert created(admin, "meanwhile") > 0
    assert server.ended() == 0
    assert 2.9 < time.monotonic() - begun < 10


def test_a_second_signal_does_not_wait(data: Path) -> None:
    """Whoever asks twice is not made to wait for the draining."""
    server = Started(data, "--drain-seconds", "60")
    server.signal()
    time.sleep(0.3)
    begun = time.monotonic()
    server.signal()
    assert server.ended() == 0
    assert time.monotonic() - begun < 10


@pytest.mark.slow
def test_a_job_comes_to_a_safe_point(data: Path) -> None:
    """A job that runs at the end stops between two batches: what it registered is whole, and the
    next start goes on with it."""
    server = Started(data, "--log", "text")
    admin = server.user("admin")
    dataset = created(admin, "d1")
    content = picture(8, 8)
    for number in range(6000):
        (server.directory("d1") / f"{number:05}.jpg").write_bytes(content)
    assert admin.get(f"/api/dataset/{dataset}/scan").status_code == 200
    deadline = time.monotonic() + 30
    while not admin.get(f"/api/dataset/{dataset}/data?limit=1").json()["total"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.signal()
    assert server.ended() == 0
    with server.database() as database:
        (found,) = database.execute("SELECT count(*) FROM images").fetchone()
        (counted,) = database.execute("SELECT num_images FROM datasets").fetchone()
        (completed,) = database.execute("SELECT completed FROM tasks").fetchone()
    assert 0 < found == counted < 6000
    assert not completed
    again = Serving(data)
    admin = again.user("admin")
    deadline = time.monotonic() + 30
    while admin.get(f"/api/dataset/{dataset}/data?limit=1").json()["total"] < 6000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert again.end()[0] == 0
