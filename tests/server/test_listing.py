"""Pages of a dataset: total orders, windows, and filters against a model of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx2 as httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from coir.server.filters import FilterError, parse
from coir.server.settings import Settings
from coir.server.store import listing
from coir.server.store.conditions import where
from coir.server.store.engine import Store
from coir.server.store.listing import Order, Texts
from coir.server.store.migration import migrate
from coir.server.store.tables import annotations, datasets, images, users

from .databases import Place
from .running import Running, created, uploaded

NUMBER = 300
FOLDERS, NAMES = 12, 25  # the same names in every folder, as people's datasets have them


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(server: Running, admin: httpx.Client) -> int:
    """A dataset of images whose names are in every folder; among them ids of another."""
    mine, other = created(admin, "mine"), created(admin, "other")
    with server.database() as database:
        database.execute("BEGIN")
        for number in range(NUMBER):
            for owner, name in ((mine, "mine"), (other, "other")):
                file = f"img_{number % NAMES:02d}.jpg"
                database.execute(
                    "INSERT INTO images (dataset_id, path, file_name, width, height, annotated,"
                    " num_annotations, category_ids, metadata, milliseconds, events,"
                    " regenerate_thumbnail, created_at, deleted) VALUES"
                    " (?, ?, ?, ?, 64, ?, ?, '[]', '{}', 0, '[]', false, 0, ?)",
                    (
                        *(owner, f"/datasets/{name}/f{number % FOLDERS}-{number}/{file}", file),
                        *(90 + number % 3, number % 2 == 1, number % 2, number % 10 == 9),
                    ),
                )
        database.execute("COMMIT")
    return mine


def read(client: httpx.Client, dataset: int, **parameters: Any) -> dict[str, Any]:
    answer = client.get(f"/api/dataset/{dataset}/data", params=parameters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def ids(page: dict[str, Any]) -> list[int]:
    return [image["id"] for image in page["images"]]


@pytest.mark.parametrize("sign", ["", "-", "+"])
@pytest.mark.parametrize("field", [*sorted(listing.ORDERED), "pk", "_id", "nonsense", "metadata"])
def test_every_order_is_total(admin: httpx.Client, dataset: int, field: str, sign: str) -> None:
    """Page after page finds every image exactly once, in the same order as one large page."""
    order = sign + field
    whole = read(admin, dataset, order=order, limit=10**6)
    assert len(set(ids(whole))) == whole["total"] == NUMBER * 9 // 10
    paged: list[int] = []
    for page in range(1, whole["total"] // 33 + 2):
        paged += ids(read(admin, dataset, order=order, limit=33, page=page))
    assert paged == ids(whole)


def test_ties_are_broken_by_id(admin: httpx.Client, dataset: int) -> None:
    """Equal names are in the order of their ids; descending is exactly the reverse."""
    rows = read(admin, dataset, limit=1000)["images"]
    assert rows == sorted(rows, key=lambda row: (row["file_name"], row["id"]))
    assert rows[::-1] == read(admin, dataset, limit=1000, order="-file_name")["images"]


@pytest.mark.parametrize("width", [1, 7, 100, 10_000])
def test_windows_make_up_the_dataset(admin: httpx.Client, dataset: int, width: int) -> None:
    """Windows of any width, side by side, are the dataset; each says how many rows it has."""
    whole = ids(read(admin, dataset, order="id", limit=10**6))
    found: list[int] = []
    start = 1 if width > 1 else whole[-1] - 30
    for low in range(start, whole[-1] + 1, width):
        window = {"id__gte": low, "id__lt": low + width}
        page = read(admin, dataset, order="id", limit=width, **window)
        assert page["total"] == len(page["images"])
        found += ids(page)
    assert found == [number for number in whole if number >= start]


def test_keyset_pages_make_up_the_dataset(admin: httpx.Client, dataset: int) -> None:
    """Following the last id reads everything, and the total falls by what was read."""
    last, found = 0, []
    while rows := ids(page := read(admin, dataset, order="id", id__gt=last, limit=41)):
        assert page["total"] == NUMBER * 9 // 10 - len(found)
        found += rows
        last = rows[-1]
    assert found == ids(read(admin, dataset, order="id", limit=10**6))


def test_page_beyond_the_end_is_empty(admin: httpx.Client, dataset: int) -> None:
    """Also when the number of the page times the limit is beyond 64 bits."""
    for page, limit in ((99, 20), (2**62, 2**62), (2**63 - 1, 2**63 - 1)):
        assert read(admin, dataset, page=page, limit=limit)["images"] == []


@dataclass(frozen=True)
class Row:
    """An image of the model."""

    id: int
    file_name: str
    path: str
    width: int
    annotated: bool
    num_annotations: int
    license: int | None
    category_ids: frozenset[int]


FIVE = ("id", "file_name", "annotated", "annotating", "num_annotations")
MORE = ("path", "width", "height", "category_ids")
SIZES = st.sampled_from([1, 2, 3, 100])

# Letters whose cases differ in length or beyond ASCII, and what LIKE and GLOB would take apart.
ALPHABET = "aAbÄäßI\u0131İ_%*?[]\\' "
ROWS = [
    Row(
        id=number,
        file_name=(name := f"{first}{second}{'' if number % 7 else 'x'}.jpg"),
        path=f"/datasets/m/{number}/{name}",
        width=90 + number % 5,
        annotated=bool(number % 3),
        num_annotations=number % 3,
        license=None if number % 2 else number % 4,
        category_ids=frozenset(range(1, 1 + number % 3)),
    )
    for number, (first, second) in enumerate(((a, b) for a in ALPHABET for b in ALPHABET), start=1)
]


@pytest.fixture(scope="module")
def store(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the rows of the model."""
    store = Store(place.where(tmp_path_factory.mktemp("store")))
    migrate(store)
    with store.write() as connection:
        named = {"oid": "0", "username": "m", "username_folded": "m", "password_hash": ""}
        connection.execute(insert(users).values(id=1, created_at=0, **named))
        connection.execute(insert(datasets).values(id=1, name="m", owner_id=1, created_at=0))
        for row in ROWS:
            values = {name: getattr(row, name) for name in Row.__annotations__}
            values["category_ids"] = sorted(row.category_ids)
            connection.execute(
                insert(images).values(**values, dataset_id=1, height=1, created_at=0)
            )
            for category in row.category_ids:
                mark = {"image_id": row.id, "dataset_id": 1, "creator_id": 1, "created_at": 0}
                connection.execute(insert(annotations).values(category_id=category, **mark))
    yield store
    store.close()


