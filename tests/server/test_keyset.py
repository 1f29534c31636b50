"""Pages that cursors lead through: every image once, whatever comes and goes meanwhile."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import msgspec
import pytest
from sqlalchemy import Connection, delete, event, insert, select, true, update

from coir.server.store import listing, places
from coir.server.store.engine import Store
from coir.server.store.listing import ORDERED, Order
from coir.server.store.migration import migrate
from coir.server.store.places import Place
from coir.server.store.tables import datasets, images, users

from .databases import Place as Kind
from .running import Running, created, picture, uploaded

NUMBER = 42
EVERY = sorted(ORDERED | {"id"})
ORDERS = [*EVERY, *(f"-{name}" for name in EVERY)]


@pytest.fixture
def store(place: Kind, tmp_path: Path) -> Iterator[Store]:
    """A dataset of some images with equal and with absent values in each field."""
    opened = Store(place.where(tmp_path))
    migrate(opened)
    with opened.write() as connection:
        named = {"oid": "0", "username": "a", "username_folded": "a", "password_hash": ""}
        connection.execute(insert(users).values(created_at=0, **named))
        connection.execute(insert(datasets).values(name="one", owner_id=1, created_at=0))
        connection.execute(insert(images), [image(number) for number in range(NUMBER)])
    yield opened
    opened.close()


def image(number: int) -> dict[str, Any]:
    """The row of an image."""
    absent = number % 3 == 0
    return {
        "dataset_id": 1,
        "path": f"/datasets/one/{number}.jpg",
        "file_name": f'{number * 7 % 5} ä {{"id":{number % 2},.jpg',
        "width": number % 4,
        "height": 4,
        "annotated": number % 2 == 0,
        "num_annotations": number % 6,
        "milliseconds": number * 2**33 % 2**40,
        "license": None if absent else number % 3,
        "coco_url": None if absent else f"u{number % 4}",
        "date_captured": None if absent else number % 5,
        "created_at": 0,
    }


def read(
    connection: Connection, order: Order, place: Place | None, limit: int
) -> tuple[list[int], Place | None]:
    """The ids of a page, and where it ended."""
    condition = listing.living(1, true())
    shown, end = places.page(connection, condition, order, place, limit, fields=(), annotating={})
    return [row["id"] for row in msgspec.json.decode(shown)], end


def test_pages_are_the_whole_list(store: Store) -> None:
    """In every order the pages together are the list, whatever their size."""
    everything = listing.living(1, true())
    with store.read() as connection:
        for asked in map(Order.of, ORDERS):
            text = listing.page(connection, everything, asked, NUMBER, 0)
            whole = [row["id"] for row in msgspec.json.decode(text)]
            for limit in (7, NUMBER, NUMBER + 1):
                found, place = read(connection, asked, None, limit)
                while place is not None:
                    ids, place = read(connection, asked, place, limit)
                    found += ids
                assert found == whole


@pytest.mark.parametrize("order", ["id", "-id", "file_name", "-file_name", "license", "-license"])
def test_changes_between_pages(store: Store, order: str) -> None:
    """Images come and go, also the one where a page ended: the others are read once each."""
    asked, choice = Order.of(order), random.Random(order)
    with store.read() as connection:
        staying = set(connection.execute(select(images.c.id)).scalars())
    found: list[int] = []
    place, turn = None, 0
    while turn == 0 or place is not None:
        turn += 1
        with store.read() as connection:
            ids, place = read(connection, asked, place, 5)
        found += ids
        gone = {choice.choice(ids), choice.randint(1, NUMBER)} if turn % 2 else {ids[-1]}
        with store.write() as connection:
            for one in gone:
                if turn % 3:
                    connection.execute(delete(images).where(images.c.id == one))
                else:
                    connection.execute(
                        update(images).where(images.c.id == one).values(deleted=True)
                    )
            if turn <= 20:  # or a list in ascending order never ends
                new = [image(10 * NUMBER + 2 * turn), image(10 * NUMBER + 2 * turn + 1)]
                connection.execute(insert(images), new)
        staying -= gone
    assert len(found) == len(set(found))
    assert staying <= set(found)


@pytest.mark.parametrize("order", ["id", "-id", "file_name", "-file_name"])
def test_places_are_found_in_an_index(tmp_path: Path, order: str) -> None:
    """A page begins at its place: SQLite enters the index there, and sorts nothing.

    What PostgreSQL does depends on its statistics.
    """
    opened = Store(tmp_path / "coir.db")
    migrate(opened)
    plans: list[str] = []

    def note(connection: Any, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if "FROM images" in statement and not statement.startswith("EXPLAIN"):
            asked = f"EXPLAIN QUERY PLAN {statement}"
            rows = connection.connection.execute(asked, parameters).fetchall()
            plans.extend(row[3] for row in rows if "images" in row[3] or "TREE" in row[3])

    with opened.read() as connection:
        event.listen(opened.engine, "before_cursor_execute", note)
        read(connection, Order.of(order), Place("x" if "name" in order else 5, 5), 10)
    opened.close()
    name = "file_name" if "name" in order else "id"
    bounds = ("id<?", "file_name<?") if order.startswith("-") else ("id>?", "file_name>?")
    assert plans
    assert all(f"deleted=? AND {name}" in one for one in plans), plans
    assert all(one.endswith(tuple(f"{bound})" for bound in bounds)) for one in plans), plans


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(admin: httpx.Client) -> int:
    made = created(admin, "by cursor")
    for folder in "abcd":
        for name in ("x.jpg", "y.jpg"):
            assert uploaded(admin, made, f"{folder}/{name}", picture(8, 8)).status_code == 200
    return made


def page(client: httpx.Client, dataset: int, **params: Any) -> dict[str, Any]:
    """A page of images."""
    answer = client.get(f"/api/dataset/{dataset}/data", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_cursors_lead_through_the_list(admin: httpx.Client, dataset: int) -> None:
    """From an empty cursor to none: the same images as in one page, with the same filters."""
    for asked in ({}, {"order": "-id"}, {"folder": "b"}, {"file_name": "x.jpg", "order": "id"}):
        whole = page(admin, dataset, limit=100, **asked)
        found, cursor = [], ""
        while cursor is not None:
            shown = page(admin, dataset, limit=3, cursor=cursor, fields="path", **asked)
            assert (shown["page"], shown["total"]) == (None, whole["total"])
            found += [one["id"] for one in shown["images"]]
            cursor = shown["next_cursor"]
        assert found == [one["id"] for one in whole["images"]]


def test_deletions_and_uploads_meanwhile(admin: httpx.Client) -> None:
    """With equal names in folders: what stays is shown once, also when pages by number shift."""
    made = created(admin, "moving")
    for folder in "abcdef":
        uploaded(admin, made, f"{folder}/same.jpg", picture(8, 8))
    first = page(admin, made, limit=2, cursor="")
    ids = [one["id"] for one in first["images"]]
    for one in ids:
        assert admin.delete(f"/api/image/{one}").status_code == 200
    new = uploaded(admin, made, "0/same.jpg", picture(8, 8)).json()
    rest = page(admin, made, limit=100, cursor=first["next_cursor"])
    shown = [one["id"] for one in rest["images"]]
    assert shown == [ids[-1] + 1, ids[-1] + 2, ids[-1] + 3, ids[-1] + 4, new]
    assert rest["next_cursor"] is None


def test_who_does_not_ask_sees_no_cursor(admin: httpx.Client, dataset: int) -> None:
    """The answer to a page by number is the recorded one."""
    assert "next_cursor" not in page(admin, dataset, limit=2)
    assert page(admin, dataset, limit=2)["page"] == 0
    assert "cursor" in admin.get("/api/info/").json()["coir"]["features"]


def made_up(*parts: Any) -> str:
    """A cursor as somebody else might make it."""
    text = json.dumps(parts).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


NO_CURSORS = ("x", "é", "\0", "!", "0" * 4000, made_up(), "W1" * 2000)
# Values that no image has in a field, by the field.
NO_VALUES: dict[str, tuple[Any, ...]] = {
    "file_name": (5, True, None, [1], {}, "a\0b", "\ud800"),
    "width": ("x", None, True, 2**64, -(2**64), 10**400, 0.5),
    "annotated": ("x", None, 1),
    "license": ("x", False),
}


def test_foreign_and_made_up_cursors(admin: httpx.Client, dataset: int) -> None:
    """What is no cursor of this list is 400 and says so; nothing hostile reaches the database."""
    cursor = page(admin, dataset, limit=2, cursor="")["next_cursor"]
    padded = cursor + "=" * (-len(cursor) % 4)
    whose, name, down, mark, value, last = json.loads(base64.urlsafe_b64decode(padded))
    assert (whose, name, down, value) == (dataset, "file_name", False, "x.jpg")
    made = [made_up(whose, name, down, mark, value, one) for one in (2**63, 10**400, 1.5, True)]
    made += [made_up(whose, name, down, mark, value), made_up("1", name, down, mark, value, last)]
    made += [made_up(whose, other, down, mark, value, last) for other in ("password_hash", "id;--")]
    wrong: list[dict[str, Any]] = [{"cursor": one} for one in (*NO_CURSORS, *made, cursor + "A")]
    for order, values in NO_VALUES.items():
        forged = [made_up(whose, order, False, mark, one, last) for one in values]
        wrong += [{"order": order, "cursor": one} for one in forged]
    for other in ({"order": "-file_name"}, {"folder": "a"}, {"width__gte": "1"}, {"page": 1}):
        wrong.append({"cursor": cursor} | other)
    for params in wrong:
        answer = admin.get(f"/api/dataset/{dataset}/data", params=params)
        assert answer.status_code == 400, params
        assert "cursor" in answer.json()["errors"], params
    foreign = created(admin, "another list")
    answer = admin.get(f"/api/dataset/{foreign}/data", params={"cursor": cursor})
    assert answer.json()["errors"] == {"cursor": f"this is a cursor of the dataset {dataset}"}
    absent = page(admin, dataset, limit=1, cursor="", order="license")["next_cursor"]
    assert page(admin, dataset, limit=1, cursor=absent, order="license")["images"]


def test_cursors_belong_to_pages_only(admin: httpx.Client, dataset: int) -> None:
    """The list of ids holds all there are: a cursor is refused there."""
    answer = admin.get(f"/api/dataset/{dataset}/ids", params={"cursor": ""})
    assert answer.status_code == 400
