"""What must not be possible: each hole of the original, and its neighbours."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import httpx2 as httpx
import pytest

from .databases import Postgres
from .running import Running, created, picture, scanned, uploaded

OUTSIDE = [
    "..",
    "../",
    "/..",
    "../bobs",
    "sub/../..",
    "//etc",
    "/etc",
    "sub/./..",
    ".",
    "a\\b",
    "\0",
]


NONE = 999_999_999  # the id of nothing


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def bob(server: Running) -> httpx.Client:
    return server.user("bob")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    """A dataset of admin with one image and one annotation, not shared."""
    made = created(admin, "secret plans")
    image = uploaded(admin, made, "sub/plan.jpg").json()
    admin.post("/api/annotation/", json={"image_id": image, "category_id": 1})
    return made


@pytest.mark.parametrize("folder", OUTSIDE)
def test_folder_cannot_leave_the_dataset(admin: httpx.Client, dataset: int, folder: str) -> None:
    """A folder outside the dataset does not exist, wherever it leads."""
    answer = admin.get(f"/api/dataset/{dataset}/data", params={"folder": folder})
    assert (answer.status_code, answer.json()) == (400, {"message": "Directory does not exist."})


@pytest.mark.parametrize(
    "name",
    [
        "../up.jpg",
        "../../up.jpg",
        "sub/../../up.jpg",
        "//etc/up.jpg",
        "sub//up.jpg",
        "..\\up.jpg",
        ".hidden.jpg",
        ".hidden/up.jpg",
        "..",
        ".jpg",
        "up.exe",
        "up",
        "x" * 300 + ".jpg",
        "/".join(["deep"] * 40) + "/up.jpg",
    ],
)
def test_uploaded_name_cannot_leave_the_dataset(
    server: Running, admin: httpx.Client, dataset: int, name: str
) -> None:
    """An upload under such a name is refused, and no file appears anywhere."""
    before = sorted(server.data.rglob("*.*"))
    assert uploaded(admin, dataset, name).status_code == 400
    assert sorted(server.data.rglob("*.*")) == before


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/etc", "a\\b", "", ".x", "a\0b", "x" * 300])
def test_dataset_name_is_one_folder(server: Running, admin: httpx.Client, name: str) -> None:
    """A dataset cannot be named so that its directory lies elsewhere."""
    before = sorted(server.data.rglob("*"))
    assert admin.post("/api/dataset/", json={"name": name}).status_code == 400
    assert sorted(server.data.rglob("*")) == before


def test_links_that_lead_out_are_not_followed(
    server: Running, admin: httpx.Client, tmp_path: Path
) -> None:
    """A link out of the dataset is neither listed, scanned, read nor written through."""
    dataset = created(admin, "links")
    (tmp_path / "private.jpg").write_bytes(picture())
    directory = server.directory("links")
    (directory / "inside.jpg").write_bytes(picture())
    (directory / "out").symlink_to(tmp_path)
    (directory / "file.jpg").symlink_to(tmp_path / "private.jpg")
    (directory / "loop").symlink_to(directory / "loop")
    (directory / "again.jpg").symlink_to(directory / "inside.jpg")
    job = scanned(admin, dataset)
    assert job["warnings"] == 1
    page = admin.get(f"/api/dataset/{dataset}/data").json()
    assert [image["file_name"] for image in page["images"]] == ["again.jpg", "inside.jpg"]
    assert page["subdirectories"] == []
    for folder in ("out", "loop"):
        answer = admin.get(f"/api/dataset/{dataset}/data", params={"folder": folder})
        assert answer.status_code == 400
    assert uploaded(admin, dataset, "out/new.jpg").status_code == 400
    assert [file.name for file in tmp_path.iterdir()] == ["private.jpg"]


def test_file_replaced_by_a_link_is_not_read(
    server: Running, admin: httpx.Client, tmp_path: Path
) -> None:
    """An image whose file has become a link out of the dataset is not given out."""
    dataset = created(admin, "swapped")
    image = uploaded(admin, dataset, "x.jpg").json()
    (tmp_path / "private.jpg").write_bytes(picture())
    (server.directory("swapped") / "x.jpg").unlink()
    (server.directory("swapped") / "x.jpg").symlink_to(tmp_path / "private.jpg")
    for query in ("", "?original=1"):
        assert admin.get(f"/api/image/{image}{query}").status_code == 400


def test_dataset_directory_that_is_a_link_is_refused(
    server: Running, admin: httpx.Client, tmp_path: Path
) -> None:
    """A dataset is not made over a link to somewhere else."""
    (server.data / "datasets" / "elsewhere").symlink_to(tmp_path)
    assert admin.post("/api/dataset/", json={"name": "elsewhere"}).status_code == 400
    assert "elsewhere" not in [row["name"] for row in admin.get("/api/dataset/").json()]


def test_others_datasets_do_not_exist(server: Running, admin: httpx.Client, dataset: int) -> None:
    """Nothing of another's dataset can be seen or changed, and each answer is as for none."""
    bob = server.user("a stranger")  # who has nothing, whatever other tests did
    image = admin.get(f"/api/dataset/{dataset}/data").json()["images"][0]["id"]
    for method, path, body in [
        ("GET", "/api/dataset/{}/data", None),
        ("GET", "/api/dataset/{}/scan", None),
        ("GET", "/api/dataset/{}/export?categories=", None),
        ("GET", "/api/dataset/{}/exports", None),
        ("GET", "/api/dataset/{}/coco", None),
        ("GET", "/api/dataset/{}/reset/metadata", None),
        ("GET", "/api/dataset/{}/ids", None),
        ("GET", "/api/dataset/{}/users", None),
        ("POST", "/api/dataset/{}", {"categories": []}),
        ("POST", "/api/dataset/{}/share", {"users": ["bob"]}),
        ("DELETE", "/api/dataset/{}", None),
    ]:
        answers = [
            bob.request(method, path.format(number), json=body) for number in (dataset, NONE)
        ]
        assert answers[0].status_code in (400, 404), path
        assert answers[0].content == answers[1].content
    for method, path in [("GET", "/api/image/{}"), ("DELETE", "/api/image/{}")]:
        answers = [bob.request(method, path.format(number)) for number in (image, NONE)]
        assert answers[0].status_code == 400
        assert answers[0].content == answers[1].content
    assert uploaded(bob, dataset, "bobs.jpg").status_code == 400
    given = {"image_id": image, "category_id": 1}
    assert bob.post("/api/annotation/", json=given).status_code == 400
    assert bob.get("/api/annotation/1").status_code == 400
    assert bob.delete("/api/annotation/1").status_code == 400
    assert bob.get("/api/image/").json()["total"] == 0
    assert bob.get("/api/dataset/").json() == []
    assert bob.get("/api/tasks/").json() == []
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 1


