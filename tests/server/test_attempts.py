"""Failed attempts to sign in."""

from __future__ import annotations

from pathlib import Path

import pytest

from coir.server.answers import Refusal
from coir.server.attempts import FROM_ADDRESS, OF_NAME, OF_NAME_FROM_ADDRESS, WINDOW_MS, Attempts
from coir.server.store.engine import Store
from coir.server.store.migration import migrate

from .databases import Place
from .running import Running


def test_passwords_cannot_be_guessed_at_speed(data: Path) -> None:
    """After ten failures of a name from an address even the right password is not tried, by the
    form, by HTTP Basic or for a change, and a restart changes nothing."""
    first = Running(data)
    first.user("admin")
    admin = first.user("admin")  # a success: what failed before is forgotten
    client, basic = first.client(), first.client(auth=("admin", "wrong"))
    given = {"username": "admin", "password": "wrong"}
    for _ in range(OF_NAME_FROM_ADDRESS - 1):
        assert client.post("/api/user/login", json=given).status_code == 400
    assert basic.get("/api/user/").status_code == 401
    first.kill()
    second = Running(data)
    for name in ("admin", "ADMIN"):
        given = {"username": name, "password": f"{name.lower()}-pw"}
        answer = second.client().post("/api/user/login", json=given)
        assert (answer.status_code, answer.json()["success"]) == (429, False)
        assert 0 < int(answer.headers["retry-after"]) <= WINDOW_MS // 1000
    assert second.client(auth=("admin", "admin-pw")).get("/api/user/").status_code == 429
    open_still = {"Cookie": f"session={admin.cookies['session']}"}
    signed_in = second.client(headers=open_still)
    assert signed_in.get("/api/user/").status_code == 200
    change = {"password": "admin-pw", "new_password": "x"}
    assert signed_in.post("/api/user/password", json=change).status_code == 429
    assert second.user("bob").get("/api/user/").status_code == 200
    assert second.end()[0] == 0


def test_unknown_names_are_counted_alike(server: Running) -> None:
    """A name that nobody has is refused after as many failures as any other."""
    client = server.client()
    given = {"username": "nobody", "password": "wrong"}
    answers = [client.post("/api/user/login", json=given) for _ in range(OF_NAME_FROM_ADDRESS + 1)]
    assert [answer.status_code for answer in answers] == [400] * OF_NAME_FROM_ADDRESS + [429]


def test_limits(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few failures of a name from one address, more of a name from everywhere and of an address
    with all names; a success forgets the first, time forgets all; an IPv6 /64 is one address."""
    store = Store(place.where(tmp_path))
    migrate(store)
    moment = 10**12
    monkeypatch.setattr("coir.server.attempts.now_ms", lambda: moment)
    attempts = Attempts(store)

    def refused(name: str, address: str) -> bool:
        try:
            attempts.check(name, address)
        except Refusal as refusal:
            return refusal.status == 429
        return False

    for _ in range(OF_NAME_FROM_ADDRESS):
        assert not refused("admin", "10.0.0.1")
        attempts.failed("admin", "10.0.0.1")
    assert refused("Admin", "10.0.0.1")
    assert not refused("admin", "10.0.0.2")
    assert not refused("bob", "10.0.0.1")
    attempts.succeeded("admin", "10.0.0.1")
    assert not refused("admin", "10.0.0.1")
    for number in range(OF_NAME):
        attempts.failed("bob", f"10.1.0.{number}")
    assert refused("bob", "10.2.0.1")
    for number in range(FROM_ADDRESS):
        attempts.failed(f"name {number}", f"2001:db8::{number:x}")
    assert refused("another", "2001:db8::ffff:1")
    assert not refused("another", "2001:db8:0:1::1")
    moment += WINDOW_MS
    assert not refused("bob", "10.2.0.1")
    attempts.failed("bob", "10.2.0.1")
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM attempts").scalar() == 3
    store.close()
