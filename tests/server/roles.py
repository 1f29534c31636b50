"""The table of roles: every route, and what it answers to whom.

Nobody, another user, one with whom the dataset is shared, its owner, the administrator.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2 as httpx
from fastapi.routing import APIRoute

from coir.server.routes import ROUTERS

from .running import created, job_of, picture, uploaded

ROUTES = {
    (method, route.path_format)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods
}

ROLES = ("anonymous", "other", "shared", "owner", "administrator")
Statuses = tuple[int, int, int, int, int]
OPEN: Statuses = (200, 200, 200, 200, 200)
SIGNED_IN: Statuses = (401, 200, 200, 200, 200)
SEEN: Statuses = (401, 400, 200, 200, 200)  # who sees the dataset
MANAGED: Statuses = (401, 400, 403, 200, 200)  # its owner and administrators
LISTED: Statuses = (401, 404, 200, 200, 200)
UNDONE: Statuses = (401, 400, 400, 200, 200)  # what was deleted is there for who may delete
ADMINISTERED: Statuses = (401, 401, 401, 401, 200)
REFUSED: Statuses = (400, 400, 400, 400, 400)


class Scene(dict[str, Any]):
    """What a request may name, made by the owner when it is first asked for."""

    def __init__(self, clients: dict[str, httpx.Client]) -> None:
        self._clients = clients
        self.owner = clients["owner"]

    def __missing__(self, name: str) -> Any:
        self[name] = value = getattr(self, f"_{name}")()
        return value

    def deleted(self, kind: str) -> int:
        """The id of a thing of this kind that the owner has deleted."""
        if f"deleted {kind}" not in self:
            self[f"deleted {kind}"] = self[f"{kind}_id"]
            path = f"/api/{kind}/{self[f'{kind}_id']}"
            assert self.owner.delete(path).status_code == 200
        return int(self[f"deleted {kind}"])

    def _name(self) -> str:
        return f"thing {next(NUMBERS)}"

    def _dataset_id(self) -> int:
        dataset = created(self.owner, self["name"], categories=[self["name"]])
        given = {"users": ["shared"]}
        assert self.owner.post(f"/api/dataset/{dataset}/share", json=given).status_code == 200
        return dataset

    def _category_id(self) -> int:
        page = self.owner.get(f"/api/dataset/{self['dataset_id']}/data").json()
        return int(page["categories"][0]["id"])

    def _image(self) -> int:
        answer = uploaded(self.owner, self["dataset_id"], f"{next(NUMBERS)}.jpg")
        assert answer.status_code == 200
        return int(answer.json())

    _image_id = _from_id = _to_id = _image

    def _annotation_id(self) -> int:
        given = {"image_id": self["image_id"]}
        return int(self.owner.post("/api/annotation/", json=given).json()["id"])

    def _task_id(self) -> int:
        server = self["server"]
        with server.database() as database:
            return int(
                database.execute(
                    'INSERT INTO tasks ("group", name, dataset_id, completed, errors, warnings,'
                    " key, creator_id, progress, created_at) SELECT 'x', 'x', id, true, 0, 0, '',"
                    " owner_id, 100, 0 FROM datasets WHERE id=? RETURNING id",
                    (self["dataset_id"],),
                ).fetchone()[0]
            )

    def _export_id(self) -> int:
        path = f"/api/dataset/{self['dataset_id']}/export"
        answer = self.owner.get(path, params={"categories": ""})
        assert job_of(self.owner, answer)[0]["errors"] == 0
        return int(self.owner.get(f"{path}s").json()[0]["id"])

    def _token_id(self) -> int:
        given = {"name": "a token", "scope": "read"}
        return int(self.owner.post("/api/user/tokens", json=given).json()["id"])

    def _username(self) -> str:
        name = f"user {next(NUMBERS)}"
        given = {"username": name, "password": "pw"}
        answer = self._clients["administrator"].post("/api/admin/user/", json=given)
        assert answer.status_code == 200
        return name


NUMBERS = count(1)
Sent = Callable[[Scene], dict[str, Any]]


def nothing(_: Scene) -> dict[str, Any]:
    return {}


def body(**given: Any) -> Sent:
    return lambda _: {"json": given}


def query(**given: Any) -> Sent:
    return lambda _: {"params": given}


def undone(kind: str) -> Sent:
    return lambda scene: {"params": {"id": scene.deleted(kind), "instance": kind}}


def upload(scene: Scene) -> dict[str, Any]:
    file = (f"{next(NUMBERS)}.jpg", io.BytesIO(picture()), "image/jpeg")
    return {"data": {"dataset_id": str(scene["dataset_id"])}, "files": {"image": file}}


def coco(_: Scene) -> dict[str, Any]:
    content = b'{"images": [], "categories": [], "annotations": []}'
    return {"files": {"coco": ("x.json", io.BytesIO(content), "application/json")}}


def registered(_: Scene) -> dict[str, Any]:
    return {"json": {"username": f"new {next(NUMBERS)}", "password": "pw"}}


def on_image(scene: Scene) -> dict[str, Any]:
    return {"json": {"image_id": scene["image_id"]}}


def saved(scene: Scene) -> dict[str, Any]:
    return {"json": {"image": {"id": scene["image_id"]}, "categories": [], "user": {}}}


def waiting(scene: Scene) -> dict[str, Any]:
    """The job of the scene is one that no process has begun, nor will."""
    with scene["server"].database() as database:
        database.execute("UPDATE tasks SET completed=? WHERE id=?", (False, scene["task_id"]))
    return {}


def fresh(_: Scene) -> dict[str, Any]:
    return {"json": {"name": f"fresh {next(NUMBERS)}"}}


@dataclass(frozen=True)
class Row:
    """A request, and the status of its answer for each role."""

    method: str
    path: str
    statuses: Statuses
    sent: Sent = nothing
    about: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.about}".strip()


TABLE = [
    Row("GET", "/api/info/", OPEN),
    Row("GET", "/api/openapi.json", OPEN),
    Row("GET", "/api/swagger.json", OPEN),
    Row("GET", "/api/docs", OPEN),
    Row("GET", "/api/", OPEN),
    Row("GET", "/api/health", OPEN),
    Row("GET", "/api/ready", OPEN),
    Row("GET", "/api/info/long_task", SIGNED_IN),
    Row("POST", "/api/user/register", OPEN, registered),
    Row("POST", "/api/user/login", OPEN, body(username="owner", password="owner-pw")),
    Row("GET", "/api/user/", SIGNED_IN),
    Row("GET", "/api/user/logout", SIGNED_IN),
    Row("POST", "/api/user/password", (401, 400, 400, 400, 400), body(password="x")),
    Row("GET", "/api/user/tokens", SIGNED_IN),
    Row("POST", "/api/user/tokens", SIGNED_IN, body(name="x", scope="read")),
    Row("DELETE", "/api/user/tokens/{token_id}", (401, 400, 400, 200, 400)),  # its user
    Row("GET", "/api/dataset/", SIGNED_IN),
    Row("POST", "/api/dataset/", SIGNED_IN, fresh),
    Row("GET", "/api/dataset/data", SIGNED_IN),
    Row("POST", "/api/dataset/{dataset_id}", SEEN, body(default_annotation_metadata={})),
    Row("DELETE", "/api/dataset/{dataset_id}", MANAGED),
    Row("GET", "/api/dataset/{dataset_id}/scan", SEEN),
    Row("POST", "/api/dataset/{dataset_id}/share", MANAGED, body(users=["shared"])),
    Row("GET", "/api/dataset/{dataset_id}/users", SEEN),
    Row("GET", "/api/dataset/{dataset_id}/stats", SEEN),
    Row("GET", "/api/dataset/{dataset_id}/reset/metadata", MANAGED),
    Row("POST", "/api/dataset/{dataset_id}/generate", (401, 400, 403, 410, 410)),
    Row("GET", "/api/dataset/{dataset_id}/data", LISTED),
    Row("GET", "/api/dataset/{dataset_id}/ids", LISTED),
    Row("GET", "/api/dataset/{dataset_id}/rows", LISTED),
    Row("GET", "/api/dataset/{dataset_id}/changes", LISTED),
    Row("GET", "/api/dataset/{dataset_id}/coco", MANAGED),
    Row("POST", "/api/dataset/{dataset_id}/coco", SEEN, coco),
    Row("POST", "/api/dataset/{dataset_id}/export", SEEN, coco),
    Row("GET", "/api/dataset/{dataset_id}/export", MANAGED, query(categories="")),
    Row("GET", "/api/dataset/{dataset_id}/exports", MANAGED),
    Row("GET", "/api/export/{export_id}", MANAGED),
    Row("GET", "/api/export/{export_id}/download", MANAGED),
    Row("DELETE", "/api/export/{export_id}", MANAGED),
    Row("GET", "/api/image/", SIGNED_IN),
    Row("POST", "/api/image/", SEEN, upload),
    Row("GET", "/api/image/{image_id}", SEEN),
    Row("GET", "/api/image/{image_id}/coco", MANAGED),
    Row("DELETE", "/api/image/{image_id}", MANAGED),
    Row("POST", "/api/image/copy/{from_id}/{to_id}/annotations", SEEN),
    Row("GET", "/api/category/", SIGNED_IN),
    Row("POST", "/api/category/", SIGNED_IN, fresh),
    Row("GET", "/api/category/data", SIGNED_IN),
    Row("GET", "/api/category/{category_id}", SEEN),
    Row("PUT", "/api/category/{category_id}", MANAGED, fresh),
    Row("DELETE", "/api/category/{category_id}", MANAGED),
    Row("GET", "/api/annotation/", SIGNED_IN),
    Row("POST", "/api/annotation/", SEEN, on_image),
    Row("GET", "/api/annotation/{annotation_id}", SEEN),
    Row("PUT", "/api/annotation/{annotation_id}", SEEN),
    Row("DELETE", "/api/annotation/{annotation_id}", SEEN),
    Row("GET", "/api/annotator/data/{image_id}", SEEN),
    Row("POST", "/api/annotator/data", SEEN, saved),
    Row("GET", "/api/tasks/", SIGNED_IN),
    Row("GET", "/api/tasks/{task_id}/logs", SEEN),
    Row("DELETE", "/api/tasks/{task_id}", SEEN),
    Row("POST", "/api/tasks/{task_id}/cancel", SEEN, waiting),
    Row("POST", "/api/model/dextr/{image_id}", (401, 400, 400, 400, 400)),  # none is installed
    Row("POST", "/api/model/maskrcnn", SIGNED_IN),
    Row("GET", "/api/undo/list/", SIGNED_IN),
    Row("POST", "/api/undo/", SEEN, undone("annotation"), "annotation"),
    Row("POST", "/api/undo/", UNDONE, undone("image"), "image"),
    Row("POST", "/api/undo/", UNDONE, undone("category"), "category"),
    Row("POST", "/api/undo/", UNDONE, undone("dataset"), "dataset"),
    Row("DELETE", "/api/undo/", UNDONE, undone("annotation"), "annotation"),
    Row("DELETE", "/api/undo/", UNDONE, undone("image"), "image"),
    Row("DELETE", "/api/undo/", UNDONE, undone("category"), "category"),
    Row("DELETE", "/api/undo/", UNDONE, undone("dataset"), "dataset"),
    Row("GET", "/api/admin/users", ADMINISTERED),
    Row("POST", "/api/admin/user/", ADMINISTERED, registered),
    Row("GET", "/api/admin/user/{username}", ADMINISTERED),
    Row("PATCH", "/api/admin/user/{username}", ADMINISTERED, body(name="x")),
    Row("DELETE", "/api/admin/user/{username}", ADMINISTERED),
]