def test_nothing_is_done_for_nobody(server: Running, admin: httpx.Client, dataset: int) -> None:
    """Without signing in no job starts, and no dataset changes."""
    before = admin.get("/api/tasks/").json(), admin.get(f"/api/dataset/{dataset}/data").json()
    nobody = server.client()
    assert nobody.get("/api/info/long_task").status_code == 401
    change = {"categories": ["theirs"], "default_annotation_metadata": {"x": "y"}}
    assert nobody.post(f"/api/dataset/{dataset}", json=change).status_code == 401
    after = admin.get("/api/tasks/").json(), admin.get(f"/api/dataset/{dataset}/data").json()
    for page in (before[1], after[1]):
        page.pop("time_ms")
    assert before == after


def test_others_deletions_are_not_undone(admin: httpx.Client, bob: httpx.Client) -> None:
    """What another user deleted is neither listed, brought back nor removed for good
    (CVE-2026-2108, CVE-2026-2109); nor is what was never deleted."""
    dataset = created(admin, "undone by others")
    kept, gone = (uploaded(admin, dataset, f"{name}.jpg").json() for name in ("kept", "gone"))
    assert admin.delete(f"/api/image/{gone}").status_code == 200
    listed = bob.get("/api/undo/list/").json()
    assert (gone, "image") not in [(row["id"], row["instance"]) for row in listed]
    for method in ("POST", "DELETE"):
        for number in (kept, gone, 999_999):
            params = {"id": number, "instance": "image"}
            assert bob.request(method, "/api/undo/", params=params).status_code == 400
    params = {"id": kept, "instance": "image"}
    assert admin.request("DELETE", "/api/undo/", params=params).status_code == 400
    page = admin.get(f"/api/dataset/{dataset}/data").json()
    assert [image["id"] for image in page["images"]] == [kept]
    deleted = [row["id"] for row in admin.get("/api/undo/list/").json()]
    assert gone in deleted


def test_each_server_has_a_secret_of_its_own(server: Running, data: Path) -> None:
    """No key is known beforehand: what one server signed opens nothing on another."""
    other = Running(data)
    other.user("admin")
    secrets = {(one.data / "secret").read_bytes() for one in (server, other)}
    assert len(secrets) == 2
    cookie = {"Cookie": f"session={server.user('admin').cookies['session']}"}
    assert server.client().get("/api/user/", headers=cookie).status_code == 200
    assert other.client().get("/api/user/", headers=cookie).status_code == 401
    assert other.end()[0] == 0


