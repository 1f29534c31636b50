"""Deep pages are found from milestones, and are the same as without."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, delete, event, insert, select, true, update

from coir.server.store import listing, milestones
from coir.server.store.engine import Store
from coir.server.store.listing import Order
from coir.server.store.migration import migrate
from coir.server.store.milestones import Milestones, Whole
from coir.server.store.tables import datasets, images, users

from .databases import Place

ORDERS = ("id", "-id", "file_name", "-file_name", "+file_name", "width", "-height")
NUMBER = 300


@pytest.fixture
def store(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Two datasets of some hundred images with repeated names, and milestones close together."""
    monkeypatch.setattr(milestones, "STRIDE", 7)
    opened = Store(place.where(tmp_path))
    migrate(opened)
    with opened.write() as connection:
        connection.execute(
            insert(users).values(
                oid="0", username="a", username_folded="a", password_hash="", created_at=0
            )
        )
        for name in ("one", "two"):
            connection.execute(insert(datasets).values(name=name, owner_id=1, created_at=0))
        connection.execute(insert(images), [image(number) for number in range(2 * NUMBER)])
    yield opened
    opened.close()


def image(number: int) -> dict[str, object]:
    """The row of an image; every other one is of the first dataset."""
    return {
        "dataset_id": 1 + number % 2,
        "path": f"/datasets/x/{number}.jpg",
        "file_name": f"{number % 40:02d} ä.jpg",
        "width": 5 + number % 3,
        "height": 4,
        "created_at": 0,
    }


def whole(connection: Connection) -> Whole:
    """The first dataset, as this connection sees it."""
    row = connection.execute(select(datasets).where(datasets.c.id == 1)).one()
    return Whole(1, row.layout, row.num_images)


def ids(
    connection: Connection, order: str, offset: int, kept: Milestones | None = None
) -> list[int]:
    """The ids of five images from an offset on."""
    condition = listing.living(1, true())
    asked = Order.of(order)
    if kept is not None:
        condition, offset = kept.near(connection, whole(connection), condition, asked, offset)
    rows = msgspec.json.decode(listing.page(connection, condition, asked, 5, offset))
    return [row["id"] for row in rows]


def change(connection: Connection, choice: random.Random, turn: int) -> None:
    """Somebody uploads, deletes, restores, renames, moves or removes an image."""
    some = choice.randint(1, 2 * NUMBER)
    of_it = images.c.id == some
    match choice.randrange(6):
        case 0:
            connection.execute(insert(images).values(image(10_000 + 2 * turn)))
        case 1:
            connection.execute(update(images).where(of_it).values(deleted=True))
        case 2:
            connection.execute(update(images).where(of_it).values(deleted=False))
        case 3:
            connection.execute(update(images).where(of_it).values(file_name="00 a.jpg"))
        case 4:
            connection.execute(update(images).where(of_it).values(dataset_id=2))
        case _:
            connection.execute(delete(images).where(of_it))


def test_pages_are_the_same(store: Store) -> None:
    """From every offset, in every order, whatever changed in between."""
    kept, choice = Milestones(), random.Random(5)
    for turn in range(25):
        with store.read() as connection:
            for order in ORDERS:
                for _ in range(4):
                    offset = choice.randrange(whole(connection).total)
                    assert ids(connection, order, offset, kept) == ids(connection, order, offset)
        with store.write() as connection:
            change(connection, choice, turn)


def test_a_reader_of_before(store: Store) -> None:
    """Somebody who still reads what was there before sees it, and spoils nothing for the others."""
    kept = Milestones()
    with store.read() as early:
        first = ids(early, "file_name", 200)
        with store.write() as connection:
            connection.execute(delete(images).where(images.c.file_name < "20"))
        with store.read() as late:
            second = ids(late, "file_name", 100)
            assert ids(late, "file_name", 100, kept) == second
            assert ids(early, "file_name", 200, kept) == first
            assert ids(late, "file_name", 100, kept) == second


def test_what_is_annotated_moves_nothing(store: Store) -> None:
    """People at work on the images leave the milestones as they are."""
    with store.read() as connection:
        before = whole(connection)
    with store.write() as connection:
        connection.execute(update(images).values(annotated=True, num_annotations=1))
    with store.read() as connection:
        assert whole(connection) == before


@pytest.mark.parametrize("order", ["id", "-file_name"])
def test_what_is_walked_over(store: Store, order: str) -> None:
    """Once a place is known, no later request walks over more than a stride."""
    kept, offsets = Milestones(), []

    def note(
        _conn: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        if "OFFSET" in statement:
            offsets.append(parameters)

    with store.read() as connection:
        for offset in range(0, NUMBER - 5, 3):
            ids(connection, order, offset, kept)
        condition, asked = listing.living(1, true()), Order.of(order)
        found = [
            kept.near(connection, whole(connection), condition, asked, offset)[1]
            for offset in range(NUMBER - 5)
        ]
        event.listen(store.engine, "before_cursor_execute", note)
        try:
            kept.near(connection, whole(connection), condition, asked, NUMBER // 2)
        finally:
            event.remove(store.engine, "before_cursor_execute", note)
    assert max(found) < milestones.STRIDE
    assert offsets == []
