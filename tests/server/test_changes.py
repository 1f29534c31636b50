"""The change feed: everything shows, in the order of the commits, and nothing is skipped."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psycopg
import pytest
from sqlalchemy import Integer, Table, Text, delete, insert, select, update

from coir.server import followers
from coir.server.routes.changes import DEFAULT_LIMIT, MOST, MOST_SECONDS
from coir.server.store import changes as feed
from coir.server.store.changes import Place as Position
from coir.server.store.engine import Store, now_ms
from coir.server.store.migration import migrate
from coir.server.store.tables import annotations, categories, changes, datasets, images, users

from .databases import Place, Postgres
from .running import Running, created, job_of, picture, scanned, uploaded

Entry = tuple[str, str, int]


class Following:
    """A follower of one dataset."""

    def __init__(self, client: httpx.Client, dataset: int, cursor: str | None = None) -> None:
        self.client, self.path = client, f"/api/dataset/{dataset}/changes"
        self.cursor = cursor or self.asked()["cursor"]

    def asked(self, **parameters: Any) -> dict[str, Any]:
        answer = self.client.get(self.path, params=parameters)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert list(body) == ["changes", "query", "cursor", "more"]
        assert body["query"] == {name: str(value) for name, value in parameters.items()}
        return body

    def next(self, **parameters: Any) -> list[dict[str, Any]]:
        """What is new, all of it."""
        found: list[dict[str, Any]] = []
        more = True
        while more:
            body = self.asked(since=self.cursor, **parameters)
            self.cursor, more = body["cursor"], body["more"]
            found += body["changes"]
        return found

    def entries(self) -> list[Entry]:
        """What is new, without its moment."""
        return [(one["kind"], one["change"], one["id"]) for one in self.next()]


@pytest.fixture(scope="module")
def server(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose categories nobody else's annotations have."""
    running = Running(place.data(tmp_path_factory.mktemp("changes") / "data"))
    running.user("admin")
    yield running
    code, _, err = running.end()
    assert code == 0
    assert "Traceback" not in err, err


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


