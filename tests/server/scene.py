"""The recorded scene: what has to be there before each recorded exchange is sent again.

A step makes up for an exchange that was recorded but is not replayed: because the server has no
such route yet, or because coir refuses what the original accepted.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
from itsdangerous import TimestampSigner

from coir.server.sessions import COOKIE

from .databases import burnt
from .running import Running, completed, created, picture, scanned, uploaded

Exchange = dict[str, Any]
DAY = 24 * 3600

# Exchanges that bob sent; admin sent the others that have a session.
BOBS = {
    "undo/list.bob",
    "undo/post.bob_undoes_admins_image",
    "user/register.second_user_not_admin",
    "dataset/create.by_bob",
    "category/get.other_users",
    "category/delete.not_owner",
    "image/upload.bob_into_admins_dataset",
    "image/list.bob",
    "image/delete.no_access",
    "annotation/create.bob_no_access",
    "annotation/get.other_user",
    "annotation/list.bob",
    "annotator/load.no_access",
    "annotator/save.bob_no_access",
    "dataset.data/dataset_without_permission",
    "dataset.list_data/bob",
    "dataset.misc/exports.bob_shared",
    "dataset.misc/share.not_owner",
    "dataset.misc/shared.coco_as_bob",
    "dataset.misc/shared.image_delete_as_bob",
    "dataset.misc/shared.list_as_bob",
    "dataset.misc/delete.not_owner",
    "export/download.bob_shared",
    "tasks/list_bob",
    "admin/user_create.not_admin",
}
BASIC = {
    "user/me.basic_auth": ("admin", "admin-pw"),
    "user/me.basic_auth_wrong": ("admin", "nope"),
    "dataset.data/basic_auth": ("admin", "admin-pw"),
}
# The images that the pages of the record show as annotated, with their number of annotations and
# their categories; the rest of the recorded totals is filled up in `_annotate`.
SEEN = {
    "img_0000.jpg": [1],
    "img_0001.jpg": [2],
    "img_0002.jpg": [2],
    "img_0004.jpg": [2],
    "img_0006.jpg": [1, 2],
    "img_0009.jpg": [1, 2],
    "img_0010.jpg": [1, 2],
    "img_0031.jpg": [1, 2],
    "img_0094.jpg": [1, 2],
    "img_0099.jpg": [1],
    "img_0101.jpg": [1, 2],
}
PLAIN = {f"img_{number:04d}.jpg" for number in (3, 5, 13, 20, 23, 24, 49, 55, 65, 71, 84, 96, 100)}
ANNOTATED, WITH_TWO, WITH_DOG = 61, 22, 41  # recorded totals


# One image that is nowhere and one whose name is there twice, each with an annotation: the record
# says one error and three warnings.
COCO = {
    "images": [
        {"id": 1, "file_name": "nowhere.jpg"},
        {"id": 2, "file_name": "elsewhere/img_0000.jpg"},
    ],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]},
        {"id": 2, "image_id": 2, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]},
    ],
}
# What was in the files that the record only names.
CONTENTS = {
    "upload.not_an_image": b"no picture",
    "post_coco": json.dumps(COCO).encode(),
    "post_coco.bad_json": b"{",
    "post_coco.bad_id": b"{}",
    "post_export_same": b'{"images": [], "categories": [], "annotations": []}',
}


def key(exchange: Exchange) -> str:
    """How an exchange is named here and in docs/differences.md."""
    return f"{exchange['section']}/{exchange['name']}"


class Scene:
    """The original's scene on a fresh server, exchange by exchange."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.admin, self.bob = server.client(), server.client()
        self._old_cookie = ""
        self._steps: dict[str, Callable[[], object]] = {
            "dataset/list.not_logged_in": self._password_changed,
            "category/get": self._categories,
            "undo/list": self._deleted_two,
            "dataset/create.by_query_string_no_categories": lambda: self._burn("datasets", 2),
            "dataset/create.by_bob": lambda: created(self.admin, "six"),
            "tasks/list": self._scan,
            "image/upload.path_traversal": lambda: self._upload("up6.jpg"),
            "image/list": lambda: self._upload("trav.jpg"),
            "annotation/create.minimal": self._annotations_before_minimal,
            "annotation/create.keypoints": self._annotation_four,
            "annotation/create.segmentation_of_ints": lambda: self._annotate_image(2, 1),
            "annotation/delete.again": lambda: self.admin.delete("/api/annotation/2"),
            "annotator/save.ok": self._annotation_eight,
            "dataset.data/not_logged_in": self._annotate,
            "admin/user_create.dup": self._carol,
            "dataset.misc/exports": lambda: completed(self.admin),
            "tasks/list_full": lambda: completed(self.admin),
            "tasks/delete_running": self.still_running,
            "dataset.misc/data.directory_missing_on_disk": server.directory("frm").rmdir,
            "session/logout_answer_headers": self._keep_cookie,
        }

    def send(self, exchange: Exchange) -> httpx.Response:
        """Bring the scene to where the exchange was recorded, and send its request."""
        name, asked = key(exchange), exchange["request"]
        self._steps.get(name, self._nothing)()
        if name in BOBS:
            client = self.bob
        elif asked["sent_cookies"] or name in ("user/register.first_user_admin", "user/login.ok"):
            client = self.admin
        else:
            client = self.server.client()
        headers = dict(asked.get("headers") or {})
        if "Cookie" in headers:
            client = self.server.client()
            if headers["Cookie"] == "session=<signed>":
                headers["Cookie"] = f"{COOKIE}={self._signed(name)}"
        if name in BASIC:
            client = self.server.client(auth=BASIC[name])
        return client.request(asked["method"], asked["url"], headers=headers, **_body(exchange))

    def _nothing(self) -> None:
        """No step."""

    def _burn(self, table: str, number: int) -> None:
        """Use up ids, as exchanges that were not kept, or that coir refuses, did."""
        burnt(self.server.data, table, number)

    def _scan(self) -> None:
        directory, content = self.server.directory("d1"), picture()
        layout = {
            "": [f"img_{n:04d}.jpg" for n in range(120)],
            "sub_a": [f"a_{n:04d}.jpg" for n in range(80)],
            "sub_a/deep": [f"deep_{n:04d}.jpg" for n in range(60)],
            "sub b": [f"b_{n:04d}.jpg" for n in range(40)],
            "dup": ["img_0000.jpg", "img_0001.jpg"],
            ".hidden": ["hidden.jpg"],
        }
        for folder, names in layout.items():
            (directory / folder).mkdir(exist_ok=True)
            for name in names:
                (directory / folder / name).write_bytes(content)
        scanned(self.admin, 1)

    def _upload(self, name: str) -> None:
        assert uploaded(self.admin, 1, name, picture(80, 50)).status_code == 200

    def _annotate_image(self, image: int, category: int | None, **more: Any) -> None:
        given = {"image_id": image, "category_id": category, **more}
        assert self.admin.post("/api/annotation/", json=given).status_code == 200

    def _annotations_before_minimal(self) -> None:
        self._burn("annotations", 1)
        self._annotate_image(1, 12345)

    def _annotation_four(self) -> None:
        outline = [[10, 10, 40, 10, 40, 40, 10, 40]]
        self._annotate_image(2, 1, segmentation=outline, isbbox=True)

    def _living_annotations(self, image: int | None = None) -> list[int]:
        asked = "SELECT id FROM annotations WHERE NOT deleted AND image_id = coalesce(?, image_id)"
        with self.server.database() as database:
            return [row[0] for row in database.execute(asked, (image,))]

    def _annotation_eight(self) -> None:
        self._burn("annotations", 7)
        self._annotate_image(5, 1)

    def _annotate(self) -> None:
        """The recorded counters. The original had not counted the annotations posted so far."""
        for number in self._living_annotations():
            self.admin.delete(f"/api/annotation/{number}")
        assert self.admin.delete("/api/image/300").status_code == 200  # recorded as undone later
        plan = dict(SEEN)
        # Above img_0010.jpg: the record shows which of those below have two annotations.
        free = [f"img_{n:04d}.jpg" for n in range(11, 120)]
        free = [name for name in free if name not in SEEN and name not in PLAIN]
        for name in free[: ANNOTATED - len(SEEN)]:
            plan[name] = [1]
        singles = [name for name in plan if name not in SEEN]
        twos = WITH_TWO - sum(len(ids) == 2 for ids in SEEN.values())
        for name in singles[:twos]:
            plan[name] = [1, 2]
        dogs = WITH_DOG - sum(2 in ids for ids in plan.values())
        for name in singles[twos : twos + dogs]:
            plan[name] = [2]
        ids = {f"img_{n:04d}.jpg": n + 1 for n in range(120)}
        for name, categories in plan.items():
            for category in categories:
                self._annotate_image(ids[name], category)

    def _categories(self) -> None:
        """A refused creation had used up an id, and bob had made a category."""
        self._burn("categories", 6)
        assert self.bob.post("/api/category/", json={"name": "person"}).json()["id"] == 7

    def _password_changed(self) -> None:
        """Admin had changed the password, to the same as far as the record shows."""
        given = {"password": "admin-pw", "new_password": "admin-pw"}
        assert self.admin.post("/api/user/password", json=given).status_code == 200

    def _deleted_two(self) -> None:
        """An annotation and an image had been deleted; what `_annotate` deleted is ours."""
        with self.server.database() as database:
            database.execute("DELETE FROM annotations WHERE deleted AND id <> 2")
            database.execute("UPDATE annotations SET deleted_date=1795327155173 WHERE id=2")
            database.execute("UPDATE images SET deleted_date=1795327157614 WHERE id=300")

    def _carol(self) -> None:
        given = {"username": "carol", "password": "carol-pw", "name": "Carol"}
        assert self.admin.post("/api/admin/user/", json=given).status_code == 200

    def still_running(self) -> None:
        """A seventh job that is not completed."""
        with self.server.database() as database:
            database.execute(
                'INSERT INTO tasks ("group", name, dataset_id, completed, errors, warnings, key,'
                " creator_id, progress, created_at) VALUES ('x', 'x', 1, false, 0, 0, '', 1, 0, 0)"
            )

    def _keep_cookie(self) -> None:
        self._old_cookie = str(self.admin.cookies.get(COOKIE))

    def _signed(self, name: str) -> str:
        """The cookie of a session that began as many days ago as the exchange's name says."""
        if name == "session/old_cookie_after_logout":
            return self._old_cookie
        return signed_days_ago(self.server, float(name.split("_")[2]))


def signed_days_ago(server: Running, days: float) -> str:
    """A cookie as the server would have given it to admin that many days ago."""
    moment = time.time() - days * DAY

    class Earlier(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(moment)

    token = f"token of {days} days ago"
    with server.database() as database:
        database.execute(
            "INSERT INTO sessions (token_hash, user_id, created_at) VALUES (?, 1, ?)",
            (hashlib.sha256(token.encode()).hexdigest(), int(moment * 1000)),
        )
    secret = (server.data / "secret").read_bytes()
    return Earlier(secret, salt="coir.session", digest_method=hashlib.sha256).sign(token).decode()


def _body(exchange: Exchange) -> dict[str, Any]:
    asked = exchange["request"]
    body: dict[str, Any] = {}
    if "json" in asked:
        body["json"] = asked["json"]
    if isinstance(asked.get("data"), str):
        body["content"] = asked["data"]
    elif "data" in asked:
        body["data"] = asked["data"]
    if "files" in asked:
        content = CONTENTS.get(exchange["name"]) or picture(80, 50)
        body["files"] = {
            field: (name, io.BytesIO(content), "image/jpeg")
            for field, name in asked["files"].items()
        }
    return body
