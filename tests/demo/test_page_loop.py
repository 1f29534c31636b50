"""The published script works against coir's server unchanged: every order it serves is total."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from client.serving import Serving, serving
from coir.demo.page_loop import page_loop
from server.running import created

IMAGES = 730  # not a multiple of the page, and with names that repeat in twelve folders
FIELDS = (
    "id",
    "_id",
    "pk",
    "file_name",
    "path",
    "width",
    "height",
    "annotated",
    "num_annotations",
    "date_captured",
    "milliseconds",
    "category_ids",
    "nonsense",
)


class Filled:
    """A server with a dataset whose ids are every third of those there are."""

    def __init__(self, server: Serving) -> None:
        self.url = server.url
        client = server.user("admin")
        self.dataset, other = created(client, "days"), created(client, "other")
        self.ids = server.fill([self.dataset, other, other] * IMAGES)[self.dataset]
        self.cookies = {"session": str(client.cookies["session"])}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with serving(tmp_path_factory.mktemp("pages")) as running:
        yield Filled(running)


def test_page_loop(filled: Filled) -> None:
    """The script as it is published gets every id once when nothing changes."""
    seen: list[tuple[int, int]] = []
    found = page_loop(
        filled.url, filled.dataset, filled.cookies, seen=lambda *now: seen.append(now)
    )
    assert sorted(found) == filled.ids
    assert len(seen) == 8
    assert seen[-1] == (IMAGES, IMAGES)


def test_page_loop_without_a_session(filled: Filled) -> None:
    """Without a session the script fails; it does not return an empty list."""
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        page_loop(filled.url, filled.dataset)


def _pages(filled: Filled, order: str, limit: int) -> list[dict[str, Any]]:
    """The same loop with an order and a page size of its own."""
    found: list[dict[str, Any]] = []
    with httpx2.Client(base_url=filled.url, cookies=filled.cookies, verify=False) as http:
        for page in range(1, 1000):
            params = {"page": page, "limit": limit, "order": order}
            answer = http.get(f"/api/dataset/{filled.dataset}/data", params=params)
            images = answer.raise_for_status().json()["images"]
            if not images:
                return found
            found += images
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("field", FIELDS)
def test_every_order(filled: Filled, field: str, sign: str) -> None:
    """Every order of every field, with pages of an odd size, shows each image once."""
    rows = _pages(filled, f"{sign}{field}", 97)
    assert sorted(row["id"] for row in rows) == filled.ids
    if field in {"id", "file_name"}:
        keys = [(row[field], row["id"]) for row in rows]
        assert all((one < two) is (sign == "") for one, two in pairwise(keys))


@pytest.mark.parametrize("limit", [37, 73, 730, 731, 10_000])
def test_every_size(filled: Filled, limit: int) -> None:
    """Pages of any size show each image once, also when the last one is full."""
    rows = _pages(filled, "file_name", limit)
    assert sorted(row["id"] for row in rows) == filled.ids