def done(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_everything_that_is_edited_shows(server: Running, admin: httpx.Client) -> None:
    """Each request that changes an image, an annotation or a category of the dataset has its
    entries, and one that changes none has no entry."""
    dataset = created(admin, "edited", categories=["one thing"])
    follower = Following(admin, dataset)
    assert follower.entries() == []

    image = done(uploaded(admin, dataset, "a.jpg"))
    assert follower.entries() == [("image", "created", image)]

    (server.directory("edited") / "b.jpg").write_bytes(
        (server.directory("edited") / "a.jpg").read_bytes()
    )
    scanned(admin, dataset)
    ((kind, change, other),) = follower.entries()
    assert (kind, change) == ("image", "created")

    (category,) = done(admin.get(f"/api/dataset/{dataset}/data"))["dataset"]["categories"]
    given = {"image_id": image, "category_id": category, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    mark = done(admin.post("/api/annotation/", json=given))["id"]
    assert follower.entries() == [("annotation", "created", mark), ("image", "changed", image)]
    done(admin.put(f"/api/annotation/{mark}", json={"category_id": category, "color": "#123456"}))
    assert follower.entries() == [("annotation", "changed", mark)]
    done(admin.put(f"/api/annotation/{mark}", json={"category_id": category, "color": "#123456"}))
    assert follower.entries() == []

    done(admin.post(f"/api/image/copy/{image}/{other}/annotations", json={}))
    ((_, change, copy), last) = follower.entries()
    assert (change, last) == ("created", ("image", "changed", other))

    drawn = {"id": mark, "metadata": {"seen": "yes"}}
    page = {
        "image": {"id": image, "metadata": {"k": 1}},
        "categories": [{"id": category, "color": "#abcdef", "annotations": [drawn]}],
    }
    done(admin.post("/api/annotator/data", json=page))
    assert follower.entries() == [
        ("category", "changed", category),
        ("annotation", "changed", mark),
        ("image", "changed", image),
    ]

    for thing, number in (("annotation", mark), ("image", other), ("category", category)):
        counted = [("image", "changed", image)] if thing == "annotation" else []
        done(admin.delete(f"/api/{thing}/{number}"))
        assert follower.entries() == [(thing, "deleted", number), *counted]
        done(admin.post("/api/undo/", params={"id": number, "instance": thing}))
        assert follower.entries() == [(thing, "restored", number), *counted]
    done(admin.put(f"/api/category/{category}", json={"name": "another name"}))
    assert follower.entries() == [("category", "changed", category)]

    done(admin.post(f"/api/dataset/{dataset}", json={"default_annotation_metadata": {"n": "m"}}))
    assert follower.entries() == []
    done(admin.get(f"/api/dataset/{dataset}/reset/metadata"))
    assert set(follower.entries()) == {
        ("annotation", "changed", mark),
        ("annotation", "changed", copy),
        ("image", "changed", image),
    }

    content = (
        '{"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "new"}],'
        '"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]}'
    )
    file = {"coco": ("x.json", content, "application/json")}
    job_of(admin, admin.post(f"/api/dataset/{dataset}/coco", files=file))
    found = follower.entries()
    assert [one[:2] for one in found] == [
        ("category", "created"),
        ("annotation", "created"),
        ("image", "changed"),
    ]
    new = found[0][2]

    done(admin.delete(f"/api/annotation/{copy}"))
    follower.entries()
    done(admin.delete("/api/undo/", params={"id": copy, "instance": "annotation"}))
    assert follower.entries() == [("annotation", "removed", copy)]
    done(admin.delete(f"/api/image/{image}"))
    follower.entries()
    done(admin.delete("/api/undo/", params={"id": image, "instance": "image"}))
    assert follower.entries()[-1] == ("image", "removed", image)
    done(admin.post(f"/api/dataset/{dataset}", json={"categories": ["another name"]}))
    assert follower.entries() == [("category", "removed", new)]
    done(admin.delete(f"/api/category/{category}"))
    follower.entries()
    done(admin.delete("/api/undo/", params={"id": category, "instance": "category"}))
    assert follower.entries() == [("category", "removed", category)]


def test_an_entry_says_when_and_where(admin: httpx.Client) -> None:
    """An entry has its moment, and of an annotation the image."""
    dataset = created(admin, "said")
    follower = Following(admin, dataset)
    image = done(uploaded(admin, dataset, "a.jpg"))
    mark = done(admin.post("/api/annotation/", json={"image_id": image}))["id"]
    first, second, _ = follower.next()
    moment = first.pop("at")["$date"]
    assert abs(moment - now_ms()) < 60_000
    assert first == {"kind": "image", "id": image, "change": "created"}
    assert second.pop("at")["$date"] >= moment
    assert second == {
        "kind": "annotation",
        "id": mark,
        "change": "created",
        "image_id": image,
    }


def test_others_changes_do_not_show(server: Running, admin: httpx.Client) -> None:
    """A feed is of one dataset, for those who see it."""
    mine, other = created(admin, "mine only"), created(admin, "not mine")
    follower = Following(admin, mine)
    uploaded(admin, other, "a.jpg")
    assert follower.entries() == []
    bob = server.user("bob")
    for path in (follower.path, f"{follower.path}?since={follower.cursor}"):
        assert bob.get(path).status_code == 404
        assert bob.get(path).content == bob.get("/api/dataset/999/changes").content
    admin.delete(f"/api/dataset/{mine}")
    assert admin.get(follower.path).status_code == 404
    admin.post("/api/undo/", params={"id": mine, "instance": "dataset"})
    image = done(uploaded(admin, mine, "a.jpg"))
    assert follower.entries() == [("image", "created", image)]


def test_pages_join_without_a_seam(admin: httpx.Client) -> None:
    """However small the pages, all entries come once, in their order."""
    dataset = created(admin, "paged")
    small, large = Following(admin, dataset), Following(admin, dataset)
    made = [done(uploaded(admin, dataset, f"{number}.jpg")) for number in range(7)]
    assert [one["id"] for one in small.next(limit=2)] == made
    assert [one["id"] for one in large.next(limit=7)] == made
    assert small.entries() == large.entries() == []


ROUNDS = 5


class Timed:
    """Somebody who changes a dataset, and notes when each entry was asked for and answered."""

    def __init__(self, client: httpx.Client, dataset: int, image: int, name: str) -> None:
        self.client, self.dataset, self.image, self.name = client, dataset, image, name
        self.moments: dict[Entry, tuple[float, float]] = {}

    def work(self) -> None:
        for number in range(ROUNDS):
            given = {"image_id": self.image}
            mark = self._timed("annotation", "created", "POST", "annotation/", json=given)["id"]
            path, color = f"annotation/{mark}", {"color": "red"}
            self._timed("annotation", "changed", "PUT", path, mark, json=color)
            file = {"image": (f"{self.name} {number}.jpg", picture(), "image/jpeg")}
            where = f"image/?dataset_id={self.dataset}"
            self._timed("image", "created", "POST", where, files=file)
            self._timed("annotation", "deleted", "DELETE", path, mark)

    def _timed(
        self, kind: str, change: str, method: str, path: str, number: int = 0, **more: Any
    ) -> Any:
        asked = time.monotonic()
        body = done(self.client.request(method, f"/api/{path}", **more))
        made = body["id"] if kind == "annotation" and not number else body
        self.moments[kind, change, number or made] = (asked, time.monotonic())
        return body


def test_entries_are_in_the_order_of_the_commits(data: Path) -> None:
    """While many write at once through two servers, what was committed before another change was
    asked for stands before it, and what got a larger id behind what got a smaller one."""
    servers = [Running(data), Running(data)]
    admin = servers[0].user("admin")
    dataset = created(admin, "busy")
    image = done(uploaded(admin, dataset, "a.jpg"))
    follower = Following(servers[1].client(cookies=dict(admin.cookies)), dataset)
    afterwards = Following(admin, dataset, follower.cursor)
    writers = [
        Timed(servers[n % 2].client(cookies=dict(admin.cookies)), dataset, image, f"{n}")
        for n in range(6)
    ]
    threads = [threading.Thread(target=writer.work) for writer in writers]
    for thread in threads:
        thread.start()
    told: list[Entry] = []
    while any(thread.is_alive() for thread in threads):
        told += follower.entries()
    told += follower.entries()
    assert afterwards.entries() == told
    moments = {entry: when for writer in writers for entry, when in writer.moments.items()}
    told = [entry for entry in told if entry in moments]
    assert sorted(told) == sorted(moments)
    assert len(told) == 6 * ROUNDS * 4
    begun = 0.0
    for entry in told:
        asked, answered = moments[entry]
        assert answered > begun, f"{entry} stands behind what was asked for when it was there"
        begun = max(begun, asked)
    for kind in ("annotation", "image"):
        ids = [one for what, change, one in told if (what, change) == (kind, "created")]
        assert ids == sorted(ids)
    for server in servers:
        assert server.end() == (0, "", "")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"since": ""}, "cursor"),
        ({"since": "nonsense"}, "cursor"),
        ({"since": "é"}, "cursor"),
        ({"since": "YWJj"}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"wait": -1}, "wait"),
        ({"wait": 61}, "wait"),
        ({"sinse": "YWJj"}, "since"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    admin: httpx.Client, given: dict[str, Any], word: str
) -> None:
    """A cursor that is none, another's cursor, a limit or a time out of range: 400."""
    dataset = created(admin, f"refusing {next(NUMBERS)}")
    answer = admin.get(f"/api/dataset/{dataset}/changes", params=given)
    assert answer.status_code == 400
    assert word in answer.text
    another = created(admin, f"refusing {next(NUMBERS)}")
    theirs = Following(admin, another).cursor
    answer = admin.get(f"/api/dataset/{dataset}/changes", params={"since": theirs})
    assert answer.status_code == 400


