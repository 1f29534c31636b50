"""The whole lists: of one instant under writers, bounded in time and memory, for who may see."""

from __future__ import annotations

import importlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coir.server.store import listing

from .databases import Place, Postgres, Statements
from .running import Running, created

NUMBER = 240_000
# Long ids make a long answer of few rows: more than the sockets of a loopback connection hold.
FIRST = 10**17
SECONDS = 6
IDS_IN_TEXT = 5_000
FIELDS = "path,width,height,category_ids,vanished"
LISTS = ("ids", "rows")


class Hurried(Running):
    """A server that gives little time to a whole list, and makes it in many texts."""

    @staticmethod
    def prepare() -> None:
        importlib.import_module("coir.server.snapshot").SECONDS = SECONDS  # type: ignore[attr-defined]
        listing.IDS_IN_TEXT = IDS_IN_TEXT


@pytest.fixture(scope="module")
def hurried(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hurried]:
    """A server with one large dataset, number 1."""
    running = Hurried(place.data(tmp_path_factory.mktemp("hurried") / "data"))
    created(running.user("admin"), "large")
    with running.database() as database:
        database.execute("BEGIN")
        insert(database, 1, "large", NUMBER, FIRST)
        database.execute("COMMIT")
    yield running
    running.end()


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


@pytest.fixture(scope="module")
def dataset(server: Running, admin: httpx.Client) -> int:
    """A dataset of images in folders, every seventh deleted, among those of another."""
    mine, other = created(admin, "ids"), created(admin, "other ids")
    with server.database() as database:
        database.execute("BEGIN")
        for number in range(0, 210, 3):
            insert(database, mine, "ids", 3, None, number)
            insert(database, other, "other ids", 3, None, number)
        database.execute(
            "UPDATE images SET deleted=true WHERE dataset_id=? AND id % 7 = 0", (mine,)
        )
        database.execute(
            "INSERT INTO annotations (image_id, dataset_id, category_id, segmentation, area, bbox,"
            " iscrowd, isbbox, creator_id, keypoints, metadata, paper_object, milliseconds,"
            " events, created_at, deleted) SELECT id, dataset_id, 1 + id % 4, '[]', 0, '[]',"
            " false, false, 1, '[]', '{}', '[]', 0, '[]', 0, false FROM images"
            " WHERE dataset_id=? AND annotated",
            (mine,),
        )
        database.execute("COMMIT")
    for folder in range(3):
        (server.directory("ids") / f"f{folder}").mkdir()
    return mine


def insert(
    database: Statements,
    dataset: int,
    name: str,
    count: int,
    first: int | None,
    skip: int = 0,
) -> None:
    """Images, the first with the id ``first``."""
    ids = ("", "") if first is None else ("id, ", f"{first} + i, ")
    database.execute(
        f"INSERT INTO images ({ids[0]}dataset_id, path, file_name, width, height, annotated,"
        " num_annotations, category_ids, metadata, milliseconds, events, regenerate_thumbnail,"
        " created_at, deleted)"
        " WITH RECURSIVE k(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM k WHERE i + 1 < ?)"
        f" SELECT {ids[1]}?, '/datasets/' || ? || '/f' || (i % 3) || '/' || i || '.jpg',"
        " i || '.jpg', 90 + i % 5, 64, i % 2 = 1, i % 2, '[]', '{}', 0, '[]', false, 0, false"
        " FROM k",
        (skip, skip + count, dataset, name),
    )