def test_shared_dataset_is_seen_and_edited_but_not_managed(
    admin: httpx.Client, bob: httpx.Client
) -> None:
    """Sharing gives seeing, uploading and annotating; not deleting or sharing on."""
    dataset = created(admin, "shared")
    image = uploaded(admin, dataset, "x.jpg").json()
    assert admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]}).json() == {
        "success": True
    }
    assert bob.get(f"/api/dataset/{dataset}/data").json()["total"] == 1
    assert uploaded(bob, dataset, "bobs.jpg").status_code == 200
    made = bob.post("/api/annotation/", json={"image_id": image, "category_id": 1})
    assert made.status_code == 200
    assert bob.delete(f"/api/image/{image}").status_code == 403
    assert bob.delete(f"/api/dataset/{dataset}").status_code == 403
    assert bob.post(f"/api/dataset/{dataset}/share", json={"users": []}).status_code == 403
    assert admin.post(f"/api/dataset/{dataset}/share", json={"users": []}).status_code == 200
    assert bob.get(f"/api/dataset/{dataset}/data").status_code == 404


def test_no_answer_carries_a_hash_or_a_place(
    server: Running, admin: httpx.Client, dataset: int
) -> None:
    """Neither a password hash nor a directory of the server is in any answer."""
    scanned(admin, dataset)
    paths = ["/api/user/", "/api/dataset/", "/api/dataset/data", "/api/image/", "/api/tasks/"]
    paths += [f"/api/dataset/{dataset}/{word}" for word in ("data", "users", "data?folder=no")]
    paths += ["/api/tasks/1/logs", "/api/image/999", "/api/nothing", "/api/category/"]
    paths += ["/api/admin/users", "/api/admin/user/admin", "/api/user/tokens"]
    for path in paths:
        text = admin.get(path).text
        assert "argon2" not in text
        assert str(server.data) not in text
        assert "password" not in text


def test_secret_and_database_are_private(server: Running) -> None:
    """The secret and the database have mode 0600; the secret is random."""
    kept = ("secret",) if server.data in Postgres.urls else ("secret", "coir.db")
    for name in kept:
        assert stat.S_IMODE((server.data / name).stat().st_mode) == 0o600
    assert re.fullmatch(rb"[0-9a-f]{64}", (server.data / "secret").read_bytes())


def test_logging_out_ends_the_session_everywhere(server: Running) -> None:
    """A copy of the cookie is worth nothing after logging out; other sessions live on."""
    first, second = server.user("admin"), server.user("admin")
    copied = {"Cookie": f"session={first.cookies['session']}"}
    assert server.client().get("/api/user/", headers=copied).status_code == 200
    assert first.get("/api/user/logout").status_code == 200
    assert server.client().get("/api/user/", headers=copied).status_code == 401
    assert second.get("/api/user/").status_code == 200


def test_signed_cookie_without_a_session_is_refused(server: Running) -> None:
    """The signature alone opens nothing, and a token without it neither."""
    with server.database() as database:
        database.execute("DELETE FROM sessions WHERE user_id=1 AND created_at < 0")
        known = {row[0] for row in database.execute("SELECT token_hash FROM sessions")}
    cookie = server.user("admin").cookies["session"]
    token = cookie.partition(".")[0]
    assert token not in known
    for value in (token, f"{token}.x.y", cookie[:-2], "", "\xff"):
        headers = [(b"Cookie", f"session={value}".encode("latin-1"))]
        assert server.client().get("/api/user/", headers=headers).status_code == 401


def test_other_sites_cannot_act_in_ones_name(admin: httpx.Client, dataset: int) -> None:
    """Each GET that changes something refuses what a browser marks as coming from another site,
    and the cookie is not sent with anything but its links."""
    paths = [f"/api/dataset/{dataset}/{word}" for word in ("scan", "export", "reset/metadata")]
    before = admin.get("/api/tasks/").json()
    for path in (*paths, "/api/info/long_task", "/api/user/logout"):
        answer = admin.get(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, "site" in answer.json()["message"]) == (403, True), path
    assert admin.get("/api/tasks/").json() == before
    given = {"username": "admin", "password": "admin-pw"}
    cookie = admin.post("/api/user/login", json=given).headers["set-cookie"]
    assert cookie.endswith("; HttpOnly; Path=/; SameSite=Lax")
    answer = admin.get("/api/user/", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-credentials" not in answer.headers


def test_every_answer_forbids_sniffing(admin: httpx.Client) -> None:
    """Answers of all kinds say what they are, and that it is final."""
    for path in ("/api/info/", "/api/info", "/api/nothing", "/api/dataset/999/data"):
        assert admin.get(path).headers["x-content-type-options"] == "nosniff"


def test_large_bodies_are_refused(admin: httpx.Client) -> None:
    """A body above the limit is refused with 413, whether or not it says how long it is."""
    answer = admin.post(
        "/api/annotation/",
        content=(b" " * 1024 * 1024 for _ in range(11)),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert "larger" in answer.json()["message"]


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"image_id": 1e400}', b'"text"', b"[]", b"\xff", b'{"image_id":{}}']
)
def test_strange_json_is_the_clients_mistake(admin: httpx.Client, body: bytes) -> None:
    """Any JSON body, and what is none, answers 400."""
    answer = admin.post(
        "/api/annotation/", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["message"]
