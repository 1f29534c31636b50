"""ETags: what is asked for again costs less on the way."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from coir.server.conditional import _tag

from .running import Running, created, picture, uploaded


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    made = created(admin, "kept")
    for number in range(30):
        uploaded(admin, made, f"{number}.png", picture(8, 8))
    return made


@pytest.mark.parametrize("accepted", ["zstd", "gzip", "identity"])
def test_what_has_not_changed_is_not_sent_again(
    admin: httpx.Client, dataset: int, accepted: str
) -> None:
    """A page asked for with its tag is 304 without a body, until something in it changes."""
    path = f"/api/dataset/{dataset}/data"
    first = admin.get(path, headers={"Accept-Encoding": accepted})
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for sent in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = admin.get(path, headers={"If-None-Match": sent, "Accept-Encoding": accepted})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert admin.head(path, headers={"If-None-Match": tag}).status_code == 304
    image = first.json()["images"][0]["id"]
    category = admin.post("/api/category/", json={"name": f"seen {accepted}"}).json()["id"]
    drawn = {"image_id": image, "category_id": category}
    assert admin.post("/api/annotation/", json=drawn).status_code == 200
    changed = admin.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["images"][0]["num_annotations"] > 0
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize("path", ["/api/user/", "/api/user/tokens", "/api/admin/users"])
def test_what_is_about_people_is_kept_nowhere(admin: httpx.Client, path: str) -> None:
    """Answers about users and tokens have no tag, and no cache keeps them."""
    answer = admin.get(path)
    assert answer.status_code == 200
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_refusals_and_streams_have_no_tag(admin: httpx.Client, dataset: int) -> None:
    """Only a whole answer of success can be had already."""
    for path in ("/api/dataset/999999/data", f"/api/dataset/{dataset}/ids"):
        answer = admin.get(path, headers={"If-None-Match": "*"})
        assert answer.status_code in (200, 404)
        assert answer.content
        assert "etag" not in answer.headers


def test_only_the_time_of_the_answer_is_left_out() -> None:
    """What people wrote is part of the tag, whatever it is called."""
    assert _tag(b'{"a":1,"time_ms":5}') == _tag(b'{"a":1,"time_ms":17}')
    assert _tag(b'{"a":1,"time_ms":5}') != _tag(b'{"a":2,"time_ms":5}')
    assert _tag(b'{"m":{"a":1,"time_ms":5}}') != _tag(b'{"m":{"a":1,"time_ms":6}}')
    assert _tag(b'{"m":{"a":1,"time_ms":5},"b":1}') != _tag(b'{"m":{"a":1,"time_ms":5},"b":2}')