def asked(
    client: httpx.Client, dataset: int, word: str = "ids", **parameters: Any
) -> dict[str, Any]:
    answer = client.get(f"/api/dataset/{dataset}/{word}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert list(body) == ["total", "query", "ids" if word == "ids" else "images"]
    # It is repeated, so that a client sees when a proxy dropped a part of it.
    assert body.pop("query") == {name: str(value) for name, value in parameters.items()}
    return body


def test_feature_is_announced(server: Running) -> None:
    """Who asks what the server is learns of the whole lists and of the further fields."""
    features = server.client().get("/api/info/").json()["coir"]["features"]
    assert set(features) >= {"ids", "rows", "fields"}


@pytest.mark.parametrize(
    "parameters",
    [
        *[{}, {"annotated": "true"}, {"width__gte": 93}, {"file_name__contains": "9"}],
        *[{"folder": "f1"}, {"folder": "f2/", "annotated": "false"}, {"folder": "/"}],
        *[{"category_ids__in": "1,2"}, {"category_ids": 3, "annotated": "true"}],
        *[{"id__gt": 40}, {"id__gte": 40, "id__lt": 200}, {"id__gte": 60, "id__gt": 50}],
        *[{"id__lte": 77, "_id__gt": 20}, {"id__ne": 50}, {"id__gt": -(2**63) + 1}],
        *[{"id__gte": -(2**63) + 1}, {"id__gt": 2**63 - 1}, {"id__gte": 2**63 - 1}],
        *[{"id__lt": 1}, {"nosuch": ""}, {"deleted": "true"}, {"width": 1}],
    ],
)
def test_lists_are_those_of_data(
    admin: httpx.Client, dataset: int, parameters: dict[str, Any]
) -> None:
    """Folders and filters select the images, and their number, that they select in `/data`.

    The query is repeated in the answer: a client sees when a proxy dropped a part of it. The
    images are told as there, also with further fields.
    """
    asking = {"order": "id", "limit": 10**6, "fields": FIELDS, **parameters}
    page = admin.get(f"/api/dataset/{dataset}/data", params=asking).json()
    expected = [image["id"] for image in page["images"]]
    assert asked(admin, dataset, **parameters) == {"total": page["total"], "ids": expected}
    whole = asked(admin, dataset, "rows", fields=FIELDS, **parameters)
    assert whole == {"total": page["total"], "images": page["images"]}
    del asking["fields"]
    five = admin.get(f"/api/dataset/{dataset}/data", params=asking).json()["images"]
    assert asked(admin, dataset, "rows", **parameters)["images"] == five


def test_rows_stand_in_lines(admin: httpx.Client, dataset: int) -> None:
    """Each image has a line of its own, whatever its name: who reads a stream cuts it there."""
    text = admin.get(f"/api/dataset/{dataset}/rows").text
    head, *lines = text.removesuffix("]}").split(",\n")
    assert len(lines) + 1 == json.loads(text)["total"]
    assert [json.loads(line) for line in lines] == json.loads(text)["images"][1:]
    assert head.startswith('{"total":')


def test_who_annotates_is_told(server: Running, admin: httpx.Client, dataset: int) -> None:
    """The rows name those who annotate an image now, as the pages do."""
    first, second = asked(admin, dataset)["ids"][:2]
    with server.database() as database:
        database.execute(
            "INSERT INTO presence (connection, holder, dataset_id, image_id, user_id, since,"
            " expires_at) VALUES ('c', 'h', ?, ?, 1, 0, ?)",
            (dataset, first, 10**15),
        )
    try:
        rows = asked(admin, dataset, "rows", id__lte=second)["images"]
    finally:
        with server.database() as database:
            database.execute("DELETE FROM presence WHERE connection = 'c'")
    assert [one["annotating"] for one in rows] == [["admin"], []]


@pytest.mark.parametrize("fields", ["nosuch", "path,nosuch", "id"])
def test_unknown_fields_are_refused(admin: httpx.Client, dataset: int, fields: str) -> None:
    """As on `/data`, word for word."""
    answers = [
        admin.get(f"/api/dataset/{dataset}/{word}", params={"fields": fields})
        for word in ("rows", "data")
    ]
    assert answers[0].status_code == 400
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("ids", "fields"),
        *((word, one) for word in LISTS for one in ("page", "limit", "order", "cursor")),
    ],
)
def test_what_pages_take_does_not_belong_here(
    admin: httpx.Client, dataset: int, word: str, name: str
) -> None:
    """There are no pages of it: 400 that names the parameter, also without a value."""
    for value in ("1", ""):
        answer = admin.get(f"/api/dataset/{dataset}/{word}", params={name: value})
        assert answer.status_code == 400
        assert "does not belong here" in answer.json()["errors"][name]


@pytest.mark.parametrize("query", ["nosuch=1", "id__gt=x", "annotated=1", "folder=..", "folder=no"])
def test_mistakes_are_answered_as_data_answers_them(
    admin: httpx.Client, dataset: int, query: str
) -> None:
    """A filter or a folder that does not exist is the 400 of `/data`, word for word."""
    *answers, page = [
        admin.get(f"/api/dataset/{dataset}/{word}?{query}") for word in (*LISTS, "data")
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json() == page.json()


def test_only_who_sees_the_dataset_reads_its_lists(
    server: Running, admin: httpx.Client, dataset: int
) -> None:
    """Others get the answer of `/data`: 404, as for a dataset that is not there or deleted."""
    bob, deleted = server.user("bob"), created(admin, "deleted ids")
    admin.delete(f"/api/dataset/{deleted}")
    for client, number in ((bob, dataset), (bob, 10**6), (admin, deleted)):
        *answers, page = [client.get(f"/api/dataset/{number}/{word}") for word in (*LISTS, "data")]
        for answer in answers:
            assert answer.status_code == 404
            assert answer.json() == page.json()
    for word in LISTS:
        assert server.client().get(f"/api/dataset/{dataset}/{word}").status_code == 401
        admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]})
        assert asked(bob, dataset, word) == asked(admin, dataset, word)
        admin.post(f"/api/dataset/{dataset}/share", json={"users": []})
        assert bob.get(f"/api/dataset/{dataset}/{word}").status_code == 404


