"""Users: registering, names, passwords, HTTP Basic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coir.server.sessions import BASIC_ENTRIES, BASIC_SECONDS, _Verified

from .databases import Place, turn_to_write
from .running import Running


class Guarded(Running):
    """A server whose hashes take what they take otherwise."""

    prepare = None


@pytest.fixture(scope="module")
def server(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    running = Guarded(place.data(tmp_path_factory.mktemp("users") / "data"))
    running.user("admin")
    yield running
    code, out, err = running.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err, err


def test_passwords_are_hashed_as_is_recommended(server: Running) -> None:
    """What is kept of a password is argon2id with RFC 9106's second recommendation."""
    server.user("hashed")
    with server.database() as database:
        kept = "SELECT password_hash FROM users WHERE username = 'hashed'"
        (found,) = database.execute(kept).fetchone()
    assert found.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_first_user_is_the_administrator_and_no_other(server: Running) -> None:
    """The one who registers first administers."""
    assert server.user("admin").get("/api/user/").json()["user"]["is_admin"] is True
    assert server.user("bob").get("/api/user/").json()["user"]["is_admin"] is False


def test_usernames_are_case_insensitive(server: Running) -> None:
    """A name is taken, and signs in, in any case."""
    server.user("bob")
    given = {"username": "BOB", "password": "bob-pw"}
    answer = server.client().post("/api/user/register", json=given)
    assert answer.status_code == 400
    assert answer.json() == {"success": False, "message": "Username already exists."}
    assert server.client().post("/api/user/login", json=given).json()["user"]["username"] == "bob"


@pytest.mark.parametrize("name", ["", " x", "a:b", "a\nb", "x" * 65])
def test_names_that_cannot_work_are_refused(server: Running, name: str) -> None:
    """A name that HTTP Basic or a person could not use is refused."""
    given = {"username": name, "password": "pw"}
    assert server.client().post("/api/user/register", json=given).status_code == 400


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_password_has_a_length(server: Running, password: str) -> None:
    """Neither an empty password nor an endless one is taken, nor tried."""
    given = {"username": "new", "password": password}
    assert server.client().post("/api/user/register", json=given).status_code == 400
    given["username"] = "admin"
    assert server.client().post("/api/user/login", json=given).status_code == 400


def test_unknown_user_takes_as_long_as_a_wrong_password(server: Running) -> None:
    """The time of a refused login does not tell whether the user exists."""

    def seconds(name: str) -> float:
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            given = {"username": name, "password": "nope"}
            assert client.post("/api/user/login", json=given).status_code == 400
            taken.append(time.perf_counter() - started)
        return min(taken)

    client = server.client()
    known, unknown = seconds("admin"), seconds("zed")
    assert 0.4 < unknown / known < 2.5


def test_changed_password_ends_sessions_and_basic(server: Running) -> None:
    """After a change the old password and the other sessions are worth nothing at once."""
    mine = server.client()
    mine.post("/api/user/register", json={"username": "carol", "password": "old"})
    other = server.client()
    other.post("/api/user/login", json={"username": "carol", "password": "old"})
    basic = server.client(auth=("Carol", "old"))
    assert basic.get("/api/user/").status_code == 200
    wrong = {"password": "nope", "new_password": "new"}
    assert mine.post("/api/user/password", json=wrong).status_code == 400
    right = {"password": "old", "new_password": "new"}
    assert mine.post("/api/user/password", json=right).status_code == 200
    assert mine.get("/api/user/").status_code == 200
    assert other.get("/api/user/").status_code == 401
    assert basic.get("/api/user/").status_code == 401
    assert server.client(auth=("carol", "new")).get("/api/user/").status_code == 200


# Each gives access, or ends that of others; what they answer once the password is another one.
GIVING: dict[str, tuple[str, dict[str, str], int]] = {
    "login": ("/api/user/login", {"username": "dave", "password": "dave-pw"}, 400),
    "change": ("/api/user/password", {"password": "dave-pw", "new_password": "mine"}, 400),
    "token": ("/api/user/tokens", {"name": "kept", "scope": "read"}, 401),
}


@pytest.mark.parametrize("kind", GIVING)
def test_an_old_password_gives_nothing_that_lasts(server: Running, kind: str) -> None:
    """A password that changes after it was checked opens no session, and makes no token."""
    path, body, status = GIVING[kind]
    client = server.user("dave")
    with ThreadPoolExecutor(1) as threads, turn_to_write(server.data) as database:
        waiting = threads.submit(client.post, path, json=body)
        time.sleep(0.5)  # it has checked the password, and waits for its turn to write
        assert not waiting.done()
        other = "(SELECT password_hash FROM users WHERE username = 'admin')"
        database.execute(f"UPDATE users SET password_hash = {other} WHERE username = 'dave'")
        database.execute(
            "DELETE FROM sessions WHERE user_id = (SELECT id FROM users WHERE username = 'dave')"
        )
    answer = waiting.result()
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert "set-cookie" not in answer.headers
    assert server.client(auth=("dave", "admin-pw")).get("/api/user/").status_code == 200
    with server.database() as database:
        own = "user_id = (SELECT id FROM users WHERE username = 'dave')"
        for table in ("sessions", "tokens"):
            found = database.execute(f"SELECT count(*) FROM {table} WHERE {own}").fetchone()
            assert found == (0,), table
    back = {"password": "admin-pw", "new_password": "dave-pw"}
    auth = ("dave", "admin-pw")
    assert server.client(auth=auth).post("/api/user/password", json=back).status_code == 200


def test_basic_is_quick_after_the_first_request(server: Running) -> None:
    """Paging with HTTP Basic does not pay for a password hash on each request."""
    server.user("quick")  # whose hash nobody has been remembered for
    client = server.client(auth=("quick", "quick-pw"))
    started = time.perf_counter()
    client.get("/api/user/")
    first = time.perf_counter() - started
    started = time.perf_counter()
    for _ in range(10):
        assert client.get("/api/user/").status_code == 200
    assert (time.perf_counter() - started) / 10 < first


def test_basic_is_remembered_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verified password is tried again after a minute, and never found for another hash."""
    moment = 1000.0
    monkeypatch.setattr("coir.server.sessions.time.monotonic", lambda: moment)
    verified = _Verified()
    verified.add("hash", "password")
    assert verified.holds("hash", "password")
    assert not verified.holds("other hash", "password")
    assert not verified.holds("hash", "other password")
    moment += BASIC_SECONDS + 1
    assert not verified.holds("hash", "password")
    for number in range(2 * BASIC_ENTRIES):
        verified.add("hash", str(number))
    assert not verified.holds("hash", "0")
    assert len(verified._until) == BASIC_ENTRIES


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!", "Basic YWRtaW4=", "Bearer x", "Basic //79", "basic \u00fc"]
)
def test_malformed_credentials_are_refused(server: Running, header: str) -> None:
    """Whatever an Authorization header holds, the answer is 401."""
    headers = [(b"Authorization", header.encode("latin-1"))]
    assert server.client().get("/api/user/", headers=headers).status_code == 401