NUMBERS = itertools.count()


def test_waiting_ends_with_the_first_change(admin: httpx.Client, server: Running) -> None:
    """Who waits is answered soon after a change, and without one when the time is over; those
    who wait take no thread from others."""
    dataset, quiet = created(admin, "awaited"), created(admin, "quiet")
    follower = Following(admin, dataset)
    started = time.monotonic()
    assert follower.next(wait=1) == []
    assert 1 <= time.monotonic() - started < 3

    results: list[list[int]] = []
    cookies = dict(admin.cookies)

    def wait() -> None:
        # More at a time than the server has threads.
        own = Following(server.client(cookies=cookies), dataset, follower.cursor)
        results.append([one["id"] for one in own.next(wait=30)])

    threads = [threading.Thread(target=wait) for _ in range(60)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    assert results == []
    started = time.monotonic()
    uploaded(admin, quiet, "a.jpg")
    image = done(uploaded(admin, dataset, "a.jpg"))
    assert time.monotonic() - started < 5
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 15
    assert results == [[image]] * 60


def test_nobody_waits_at_the_end(data: Path) -> None:
    """A server that is told to end answers those who wait, and ends at once."""
    server = Running(data)
    admin = server.user("admin")
    follower = Following(server.client(cookies=dict(admin.cookies)), created(admin, "d"))
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(follower.next(wait=60)))
    thread.start()
    time.sleep(1)
    started = time.monotonic()
    server._process.terminate()
    thread.join()
    assert found == [[]]
    assert server.end() == (0, "", "")
    assert time.monotonic() - started < 8