@pytest.mark.parametrize("word", LISTS)
def test_head_has_the_headers_alone(admin: httpx.Client, dataset: int, word: str) -> None:
    """HEAD answers as GET does, without the list; and what GET refuses, it refuses."""
    path = f"/api/dataset/{dataset}/{word}"
    head, got = admin.head(path), admin.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "transfer-encoding", "content-length"):
        assert head.headers.get(name) == got.headers.get(name)
    assert admin.head(path, params={"nosuch": "1"}).status_code == 400
    assert admin.get(path).json() == got.json()


@pytest.mark.parametrize(
    ("parameters", "low", "high"),
    [
        ({}, 0, NUMBER),
        ({"id__gte": FIRST}, 0, NUMBER),
        ({"id__gt": FIRST + 4999}, IDS_IN_TEXT, NUMBER),
        ({"id__gte": FIRST + 7, "id__lt": FIRST + 7 + IDS_IN_TEXT}, 7, 7 + IDS_IN_TEXT),
        ({"id__lt": FIRST + IDS_IN_TEXT - 1}, 0, IDS_IN_TEXT - 1),
        ({"id__lt": FIRST + IDS_IN_TEXT + 1}, 0, IDS_IN_TEXT + 1),
    ],
)
def test_texts_join_without_a_seam(
    hurried: Hurried, parameters: dict[str, Any], low: int, high: int
) -> None:
    """An answer of many texts has every id once, wherever it begins and ends."""
    expected = list(range(FIRST + low, FIRST + high))
    admin = hurried.user("admin")
    assert asked(admin, 1, **parameters) == {"total": len(expected), "ids": expected}
    whole = asked(admin, 1, "rows", **parameters)
    assert whole["total"] == len(expected)
    assert [image["id"] for image in whole["images"]] == expected


class Swapping(threading.Thread):
    """Commits steps, one after the other: each deletes an image, restores another, adds a third.

    The ids that are there tell how many steps were done: a list of one instant has the first so
    many steps whole and nothing of the others.
    """

    def __init__(self, server: Running) -> None:
        super().__init__()
        half = NUMBER // 2
        self._server, self.ended = server, threading.Event()
        # In no order of their ids, so that a list that is read slowly cannot follow them.
        self.steps = random.Random(7).sample(range(half), half)
        self.begun = self.finished = 0

    def run(self) -> None:
        """Do steps until told to end."""
        with self._server.database() as database:
            while not self.ended.is_set():
                step, self.begun = self.steps[self.begun], self.begun + 1
                gone, back = FIRST + step, FIRST + NUMBER // 2 + step
                database.execute("BEGIN")
                database.execute("UPDATE images SET deleted=true WHERE id=?", (gone,))
                insert(database, 1, "large", 1, FIRST, NUMBER + self.finished)
                database.execute("UPDATE images SET deleted=false WHERE id=?", (back,))
                database.execute("COMMIT")
                self.finished += 1

    def there(self, done: int) -> set[int]:
        """The ids after so many steps."""
        half = NUMBER // 2
        steps = self.steps[:done]
        ids = set(range(FIRST, FIRST + half)).difference(FIRST + step for step in steps)
        ids.update(FIRST + half + step for step in steps)
        return ids | set(range(FIRST + NUMBER, FIRST + NUMBER + done))