MODEL: dict[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "eq": operator.eq,
    "exact": operator.eq,
    "ne": operator.ne,
    "in": operator.eq,
    "nin": operator.ne,
    "gt": lambda have, asked: have is not None and have > asked,
    "gte": lambda have, asked: have is not None and have >= asked,
    "lt": lambda have, asked: have is not None and have < asked,
    "lte": lambda have, asked: have is not None and have <= asked,
    "contains": lambda have, asked: asked in have,
    "startswith": lambda have, asked: have.startswith(asked),
    "endswith": lambda have, asked: have.endswith(asked),
    "iexact": lambda have, asked: have.lower() == asked.lower(),
    "icontains": lambda have, asked: asked.lower() in have.lower(),
    "istartswith": lambda have, asked: have.lower().startswith(asked.lower()),
    "iendswith": lambda have, asked: have.lower().endswith(asked.lower()),
}
COMPARING = ["", "eq", "exact", "ne", "in", "nin", "gt", "gte", "lt", "lte"]
TEXTUAL = [name for name in MODEL if name not in COMPARING]

FIELD = {
    "id": (COMPARING, st.integers(0, len(ROWS) + 1)),
    "pk": (COMPARING, st.integers(0, len(ROWS) + 1)),
    "width": (COMPARING, st.integers(88, 96)),
    "license": (COMPARING, st.integers(0, 4)),
    "num_annotations": (COMPARING, st.integers(0, 4)),
    "annotated": (["", "eq", "exact", "ne", "in", "nin"], st.booleans()),
    "file_name": (COMPARING + TEXTUAL, st.text(ALPHABET + ".jpg", min_size=1, max_size=4)),
    "path": (COMPARING + TEXTUAL, st.text(ALPHABET + "/0123", min_size=1, max_size=3)),
}


@st.composite
def asked_filters(draw: st.DrawFn) -> dict[str, tuple[str, str, Any]]:
    """Query names with the field, the operator and the value that they mean."""
    found = {}
    for _ in range(draw(st.integers(1, 3))):
        field = draw(st.sampled_from(sorted(FIELD)))
        operators, values = FIELD[field]
        chosen = draw(st.sampled_from(operators))
        name = f"{field}__{chosen}" if chosen else field
        found[name] = ("id" if field == "pk" else field, chosen, draw(values))
    return found