def test_cursors_survive_kills(data: Path) -> None:
    """A server is killed again and again while images come; a follower that goes on with its
    cursor sees every image that the server confirmed or has, once."""
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "killed")
    follower = Following(admin, dataset)
    confirmed: list[int] = []
    seen: list[int] = []
    for turn in range(3):
        stop = threading.Event()

        def write(server: Running = server, stop: threading.Event = stop, turn: int = turn) -> None:
            with httpx.Client(
                base_url=server.url, cookies=dict(admin.cookies), timeout=30, verify=False
            ) as client:
                for number in itertools.count():
                    if stop.is_set():
                        return
                    try:
                        answer = uploaded(client, dataset, f"{turn}-{number}.jpg")
                    except httpx.TransportError:
                        return
                    confirmed.append(answer.json())

        thread = threading.Thread(target=write)
        thread.start()
        before, deadline = len(confirmed), time.monotonic() + 60
        while len(confirmed) < before + 3 and time.monotonic() < deadline:
            seen += [one["id"] for one in follower.next(limit=3)]
        server.kill()
        stop.set()
        thread.join()
        server = Running(data)
        client = server.client(cookies=dict(admin.cookies))
        follower = Following(client, dataset, follower.cursor)
    seen += [one["id"] for one in follower.next()]
    there = client.get(f"/api/dataset/{dataset}/ids").json()["ids"]
    assert seen == there
    assert set(confirmed) <= set(seen)
    assert len(confirmed) > 5
    assert server.end()[0] == 0


class Short(Running):
    """A server that keeps few entries, and looks for old ones often."""

    @staticmethod
    def prepare() -> None:
        feed.MOST, feed.BATCH, followers.PRUNE_SECONDS = 20, 7, 0.1


def test_expired_cursors_are_told(data: Path) -> None:
    """410 for a cursor whose entries are gone; one that is used again and again does not
    expire, also when nothing happens in its dataset."""
    server = Short(data)
    admin = server.user("admin")
    dataset, busy = created(admin, "quiet"), created(admin, "busy")
    old, kept = Following(admin, dataset), Following(admin, dataset)
    for number in range(60):
        uploaded(admin, busy, f"{number}.jpg")
        assert kept.next() == []
    deadline = time.monotonic() + 20
    while (answer := admin.get(old.path, params={"since": old.cursor})).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer.status_code == 410
    assert "Read everything again" in answer.json()["message"]
    with server.database() as database:
        while database.execute("SELECT count(*) FROM changes").fetchone()[0] > 20:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    image = done(uploaded(admin, dataset, "x.jpg"))
    assert kept.entries() == [("image", "created", image)]
    code, _, err = server.end()
    assert (code, err) == (0, "")


