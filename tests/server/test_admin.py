"""Administration of users, and what is left of a removed one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from .databases import Place
from .running import Running, created, uploaded


@pytest.fixture(scope="module")
def own(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose users nobody else counts."""
    running = Running(place.data(tmp_path_factory.mktemp("admin") / "data"))
    yield running
    code, out, err = running.end()
    assert (code, out, err) == (0, "", "")


@pytest.fixture(scope="module")
def admin(own: Running) -> httpx.Client:
    return own.user("admin")


def test_users_are_made_changed_and_removed(own: Running, admin: httpx.Client) -> None:
    """What an administrator sets is what the user is; a new password and a removal end sessions."""
    given = {"username": "Bob", "password": "one", "name": "Bob", "email": "b@example.org"}
    made = admin.post("/api/admin/user/", json=given).json()["user"]
    assert (made["username"], made["is_admin"]) == ("Bob", False)
    bob = own.client()
    login = {"username": "bob", "password": "one"}
    assert bob.post("/api/user/login", json=login).status_code == 200
    assert admin.get("/api/admin/user/BOB").json() == made
    changed = admin.patch("/api/admin/user/bob", json={"password": "two", "name": "B."}).json()
    assert changed == made | {"name": "B."}
    assert bob.get("/api/user/").status_code == 401
    assert bob.post("/api/user/login", json=login).status_code == 400
    assert bob.post("/api/user/login", json=login | {"password": "two"}).status_code == 200
    assert admin.patch("/api/admin/user/bob", json={"is_admin": True}).json()["is_admin"] is True
    assert bob.get("/api/admin/users").json()["total"] == 2
    assert admin.delete("/api/admin/user/bob").json() == {"success": True}
    assert bob.get("/api/user/").status_code == 401
    assert own.client(auth=("bob", "two")).get("/api/user/").status_code == 401
    assert [one["username"] for one in admin.get("/api/admin/users").json()["users"]] == ["admin"]
    assert admin.get("/api/info/").json()["total_users"] == 1


def test_a_removed_users_work_stays_and_the_name_is_free(own: Running, admin: httpx.Client) -> None:
    """What a removed user made is there under the name; a new user of that name has no rights."""
    bob = own.user("bob")
    dataset = created(bob, "bobs")
    image = uploaded(bob, dataset, "x.jpg").json()
    annotation = bob.post("/api/annotation/", json={"image_id": image}).json()["id"]
    assert admin.delete("/api/admin/user/bob").status_code == 200
    assert admin.get(f"/api/annotation/{annotation}").json()["creator"] == "bob"
    again = own.user("bob")
    assert again.get("/api/dataset/").json() == []
    assert again.get(f"/api/annotation/{annotation}").status_code == 400
    assert again.get("/api/user/").json()["user"]["is_admin"] is False
    assert admin.delete("/api/admin/user/bob").status_code == 200


def test_there_is_always_an_administrator(own: Running, admin: httpx.Client) -> None:
    """The only administrator can be neither removed nor made an ordinary user."""
    path = "/api/admin/user/admin"
    for answer in (admin.delete(path), admin.patch(path, json={"is_admin": False})):
        assert (answer.status_code, "only" in answer.json()["message"]) == (400, True)
    given = {"username": "bob", "password": "bob-pw", "isAdmin": True}
    assert admin.post("/api/admin/user/", json=given).json()["user"]["is_admin"] is True
    assert own.user("bob").patch(path, json={"is_admin": False}).status_code == 200
    assert admin.get("/api/admin/users").status_code == 401
    assert own.user("bob").patch(path, json={"is_admin": True}).status_code == 200
    assert admin.delete("/api/admin/user/bob").status_code == 200


@pytest.mark.parametrize(
    "body", [{"is_admin": "yes"}, {"name": [1]}, {"password": "x" * 1025}, {"email": []}]
)
def test_wrong_fields_are_refused(admin: httpx.Client, body: dict[str, object]) -> None:
    """A field of a wrong kind is refused, and nothing changes."""
    before = admin.get("/api/admin/user/admin").json()
    assert admin.patch("/api/admin/user/admin", json=body).status_code == 400
    assert admin.get("/api/admin/user/admin").json() == before


def test_no_hash_is_shown(admin: httpx.Client) -> None:
    """No answer of the administration carries a password or its hash."""
    given = {"username": "bob", "password": "one"}
    for answer in (
        admin.post("/api/admin/user/", json=given),
        admin.get("/api/admin/user/bob"),
        admin.patch("/api/admin/user/bob", json={"password": "two"}),
        admin.get("/api/admin/users"),
        admin.delete("/api/admin/user/bob"),
    ):
        assert answer.status_code == 200
        assert "argon2" not in answer.text
        assert "password" not in answer.text