@given(asked=asked_filters())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_filters_select_what_the_model_selects(
    store: Store, asked: dict[str, tuple[str, str, Any]]
) -> None:
    """Any conjunction of filters selects exactly the rows that Python selects."""
    conditions = parse({name: str(value) for name, (_, _, value) in asked.items()})
    expected = [
        row.id
        for row in ROWS
        if all(MODEL[name](getattr(row, field), value) for field, name, value in asked.values())
    ]
    assert selected(store, where(conditions)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"category_ids__in": "2"}, lambda row: 2 in row.category_ids or not row.annotated),
        (
            {"category_ids__in": "1,2", "annotated": "true"},
            lambda row: row.annotated and bool(row.category_ids),
        ),
        ({"category_ids__in": "2", "annotated": "false"}, lambda row: not row.annotated),
        ({"category_ids__in": ""}, lambda _: True),
        ({"category_ids": "2"}, lambda row: 2 in row.category_ids),
        ({"category_ids__ne": "2"}, lambda row: 2 not in row.category_ids),
        ({"category_ids__nin": "1,2"}, lambda row: not row.category_ids),
        ({"license__exists": "true"}, lambda row: row.license is not None),
        ({"license__exists": "false"}, lambda row: row.license is None),
        ({"nosuch": ""}, lambda _: True),
        ({"deleted": "true"}, lambda _: False),
        ({"dataset_id": "2"}, lambda _: False),
        # What the original's page sends when neither kind of images is to be shown.
        ({"annotated": " "}, lambda _: False),
        ({"annotated": " ", "category_ids__in": "2"}, lambda _: False),
    ],
)
def test_rules_of_their_own(
    store: Store, asked: dict[str, str], expected: Callable[[Row], bool]
) -> None:
    """Categories follow the recorded rule; an empty value is no filter."""
    assert selected(store, where(parse(asked))) == [row.id for row in ROWS if expected(row)]


def selected(store: Store, condition: Any) -> list[int]:
    """The ids that a condition selects, and a check that the count agrees."""
    condition = listing.living(1, condition)
    with store.read() as connection:
        rows = msgspec.json.decode(listing.page(connection, condition, Order.of("id"), 10**6, 0))
        assert listing.count(connection, condition) == len(rows)
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    "name",
    [
        *["nosuch", "nosuch__gt", "_", "__", "__raw__", "id__", "__gt", "per_page", "id__gt__lt"],
        *["id__regex", "id__contains", "annotated__gt", "metadata", "events", "category_ids__gt"],
    ],
)
def test_unknown_filters_are_errors(name: str) -> None:
    """A field or an operator that does not exist is an error with the parameter's name."""
    with pytest.raises(FilterError) as caught:
        parse({name: "1"})
    assert set(caught.value.errors) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("id__gt", text) for text in ("abc", "1.5", "1e3", "true", str(2**63), "9" * 5000)],
        *[("annotated", text) for text in ("0", "1", "yes", "xyz")],
        *[("id__in", "1,2,3"), ("category_ids__in", "1,x"), ("file_name", "a\0b")],
    ],
)
def test_values_that_mean_nothing_are_errors(name: str, value: str) -> None:
    """A value that cannot be understood is an error, never an empty page."""
    with pytest.raises(FilterError):
        parse({name: value})


def test_errors_name_every_wrong_parameter(admin: httpx.Client, dataset: int) -> None:
    """One answer says what is wrong with each filter."""
    answer = admin.get(f"/api/dataset/{dataset}/data?nosuch=1&id__gt=abc&annotated=true")
    assert answer.status_code == 400
    assert answer.json()["message"] == "Input payload validation failed"
    assert set(answer.json()["errors"]) == {"nosuch", "id__gt"}


# What JSON escapes, what only some writers of it escape, and what is long in UTF-8. No file's name
# has a NUL.
NASTY = st.text(
    st.sampled_from("\"\\/'\x01\x08\t\n\x0b\x0c\r\x1f\x7f\x80\u2028\u2029\ufeff\uffff{}[],:%?")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=12,
)


class FullImage(msgspec.Struct):
    """An image with every field, as msgspec writes it."""

    id: int
    file_name: str
    annotated: bool
    annotating: tuple[()]
    num_annotations: int
    path: str
    width: int
    height: int
    category_ids: list[int]


full_images = st.builds(
    FullImage,
    id=st.just(0),
    file_name=NASTY,
    annotated=st.booleans(),
    annotating=st.just(()),
    num_annotations=st.integers(0, 2**31),
    path=NASTY,
    width=st.integers(0, 2**31),
    height=st.integers(0, 2**31),
    category_ids=st.lists(st.integers(1, 2**40), unique=True).map(sorted),
)


