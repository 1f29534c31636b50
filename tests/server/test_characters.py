"""Texts that a database may not hold, wherever a request can carry one."""

from __future__ import annotations

import json
from typing import Any

import httpx2 as httpx
import pytest

from .running import Running, created, uploaded

NUL = "a\0b"
ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/user/register", {"username": "nul", "password": "pw", "name": NUL}),
    ("POST", "/api/user/register", {"username": "null", "password": "pw", "email": NUL}),
    ("POST", "/api/user/register", {"username": NUL, "password": "pw"}),
    ("POST", "/api/user/register", {"username": "nulls", "password": NUL}),
    ("POST", "/api/user/login", {"username": NUL, "password": "pw"}),
    ("POST", "/api/user/login", {"username": "admin", "password": NUL}),
    ("POST", "/api/user/tokens", {"name": NUL, "scope": "read"}),
    ("POST", "/api/dataset/", {"name": NUL}),
    ("POST", "/api/dataset/", {"name": "nul", "categories": [NUL]}),
    ("POST", "/api/dataset/{dataset}", {"categories": [NUL]}),
    ("POST", "/api/dataset/{dataset}", {"default_annotation_metadata": {NUL: NUL}}),
    ("POST", "/api/dataset/{dataset}/share", {"users": [NUL]}),
    ("POST", "/api/category/", {"name": NUL}),
    ("POST", "/api/category/", {"name": "nul", "color": NUL}),
    ("POST", "/api/category/", {"name": "nul2", "supercategory": NUL}),
    ("POST", "/api/category/", {"name": "nul3", "metadata": {"x": NUL}}),
    ("POST", "/api/category/", {"name": "nul4", "keypoint_labels": [NUL]}),
    ("PUT", "/api/category/1", {"name": NUL}),
    ("POST", "/api/annotation/", {"image_id": 1, "color": NUL}),
    ("POST", "/api/annotation/", {"image_id": 1, "metadata": {NUL: [NUL]}}),
    ("PUT", "/api/annotation/1", {"metadata": {"x": NUL}}),
    ("PUT", "/api/annotation/1", {"color": NUL}),
    ("POST", "/api/annotator/data", {"image": {"metadata": {"x": NUL}}, "user": {}}),
    ("POST", "/api/annotator/data", {"image": {}, "user": {"preferences": NUL}}),
    ("POST", "/api/annotator/data", {"image": {}, "user": {"x": NUL}}),
    ("POST", "/api/admin/user/", {"username": "nul5", "password": "pw", "name": NUL}),
    ("PATCH", "/api/admin/user/admin", {"name": NUL}),
    ("GET", "/api/admin/user/a%00b", {}),
    ("GET", "/api/dataset/{dataset}/data?folder=a%00b", {}),
    ("GET", "/api/dataset/{dataset}/data?file_name=a%00b", {}),
    ("GET", "/api/dataset/{dataset}/data?file_name__icontains=a%00b", {}),
    ("GET", "/api/dataset/{dataset}/data?order=a%00b", {}),
    ("GET", "/api/dataset/{dataset}/data?a%00b=1", {}),
    ("GET", "/api/dataset/{dataset}/ids?path__startswith=a%00b", {}),
    ("GET", "/api/dataset/{dataset}/export?categories=a%00b", {}),
    ("GET", "/api/dataset/data?folder=a%00b", {}),
    ("GET", "/api/undo/list/?type=a%00b", {}),
    ("GET", "/api/image/?fields=a%00b", {}),
]


@pytest.fixture(scope="module")
def scene(server: Running) -> tuple[httpx.Client, int, int]:
    """The administrator, a dataset, and an image with an annotation in it."""
    admin = server.user("admin")
    dataset = created(admin, "characters", categories=["cat"])
    image = uploaded(admin, dataset, "x.jpg").json()
    assert admin.post("/api/annotation/", json={"image_id": image}).status_code == 200
    return admin, dataset, image


@pytest.mark.parametrize("written", [r'"a\u0000b"', r'"a\ud800b"'])
@pytest.mark.parametrize(("method", "path", "given"), ROUTES, ids=str)
def test_no_text_is_the_servers_mistake(
    scene: tuple[httpx.Client, int, int],
    method: str,
    path: str,
    given: dict[str, Any],
    written: str,
) -> None:
    """A NUL, or half of a pair, which JSON can write and UTF-8 cannot, is taken or refused; what
    is answered can be read."""
    admin, dataset, image = scene
    if "image_id" in given:
        given = given | {"image_id": image}
    if "image" in given:
        given = given | {"image": given["image"] | {"id": image}}
    client = httpx.Client(base_url=admin.base_url, cookies=admin.cookies, timeout=60)
    with client:  # one of its own: registering signs in
        body = json.dumps(given).replace(r'"a\u0000b"', written) if given else None
        headers = {"Content-Type": "application/json"}
        answer = client.request(method, path.format(dataset=dataset), content=body, headers=headers)
    assert answer.status_code in (200, 400, 404), answer.text
    if answer.headers["content-type"] == "application/json":
        answer.json()