PAGE = (Path(__file__).parents[2] / "docs" / "changes.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_follows(data: Path) -> None:
    """The program in docs/changes.md prints what happens."""
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "followed")
    example = PAGE.split("```text\n")[1].split("```")[0]
    example = example.replace("http://localhost:5000", server.url).replace("/1/", f"/{dataset}/")
    with subprocess.Popen(
        [sys.executable, "-u", "-c", f"password = 'admin-pw'\n{example}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.append(program.stdout.readline()))
        reader.start()
        images = []
        while reader.is_alive() and len(images) < 300:
            images.append(done(uploaded(admin, dataset, f"{len(images)}.jpg")))
            reader.join(0.1)
        program.terminate()
    assert lines[0] in [f"created image {image}\n" for image in images]
    assert server.end()[0] == 0


def test_the_page_has_the_limits() -> None:
    """What docs/changes.md says of numbers is what the server does."""
    assert f"kept for {feed.KEPT_DAYS} days" in PAGE
    assert feed.MOST == 1_000_000
    assert "at most a million" in PAGE
    assert f"1 to {MOST:,}; {DEFAULT_LIMIT:,} without it" in PAGE
    assert f"0 to {MOST_SECONDS}:" in PAGE


def filled(where: Path | str) -> Store:
    """A store with a user, a category, two datasets, two images and two annotations, all of the
    numbers 1 and 2."""
    opened = Store(where)
    migrate(opened)
    feed.begin(opened)
    with opened.write() as connection:
        named = {"oid": "0", "username": "m", "username_folded": "m", "password_hash": ""}
        connection.execute(insert(users).values(id=1, created_at=0, **named))
        row = {"id": 1, "name": "c", "creator_id": 1, "created_at": 0}
        connection.execute(insert(categories).values(row))
        for number in (1, 2):
            row = {"id": number, "name": str(number), "owner_id": 1, "created_at": 0}
            connection.execute(insert(datasets).values(row | {"categories": [1]}))
            row = {"path": str(number), "file_name": "x", "width": 1, "height": 1, "created_at": 0}
            connection.execute(insert(images).values(row | {"id": number, "dataset_id": 1}))
            row = {"id": number, "image_id": 1, "dataset_id": 1, "creator_id": 1, "created_at": 0}
            connection.execute(insert(annotations).values(row))
    return opened


@pytest.fixture
def store(place: Place, tmp_path: Path) -> Iterator[Store]:
    """A filled store."""
    opened = filled(place.where(tmp_path))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_store(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A filled store for tests that change one column each."""
    opened = filled(place.where(tmp_path_factory.mktemp("columns")))
    yield opened
    opened.close()


def noted(store: Store, dataset: int, start: Position) -> list[Entry]:
    """The entries of a dataset behind a place."""
    with store.read() as connection:
        end = feed.extent(connection).end
        rows = feed.between(connection, dataset, start, end, 1000)
    return [(row.kind, row.change, row.item_id) for row in rows]


def end_of(store: Store) -> Position:
    with store.read() as connection:
        return feed.extent(connection).end


COLUMNS = [
    (table, column.name)
    for table in (images, annotations, categories)
    for column in table.columns
    if column.name not in ("id", "dataset_id", "deleted")
]


@pytest.mark.parametrize(("table", "name"), COLUMNS, ids=str)
def test_no_column_is_forgotten(shared_store: Store, table: Table, name: str) -> None:
    """A change of any column is noted, and writing what is there already is not."""
    store = shared_store
    kind = {"images": "image", "annotations": "annotation", "categories": "category"}[table.name]
    column = table.c[name]
    with store.read() as connection:
        present = connection.execute(select(column).where(table.c.id == 1)).scalar()
    value: Any = [1, "x"]
    if name == "image_id":
        value = 2
    elif isinstance(column.type, Text):
        value = "another"
    elif isinstance(present, bool):
        value = not present
    elif column.foreign_keys:
        value = present
    elif isinstance(column.type, Integer) or column.type.python_type in (int, float):
        value = 77
    start = end_of(store)
    for _ in range(2):
        with store.write() as connection:
            connection.execute(update(table).where(table.c.id == 1).values({name: value}))
    expected = [] if column.foreign_keys and value == present else [(kind, "changed", 1)]
    assert noted(store, 1, start) == expected


def test_rows_that_go_with_their_dataset_leave_no_entries(store: Store) -> None:
    """Of a dataset that is removed for good nothing is kept, and of no other anything is lost."""
    start = Position(0, 0)
    assert len(noted(store, 1, start)) == 5
    with store.write() as connection:
        connection.execute(update(datasets).where(datasets.c.id == 1).values(deleted=True))
        for table in (annotations, images):
            connection.execute(delete(table).where(table.c.dataset_id == 1))
        connection.execute(delete(datasets).where(datasets.c.id == 1))
    assert noted(store, 1, start) == []
    assert noted(store, 2, start) == [("category", "created", 1)]


def test_copies_in_another_database_begin_anew(store: Store) -> None:
    """Cursors of a database whose entries cannot be its own are told to have expired."""
    with store.read() as connection:
        before = feed.extent(connection).key
    feed.begin(store)
    with store.read() as connection:
        assert feed.extent(connection).key == before
    with store.write() as connection:
        connection.execute(update(changes).values(xid=changes.c.xid + 2**40))
    feed.begin(store)
    with store.read() as connection:
        assert feed.extent(connection).key != before
    assert noted(store, 1, Position(0, 0)) == []


class Interleaved:
    """Transactions of programs that take no turn, as they come, over one PostgreSQL."""

    def __init__(self, url: str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.free = [psycopg.connect(url) for _ in range(5)]
        self.writing: list[psycopg.Connection[Any]] = []
        self.made: list[int] = []

    def step(self) -> None:
        """Somebody inserts an image, or commits, or takes it back.

        A deleted one, so that they do not wait for each other to count it.
        """
        if self.free and self.chance.random() < 0.5:
            self.writing.append(self.free.pop())
        if self.writing and self.chance.random() < 0.7:
            one = self.chance.choice(self.writing)
            row = one.execute(
                "INSERT INTO images (dataset_id, path, file_name, width, height, annotated,"
                " num_annotations, category_ids, metadata, milliseconds, events,"
                " regenerate_thumbnail, created_at, deleted) VALUES (1, gen_random_uuid(), '', 1,"
                " 1, false, 0, '[]', '{}', 0, '[]', false, 0, true) RETURNING id"
            ).fetchone()
            assert row is not None
            self.made.append(row[0])
        elif self.writing:
            one = self.chance.choice(self.writing)
            self.writing.remove(one)
            (one.rollback if self.chance.random() < 0.2 else one.commit)()
            self.free.append(one)

    def end(self) -> None:
        for one in self.writing:
            one.commit()
        for one in (*self.free, *self.writing):
            one.close()


def test_what_commits_late_is_not_skipped(postgres: Postgres, tmp_path: Path) -> None:
    """While transactions overlap in every way, a follower sees each committed image exactly
    once; one that goes by the numbers of the entries alone skips some."""
    url = postgres.made()
    store = Store(url)
    migrate(store)
    feed.begin(store)
    with store.write() as connection:
        named = {"oid": "0", "username": "m", "username_folded": "m", "password_hash": ""}
        connection.execute(insert(users).values(id=1, created_at=0, **named))
        connection.execute(insert(datasets).values(id=1, name="d", owner_id=1, created_at=0))
    right: list[int] = []
    naive: list[int] = []
    place, number = end_of(store), 0

    def follow() -> None:
        nonlocal place, number
        with store.read() as connection:
            end = feed.extent(connection).end
            rows = feed.between(connection, 1, place, end, 10_000)
            right.extend(row.item_id for row in rows)
            place = end
            asked = select(changes).where(changes.c.seq > number).order_by(changes.c.seq)
            for row in connection.execute(asked):
                naive.append(row.item_id)
                number = row.seq

    writers = Interleaved(url, seed=5)
    for _ in range(600):
        writers.step()
        follow()
    writers.end()
    follow()
    with store.read() as connection:
        there = set(connection.execute(select(images.c.id)).scalars())
    store.close()
    assert len(right) == len(set(right))
    assert set(right) == there
    assert len(there) > 100
    assert set(naive) < there
