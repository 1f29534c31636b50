"""API tokens: what their scopes open, how they end, and what is kept of them."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coir.server.scopes import NEEDED, SCOPES
from coir.server.store.tables import metadata
from coir.server.tokens import DEFAULT_DAYS, MAX_DAYS, MAX_TOKENS, USED_MS

from .roles import ROLES, ROUTES, TABLE, Row, Scene
from .running import Running, created
from .test_access import clients, running

__all__ = ["clients", "running"]  # fixtures: the users of the table of roles

OPEN = {(row.method, row.path) for row in TABLE if row.statuses[0] == 200}
# The GETs of the contract that change something.
CHANGING_GETS = {
    "/api/info/long_task",
    "/api/user/logout",
    "/api/dataset/{dataset_id}/scan",
    "/api/dataset/{dataset_id}/reset/metadata",
    "/api/dataset/{dataset_id}/export",
}
# Passwords, tokens and sessions are not for tokens.
WITHOUT_TOKEN = {
    ("GET", "/api/user/logout"),
    ("POST", "/api/user/password"),
    ("GET", "/api/user/tokens"),
    ("POST", "/api/user/tokens"),
    ("DELETE", "/api/user/tokens/{token_id}"),
}
# Management, and what cannot be undone.
MANAGEMENT = {
    ("DELETE", "/api/dataset/{dataset_id}"),
    ("POST", "/api/dataset/{dataset_id}/share"),
    ("GET", "/api/dataset/{dataset_id}/reset/metadata"),
    ("DELETE", "/api/export/{export_id}"),
    ("DELETE", "/api/undo/"),
}
DAY = 24 * 3600 * 1000
FORM = r"coir_[0-9a-f]{64}"


def made(client: httpx.Client, scope: str = "read", **more: Any) -> dict[str, Any]:
    """A new token of the client's user, with its text."""
    answer = client.post("/api/user/tokens", json={"name": "a script", "scope": scope} | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def bearing(server: Running, text: str) -> httpx.Client:
    """A client with nothing but a token."""
    return server.client(headers={"Authorization": f"Bearer {text}"})


def least(method: str, path: str) -> str | None:
    """The least scope for a route, by the rules of docs/access.md."""
    if (method, path) in WITHOUT_TOKEN:
        return None
    if (method, path) in MANAGEMENT or path.startswith("/api/admin/"):
        return "admin"
    return "read" if method == "GET" and path not in CHANGING_GETS else "annotate"


@pytest.fixture(scope="module")
def tokens(running: Running, clients: dict[str, httpx.Client]) -> dict[str, httpx.Client]:
    """A client for each scope, all with tokens of the administrator."""
    return {
        scope: bearing(running, made(clients["administrator"], scope)["token"]) for scope in SCOPES
    }


def kept(server: Running) -> list[list[str]]:
    """All that the database holds, but for when tokens were used and users were seen."""
    shown = {
        name: ", ".join(f'"{one.name}"' for one in table.c if one.name != "last_seen")
        for name, table in metadata.tables.items()
        if name != "tokens"
    }
    with server.database() as database:
        found = [
            database.execute(f"SELECT {columns} FROM {name}").fetchall()
            for name, columns in shown.items()
        ]
    return [sorted(map(str, rows)) for rows in found]


def settle(server: Running) -> None:
    """Wait for the jobs of before, which may still write; not for those that no process runs."""
    asked = "SELECT count(*) FROM tasks WHERE NOT completed AND kind IS NOT NULL"
    deadline = time.monotonic() + 30
    with server.database() as database:
        while database.execute(asked).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_scope_opens_what_it_is_for(
    row: Row,
    running: Running,
    clients: dict[str, httpx.Client],
    tokens: dict[str, httpx.Client],
) -> None:
    """A token whose scope is wide enough gets what its user gets; any other gets 403, and
    changes nothing. A token that reads changes nothing, whatever it asks for."""
    needed = least(row.method, row.path)
    for scope in SCOPES:
        scene = Scene(clients)
        scene["server"] = running
        sent = row.sent(scene)
        path = row.path.format_map(scene)
        settle(running)
        before = kept(running)
        answer = tokens[scope].request(row.method, path, **sent)
        tokens[scope].cookies.clear()  # registering signs in
        if (row.method, row.path) in OPEN:
            assert answer.status_code == 200
            continue
        wide = needed is not None and SCOPES.index(scope) >= SCOPES.index(needed)
        assert answer.status_code == (row.statuses[ROLES.index("administrator")] if wide else 403)
        if not wide or scope == "read":
            assert kept(running) == before
        if not wide:
            assert "token" in answer.json()["message"]


def test_every_route_says_which_tokens_it_takes() -> None:
    """A route that is not open has its line in `scopes`, or takes no token: decide which."""
    assert NEEDED.keys() == ROUTES - OPEN - WITHOUT_TOKEN
    assert {key: least(*key) for key in NEEDED} == NEEDED


def test_head_needs_the_scope_of_its_get(
    clients: dict[str, httpx.Client], tokens: dict[str, httpx.Client]
) -> None:
    """HEAD does what GET does, and is refused as GET is."""
    dataset = Scene(clients)["dataset_id"]
    assert tokens["read"].head(f"/api/dataset/{dataset}/data").status_code == 200
    assert tokens["read"].head(f"/api/dataset/{dataset}/scan").status_code == 403


def test_text_is_shown_once_and_kept_as_a_hash(server: Running) -> None:
    """The text is in the answer that makes a token; the database has its hash, and no list,
    log or file has the text."""
    admin = server.user("admin")
    token = made(admin, "annotate", name="nightly", days=7)
    assert re.fullmatch(FORM, token["token"])
    listed = admin.get("/api/user/tokens").json()["tokens"]
    shown = next(one for one in listed if one["id"] == token["id"])
    assert shown == {
        "id": token["id"],
        "name": "nightly",
        "scope": "annotate",
        "created": token["created"],
        "expires": {"$date": token["created"]["$date"] + 7 * DAY},
        "last_used": None,
    }
    with server.database() as database:
        stored = database.execute(
            "SELECT token_hash FROM tokens WHERE id = ?", (token["id"],)
        ).fetchone()[0]
    assert stored == hashlib.sha256(token["token"].encode()).hexdigest()
    for file in server.data.glob("*"):
        if file.is_file():
            assert token["token"].encode() not in file.read_bytes()


def test_tokens_are_announced(server: Running) -> None:
    """Clients learn from `/api/info/` that there are tokens."""
    assert "tokens" in server.client().get("/api/info/").json()["coir"]["features"]


def test_token_ends_when_it_is_revoked(server: Running) -> None:
    """A revoked token is worth nothing at once; revoking again finds none."""
    admin = server.user("admin")
    token = made(admin)
    client = bearing(server, token["token"])
    assert client.get("/api/user/").json()["user"]["username"] == "admin"
    path = f"/api/user/tokens/{token['id']}"
    assert admin.delete(path).json() == {"success": True}
    answer = client.get("/api/user/")
    assert answer.status_code == 401
    assert answer.json() == {"success": False, "message": "Authorization required"}
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert admin.delete(path).status_code == 400


def test_token_ends_at_its_time(server: Running) -> None:
    """A token lives as long as was asked for, 90 days otherwise, and not a moment longer."""
    admin = server.user("admin")
    token = made(admin)
    assert token["expires"]["$date"] - token["created"]["$date"] == DEFAULT_DAYS * DAY
    client = bearing(server, token["token"])
    for later, status in ((60_000, 200), (0, 401)):
        with server.database() as database:
            database.execute(
                "UPDATE tokens SET expires_at = ? WHERE id = ?",
                (time.time_ns() // 1_000_000 + later, token["id"]),
            )
        assert client.get("/api/user/").status_code == status
    listed = admin.get("/api/user/tokens").json()["tokens"]
    assert token["id"] in [one["id"] for one in listed]  # one sees why a script stopped
    made(admin)
    listed = admin.get("/api/user/tokens").json()["tokens"]
    assert token["id"] not in [one["id"] for one in listed]


def test_token_that_is_sent_decides_alone(server: Running) -> None:
    """Neither a session nor a password helps a request with a token that does not suffice."""
    admin = server.user("admin")
    token = made(admin)["token"]
    for sent, status in ((f"Bearer {token}", 403), ("Bearer coir_x", 401), ("bearer", 401)):
        headers = {"Authorization": sent}
        assert (
            admin.post("/api/dataset/", json={"name": "x"}, headers=headers).status_code == status
        )
    headers = {"Authorization": f"bearer  {token}"}
    assert admin.get("/api/user/", headers=headers).status_code == 200


def test_password_change_and_removal_end_tokens(server: Running) -> None:
    """A new password, set by the user or an administrator, ends the user's tokens; so does the
    user's removal. Those of others live on."""
    admin, others = server.user("admin"), server.user("dave")
    other = bearing(server, made(others)["token"])
    erin = server.user("erin")

    def token() -> httpx.Client:
        client = bearing(server, made(erin)["token"])
        assert client.get("/api/user/").status_code == 200
        return client

    mine = token()
    change = {"password": "erin-pw", "new_password": "new"}
    assert erin.post("/api/user/password", json=change).status_code == 200
    assert mine.get("/api/user/").status_code == 401
    mine = token()
    assert admin.patch("/api/admin/user/erin", json={"name": "Erin"}).status_code == 200
    assert mine.get("/api/user/").status_code == 200
    assert admin.patch("/api/admin/user/erin", json={"password": "erin-pw"}).status_code == 200
    assert mine.get("/api/user/").status_code == 401
    erin = server.user("erin")
    mine = token()
    assert admin.delete("/api/admin/user/erin").status_code == 200
    assert mine.get("/api/user/").status_code == 401
    assert other.get("/api/user/").status_code == 200


def test_token_leaves_nothing_that_outlives_it(server: Running) -> None:
    """With a token nobody becomes an administrator, and no administrator's password is set."""
    admin = server.user("admin")
    client = bearing(server, made(admin, "admin")["token"])
    frank = {"username": "frank", "password": "pw"}
    for is_admin, status in ((True, 403), (False, 200)):
        answer = client.post("/api/admin/user/", json=frank | {"is_admin": is_admin})
        assert answer.status_code == status
    for name, change, status in [
        ("frank", {"is_admin": True}, 403),
        ("admin", {"password": "taken over"}, 403),
        ("frank", {"password": "new"}, 200),
        ("admin", {"name": "Admin"}, 200),
    ]:
        answer = client.patch(f"/api/admin/user/{name}", json=change)
        assert answer.status_code == status, (name, change)
    server.user("admin")  # the password is still the old one
    assert client.get("/api/admin/user/frank").json()["is_admin"] is False
    assert client.delete("/api/admin/user/frank").status_code == 200


def test_others_tokens_do_not_exist(server: Running) -> None:
    """One sees and revokes one's own tokens, whoever one is."""
    admin, other = server.user("admin"), server.user("grace")
    token = made(other)
    assert token["id"] not in [one["id"] for one in admin.get("/api/user/tokens").json()["tokens"]]
    for number in (token["id"], 999_999):
        answer = admin.delete(f"/api/user/tokens/{number}")
        assert (answer.status_code, answer.json()["message"]) == (400, "Invalid token id")
    assert bearing(server, token["token"]).get("/api/user/").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": " x"},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"name": None},
        {"scope": "write"},
        {"scope": ""},
        {"scope": None},
        {"scope": ["read"]},
        {"days": 0},
        {"days": -1},
        {"days": MAX_DAYS + 1},
        {"days": "soon"},
        {"days": 1.5},
        {"days": True},
    ],
)
def test_bad_wishes_are_refused(server: Running, given: dict[str, Any]) -> None:
    """What makes no token says why, and none is made."""
    admin = server.user("admin")
    before = admin.get("/api/user/tokens").json()
    answer = admin.post("/api/user/tokens", json={"name": "x", "scope": "read"} | given)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert admin.get("/api/user/tokens").json() == before