def test_ids_are_of_one_instant(hurried: Hurried) -> None:
    """While images are deleted, restored and added, a list is the exact set of some instant."""
    admin = hurried.user("admin")
    with hurried.database() as database:
        database.execute("UPDATE images SET deleted=true WHERE id>=?", (FIRST + NUMBER // 2,))
    writer = Swapping(hurried)
    writer.start()
    seen = set()
    try:
        some: list[dict[str, Any]] = [{}, {"width__gte": 1}, {"id__gte": FIRST, "height": 64}, {}]
        for word, parameters in [*(("ids", one) for one in some), ("rows", {}), ("rows", some[2])]:
            before = writer.finished
            body = asked(admin, 1, word, **parameters)
            after = writer.begun
            done = body["total"] - NUMBER // 2
            assert before <= done <= after
            ids = body["ids"] if word == "ids" else [one["id"] for one in body["images"]]
            assert ids == sorted(writer.there(done))
            seen.add((before, after))
    finally:
        writer.ended.set()
        writer.join()
        restore(hurried)
    assert all(before < after for before, after in seen)


def restore(hurried: Hurried) -> None:
    with hurried.database() as database:
        database.execute("DELETE FROM images WHERE id>=?", (FIRST + NUMBER,))
        database.execute("UPDATE images SET deleted=false WHERE deleted")


class Reader:
    """A client that asks for all ids, and reads no more than the beginning of the answer."""

    def __init__(self, server: Running, admin: httpx.Client) -> None:
        host, _, port = server.url.removeprefix("http://").partition(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect((host, int(port)))
        self.socket.sendall(
            b"GET /api/dataset/1/ids HTTP/1.1\r\nHost: coir\r\n"
            b"Cookie: session=%b\r\n\r\n" % admin.cookies["session"].encode()
        )
        self.start = self.socket.recv(1000)

    def rest(self) -> bytes:
        """What else comes until the server closes the connection."""
        parts = []
        while part := self.socket.recv(2**20):
            parts.append(part)
        return b"".join(parts)


def snapshots(server: Running) -> bool:
    """Whether a reader keeps the database from forgetting what was."""
    with server.database() as database:
        if server.data in Postgres.urls:
            asked = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
            )
            return bool(database.execute(asked).fetchone()[0])
        database.execute("PRAGMA busy_timeout = 0")
        database.execute("UPDATE datasets SET deleted=false")
        return bool(database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])


def resident(server: Running, name: str) -> int:
    """Kilobytes of the process: VmRSS now, or VmHWM, the most since the last reset."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def test_slow_readers_are_cut(hurried: Hurried) -> None:
    """Readers that stop cost little memory, hold nobody up, and are cut when their time is over.

    Whoever reads in time gets it whole meanwhile; a seventeenth list at a time is refused.
    """
    admin = hurried.user("admin")
    asked(admin, 1)
    Path(f"/proc/{hurried.pid}/clear_refs").write_text("5")  # the most memory counts from now
    before = resident(hurried, "VmRSS")
    with ExitStack() as open_sockets:
        started = time.monotonic()
        readers = [Reader(hurried, admin) for _ in range(15)]
        for reader in readers:
            open_sockets.enter_context(reader.socket)
            assert reader.start.startswith(b"HTTP/1.1 200")
        assert asked(admin, 1)["total"] == NUMBER
        assert snapshots(hurried)
        sixteenth = open_sockets.enter_context(Reader(hurried, admin).socket)
        refused = admin.get("/api/dataset/1/ids").status_code == 503
        assert refused or time.monotonic() - started > SECONDS  # the first of them is cut by then
        sixteenth.close()
        grown = resident(hurried, "VmHWM") - before
        while snapshots(hurried) and time.monotonic() < started + 5 * SECONDS:
            time.sleep(0.1)
        assert SECONDS < time.monotonic() - started < 5 * SECONDS
        bodies = [reader.rest() for reader in readers]
    assert all(not body.endswith(b"]}\r\n0\r\n\r\n") for body in bodies)
    # Each answer is 4,600 kB long. SQLite keeps 2,000 kB of pages for each connection.
    assert grown < len(readers) * 3_500
    assert asked(admin, 1)["total"] == NUMBER


def test_reader_that_goes_leaves_nothing_open(hurried: Hurried) -> None:
    """When the client hangs up, the snapshot ends at once, not when its time is over."""
    with Reader(hurried, hurried.user("admin")).socket:
        assert snapshots(hurried)
    deadline = time.monotonic() + SECONDS / 2
    while (held := snapshots(hurried)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not held


@pytest.mark.parametrize("word", LISTS)
def test_wrong_kept_count_breaks_the_answer_off(hurried: Hurried, word: str) -> None:
    """A list that is not as long as it says is never ended as if it were whole."""
    admin = hurried.user("admin")
    with hurried.database() as database:
        database.execute("UPDATE datasets SET num_images = num_images + 1 WHERE id=1")
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            admin.get(f"/api/dataset/1/{word}")
    finally:
        with hurried.database() as database:
            database.execute("UPDATE datasets SET num_images = num_images - 1 WHERE id=1")
    assert asked(admin, 1)["total"] == NUMBER
