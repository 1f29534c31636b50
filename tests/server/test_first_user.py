"""The first user, who administers: made by whoever is at the server, with their own password."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from coir.server.attempts import OF_NAME_FROM_ADDRESS

from .running import Running
from .serving import Serving

ME = {"username": "me", "password": "my-pw"}
# What a request looks like that comes from elsewhere: through a proxy of this machine that says
# so, or under a name that is not this machine's.
ELSEWHERE = [
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Real-IP": "203.0.113.7"},
    {"Forwarded": "for=203.0.113.7"},
    {"Via": "1.1 proxy"},
    {"Host": "annotator.example"},
    {"Host": "annotator.example:5000"},
    {"Host": "127.0.0.1.rebound.example"},
    {"Host": "203.0.113.7"},
    {"Host": "["},
]


def users(server: Running) -> int:
    with server.database() as database:
        return int(database.execute("SELECT count(*) FROM users").fetchone()[0])


def test_nobody_signs_in_before(data: Path) -> None:
    """A new server has no user, and takes no password that one could know."""
    server = Running(data)
    for name, password in [("admin", "admin"), ("admin", ""), ("admin", "password"), ("root", "x")]:
        given = {"username": name, "password": password}
        assert server.client().post("/api/user/login", json=given).status_code == 400
    assert users(server) == 0
    assert server.end()[0] == 0


def test_first_user_is_made_on_the_servers_machine(data: Path) -> None:
    """Nobody from elsewhere becomes the administrator of a new server; afterwards they may
    register as ordinary users."""
    server = Running(data)
    for headers in ELSEWHERE:
        answer = server.client().post("/api/user/register", json=ME, headers=headers)
        if headers == {"Host": "["}:  # which the process that speaks HTTP may refuse itself
            assert answer.status_code in (400, 403)
            continue
        assert answer.status_code == 403, headers
        assert "coir admin users create" in answer.json()["message"]
    assert users(server) == 0
    answer = server.client().post("/api/user/register", json=ME)
    assert answer.json()["user"]["is_admin"] is True
    for number, headers in enumerate(ELSEWHERE[:-1]):
        given = {"username": f"user {number}", "password": "pw"}
        answer = server.client().post("/api/user/register", json=given, headers=headers)
        assert answer.json()["user"]["is_admin"] is False
    assert server.end()[0] == 0


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "LOCALHOST", "[::1]", "127.8.9.1"])
def test_names_of_the_servers_machine(data: Path, name: str) -> None:
    """Each name of the machine itself will do."""
    server = Running(data)
    port = server.url.rpartition(":")[2]
    headers = {"Host": f"{name}:{port}"}
    answer = server.client().post("/api/user/register", json=ME, headers=headers)
    assert answer.status_code == 200
    assert server.end()[0] == 0


def own_address() -> str | None:
    """An address of this machine that is not the loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return str(asked.getsockname()[0])


def test_another_address_is_elsewhere(data: Path) -> None:
    """Who reaches the server by its address in the network is not taken for its owner."""
    if (address := own_address()) is None:
        pytest.skip("this machine has the loopback only")
    server = Running(data, "--host", "0.0.0.0")
    port = server.url.rpartition(":")[2]
    for host in (address, "localhost"):
        answer = server.client().post(
            f"http://{address}:{port}/api/user/register", json=ME, headers={"Host": host}
        )
        assert answer.status_code == 403
    assert users(server) == 0
    assert server.end()[0] == 0


@pytest.mark.parametrize(
    ("proxies", "trusted"),
    [("127.0.0.1,::1", True), ("10.0.0.1, 127.0.0.0/8", True), ("10.0.0.0/8", False), ("", False)],
)
def test_trusted_proxies(data: Path, proxies: str, trusted: bool) -> None:
    """A proxy that is trusted says who the client is, for counting failed attempts, and whether
    the browser speaks TLS, so that the cookie is for TLS only; another one says nothing."""
    server = Serving(data, "--proxies", proxies)
    server.user("admin")
    given = {"username": "admin", "password": "admin-pw"}
    for headers, secure in (({"X-Forwarded-Proto": "https"}, trusted), ({}, False)):
        answer = server.client().post("/api/user/login", json=given, headers=headers)
        assert ("; Secure" in answer.headers["set-cookie"]) is secure
    wrong = {"username": "admin", "password": "wrong"}
    said = {"X-Forwarded-For": "203.0.113.7"}
    for _ in range(OF_NAME_FROM_ADDRESS):
        answer = server.client().post("/api/user/login", json=wrong, headers=said)
        assert answer.status_code == 400
    assert server.client().post("/api/user/login", json=given, headers=said).status_code == 429
    answer = server.client().post("/api/user/login", json=given)
    assert answer.status_code == (200 if trusted else 429)
    assert server.end()[0] == 0