def test_tokens_are_few_enough_to_look_through(server: Running) -> None:
    """A user has a hundred tokens at most; one that expired makes room."""
    client = server.user("heidi")
    for _ in range(MAX_TOKENS):
        last = made(client)
    given = {"name": "one more", "scope": "read"}
    answer = client.post("/api/user/tokens", json=given)
    assert answer.status_code == 400
    assert "revoke" in answer.json()["message"]
    with server.database() as database:
        database.execute("UPDATE tokens SET expires_at = 1 WHERE id = ?", (last["id"],))
    made(client)


def used(server: Running, number: int) -> int | None:
    with server.database() as database:
        asked = "SELECT last_used_at FROM tokens WHERE id = ?"
        return database.execute(asked, (number,)).fetchone()[0]


def test_last_use_is_kept_to_the_minute(server: Running) -> None:
    """The first request is noted, those of the next minute are not, and the one after is."""
    admin = server.user("admin")
    token = made(admin)
    client = bearing(server, token["token"])

    def ask() -> int:
        assert client.get("/api/user/").status_code == 200
        deadline = time.monotonic() + 10
        while not (found := used(server, token["id"])) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found
        return found

    first = ask()
    assert abs(first - time.time() * 1000) < USED_MS
    for _ in range(20):
        ask()
    # Another token's note, which the same thread writes after those of this one.
    other = made(admin)
    bearing(server, other["token"]).get("/api/user/")
    deadline = time.monotonic() + 10
    while not used(server, other["id"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert used(server, other["id"])
    assert used(server, token["id"]) == first
    with server.database() as database:
        database.execute(
            "UPDATE tokens SET last_used_at = ? WHERE id = ?", (first - USED_MS, token["id"])
        )
    deadline = time.monotonic() + 10
    while ask() < first and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (used(server, token["id"]) or 0) >= first
    shown = admin.get("/api/user/tokens").json()["tokens"]
    assert next(one for one in shown if one["id"] == token["id"])["last_used"]["$date"] >= first


def test_last_use_is_written_before_the_end(data: Path) -> None:
    """What was noted when the server ends is in the database."""
    server = Running(data)
    token = made(server.user("admin"))
    assert bearing(server, token["token"]).get("/api/user/").status_code == 200
    code, _, err = server.end()
    assert (code, err) == (0, "")
    assert used(server, token["id"])


def test_servers_on_one_database_agree(data: Path) -> None:
    """A token that one process made is taken by another, and what ends it there ends it here."""
    first, second = Running(data), Running(data)
    admin = first.user("admin")
    tokens = [made(admin, "annotate") for _ in range(2)]
    here, there = (bearing(second, token["token"]) for token in tokens)
    assert created(here, "by the other") > 0
    assert there.get("/api/user/").status_code == 200
    assert admin.delete(f"/api/user/tokens/{tokens[0]['id']}").status_code == 200
    assert here.get("/api/user/").status_code == 401
    assert there.get("/api/user/").status_code == 200
    change = {"password": "admin-pw", "new_password": "new"}
    assert admin.post("/api/user/password", json=change).status_code == 200
    assert there.get("/api/user/").status_code == 401
    for server in (first, second):
        code, _, err = server.end()
        assert (code, err) == (0, "")