@given(rows=st.lists(full_images, max_size=9), fields=st.sets(st.sampled_from(MORE)), size=SIZES)
@settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck))
def test_text_of_a_page_is_what_msgspec_writes(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[FullImage],
    fields: set[str],
    size: int,
) -> None:
    """Byte for byte, whatever the names, with any further fields, and for texts of any length."""
    monkeypatch.setattr(listing, "_ROWS_IN_TEXT", size)
    monkeypatch.setattr(listing, "IDS_IN_TEXT", size)
    monkeypatch.setattr(listing, "ROWS_IN_TEXT", size)
    with store.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(insert(datasets).values(id=9, name="nasty", owner_id=1, created_at=0))
        for number, row in enumerate(rows):
            row.id = 10_000 + number * 3
            values = msgspec.structs.asdict(row) | {"path": f"{number} {row.path}"}
            del values["annotating"]
            row.path = values["path"]
            connection.execute(insert(images).values(**values, dataset_id=9, created_at=0))
        condition = listing.living(9, where(()))
        text = listing.page(connection, condition, Order.of("id"), 100, 0, fields=order_of(fields))
        part = listing.page(connection, condition, Order.of("-id"), 3, 2)
        by_id, lines = (
            [text for text, _ in texts.written(connection, condition, 0)]
            for texts in (Texts.of_ids(), Texts.of_images(order_of(fields), {}))
        )
        transaction.rollback()
    shown = [msgspec.structs.asdict(row) for row in rows]
    for image in shown:
        for name in set(MORE) - fields:
            del image[name]
    assert bytes(text) == msgspec.json.encode(shown)
    assert b",\n".join(lines) == b",\n".join(msgspec.json.encode(one) for one in shown)
    five = [{name: image[name] for name in FIVE} for image in shown]
    assert bytes(part) == msgspec.json.encode(five[::-1][2:5])
    assert b"[%b]" % b",".join(by_id) == msgspec.json.encode([row.id for row in rows])


def test_further_fields(server: Running, admin: httpx.Client, dataset: int) -> None:
    """`fields` adds what it names to each image of a page, always in the same order."""
    with server.database() as database:
        database.execute(
            "UPDATE images SET category_ids='[3, 11, 20]' WHERE dataset_id=? AND width=91",
            (dataset,),
        )
        asked = "SELECT path, width, height, CAST(category_ids AS text) FROM images WHERE id=?"
        plain = read(admin, dataset, order="id", limit=50)["images"]
        rows = {image["id"]: database.execute(asked, (image["id"],)).fetchone() for image in plain}
    full = read(admin, dataset, order="id", limit=50, fields="category_ids,width,path,height")
    assert [list(image) for image in full["images"]] == [[*FIVE, *MORE]] * 50
    for image, before in zip(full["images"], plain, strict=True):
        path, width, height, category_ids = rows[image["id"]]
        more = {"path": path, "width": width, "height": height}
        assert image == before | more | {"category_ids": msgspec.json.decode(category_ids)}
    assert {tuple(image["category_ids"]) for image in full["images"]} == {(), (3, 11, 20)}
    one = read(admin, dataset, limit=3, fields="height")["images"]
    assert [list(image) for image in one] == [[*FIVE, "height"]] * 3
    assert read(admin, dataset, limit=3, fields="") == read(admin, dataset, limit=3) | {
        "time_ms": ANY
    }


@pytest.mark.parametrize("fields", ["nosuch", "path,nosuch", "path,", "id", "deleted", " path"])
def test_unknown_fields_are_refused(admin: httpx.Client, dataset: int, fields: str) -> None:
    """A field that cannot be added is 400, with those that can be."""
    answer = admin.get(f"/api/dataset/{dataset}/data", params={"fields": fields})
    assert answer.status_code == 400
    assert "path, width, height, category_ids" in answer.json()["errors"]["fields"]


def test_annotating_makes_ascending_categories(admin: httpx.Client) -> None:
    """The categories of an image are those of its annotations, ascending, each once."""
    own = created(admin, "annotated")
    image = uploaded(admin, own, "x.jpg").json()
    for category in (9, 2, 2, 10):
        body = {"image_id": image, "category_id": category}
        assert admin.post("/api/annotation/", json=body).status_code == 200
    assert read(admin, own, fields="category_ids")["images"][0]["category_ids"] == [2, 9, 10]


def order_of(fields: set[str]) -> list[str]:
    return [name for name in MORE if name in fields]


def test_window_reads_only_its_index(tmp_path: Path) -> None:
    """A window is counted on an index alone, and its page needs no sorting, by SQLite.

    What PostgreSQL does depends on its statistics.
    """
    store = Store(Settings.of(tmp_path).store)
    migrate(store)
    window = listing.living(1, where(parse({"id__gte": "5", "id__lt": "9"})))
    with store.read() as connection:
        plans = []
        for order in ("id", "-id", "file_name", "-file_name", "path"):
            condition = window if order.endswith("id") else listing.living(1, where(()))
            plans.append(plan(connection, listing.page_query(condition, Order.of(order), 10, 0)))
        counted = plan(connection, listing.count_query(window))
    store.close()
    assert "COVERING INDEX ix_images_dataset_id_deleted_id" in counted
    assert "id>" in counted
    assert "id<" in counted
    assert not [text for text in plans if "TEMP B-TREE" in text]


def plan(connection: Any, query: Any) -> str:
    """How SQLite would answer a query."""
    text = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")
    return "; ".join(row[-1] for row in rows)
