"""The store: migrations, ids, restarts, and many writers at once."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2 as httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    cast,
    delete,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from coir.server.app import create_app, open_state
from coir.server.settings import Settings, StartError
from coir.server.store.database import json_text
from coir.server.store.engine import Store
from coir.server.store.loading import load
from coir.server.store.migration import MigrationError, migrate
from coir.server.store.tables import datasets, images, metadata, users

from .databases import Place, Postgres
from .running import Running, completed, created, scanned, uploaded


class StoreContract:
    """What holds of every store."""

    @pytest.fixture
    def store(self, place: Place, tmp_path: Path) -> Iterator[Store]:
        """A store without tables."""
        opened = Store(place.where(tmp_path))
        yield opened
        opened.close()

    @pytest.fixture
    def another(self, store: Store, place: Place, tmp_path: Path) -> Iterator[Store]:
        """What another process opens."""
        opened = Store(place.where(tmp_path))
        yield opened
        opened.close()

    def test_migrations_make_the_tables(self, store: Store) -> None:
        """What the migrations make is what `tables.py` says; migrating again changes nothing."""
        migrate(store)
        migrate(store)
        with store.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []

    def test_newer_database_is_refused(self, store: Store) -> None:
        """A database with an unknown revision is not touched; the message says what to do."""
        migrate(store)
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(MigrationError, match=r"newer coir .*9999.*upgrade"):
            migrate(store)

    def test_readers_see_one_instant(self, store: Store, another: Store) -> None:
        """What is committed while somebody reads is seen by the next reader only."""
        migrate(store)
        with store.read() as reader:
            assert names(reader) == []
            with another.write() as writer:
                writer.execute(insert(users).values(user("bob")))
            assert names(reader) == []
        with store.read() as reader:
            assert names(reader) == ["bob"]

    def test_one_writes_at_a_time(self, store: Store, another: Store) -> None:
        """The second writer waits for the first, sees what it did, and gets the larger id."""
        migrate(store)
        found: list[tuple[list[str], int]] = []

        def second() -> None:
            with another.write() as writer:
                before = names(writer)
                made = insert(users).values(user("second")).returning(users.c.id)
                found.append((before, writer.execute(made).scalar_one()))

        thread = threading.Thread(target=second)
        with store.write() as writer:
            thread.start()
            made = insert(users).values(user("first")).returning(users.c.id)
            first = writer.execute(made).scalar_one()
            thread.join(0.3)
            assert found == []
        thread.join()
        assert found == [(["first"], first + 1)]

    def test_what_fails_leaves_nothing(self, store: Store) -> None:
        """An exception inside takes everything back, and the next one writes."""
        migrate(store)

        def twice() -> None:
            with store.write() as writer:
                writer.execute(insert(users).values(user("gone")))
                writer.execute(insert(users).values(user("gone")))

        with pytest.raises(IntegrityError):
            twice()
        with store.write() as writer:
            writer.execute(insert(users).values(user("there")))
            assert names(writer) == ["there"]

    def test_json_is_kept_as_answers_have_it(self, store: Store) -> None:
        """A value is stored as the text that `json_text` makes of it: the annotation page's save
        takes what has another text for changed, and writes it."""
        migrate(store)
        value = {"a": [1, 2.5, True, None], "é": "x y", "deep": {"b": []}}
        with store.write() as connection:
            connection.execute(insert(users).values(user("a") | {"preferences": value}))
            found = connection.execute(
                select(users.c.preferences, cast(users.c.preferences, Text).label("text"))
            ).one()
        assert found.preferences == value
        assert found.text == json_text(value)

    def test_one_row_needs_no_transaction(self, store: Store) -> None:
        """`first` gives the first row or None, and leaves nothing open behind it."""
        migrate(store)
        asked = select(users.c.username).order_by(users.c.username)
        assert store.first(asked) is None
        with store.write() as connection:
            for name in ("b", "a"):
                connection.execute(insert(users).values(user(name)))
        found = store.first(asked)
        assert found is not None
        assert found.username == "a"
        with store.write() as connection:
            connection.execute(delete(users))
        assert store.first(asked) is None

    def test_ids_are_never_given_again(self, store: Store) -> None:
        """Not even the id of the newest row, when it is gone."""
        migrate(store)
        given = []
        for name in "abc":
            with store.write() as writer:
                made = insert(users).values(user(name)).returning(users.c.id)
                given.append(writer.execute(made).scalar_one())
                writer.execute(delete(users))
        assert given == sorted(set(given))

    def test_counts_of_a_dataset_follow_its_images(self, store: Store) -> None:
        """Whatever statement changes images, in one row or many, their datasets count them."""
        migrate(store)
        with store.write() as writer:
            writer.execute(insert(users).values(user("a") | {"id": 1}))
            for number in (1, 2):
                row = {"id": number, "name": str(number), "owner_id": 1, "created_at": 0}
                writer.execute(insert(datasets).values(row))
            shape = {"file_name": "", "width": 1, "height": 1, "created_at": 0}
            rows = [
                shape | {"id": n, "path": str(n), "dataset_id": 1 + n % 2, "annotated": n % 3 == 0}
                for n in range(1, 31)
            ]
            writer.execute(insert(images), rows)
        for statement in (
            update(images).where(images.c.id > 20).values(deleted=True),
            update(images).where(images.c.id < 5).values(dataset_id=2),
            update(images).where(images.c.id % 5 == 0).values(annotated=True, deleted=False),
            update(images).values(width=2),
            delete(images).where(images.c.id % 7 == 0),
        ):
            with store.write() as writer:
                writer.execute(statement)
                kept = select(datasets.c.id, datasets.c.num_images, datasets.c.num_annotated)
                found = writer.execute(kept.order_by(datasets.c.id)).all()
                there = select(images.c.dataset_id, images.c.annotated).where(~images.c.deleted)
                living = writer.execute(there).all()
            for number, total, marked in found:
                mine = [annotated for dataset, annotated in living if dataset == number]
                assert (total, marked) == (len(mine), sum(mine))

    def test_many_rows_take_as_long_after_a_single_one(self, store: Store) -> None:
        """A statement for many images costs no more because the one before was for one image.

        PostgreSQL keeps the plans of triggers with the connection; 100 times as long without a
        remedy.
        """
        migrate(store)
        with store.write() as writer:
            writer.execute(insert(users).values(user("a") | {"id": 1}))
            row = {"id": 1, "name": "a", "owner_id": 1, "created_at": 0}
            writer.execute(insert(datasets).values(row))
            shape = {"dataset_id": 1, "file_name": "", "width": 1, "height": 1, "created_at": 0}
            writer.execute(insert(images), [shape | {"path": str(n)} for n in range(2000)])
        store.close()  # a connection that has planned nothing

        def seconds(condition: ColumnElement[bool]) -> float:
            started = time.perf_counter()
            with store.write() as writer:
                width = images.c.width + 1
                writer.execute(update(images).where(condition).values(width=width))
            return time.perf_counter() - started

        first = seconds(true())
        store.close()
        seconds(images.c.id == 1)
        assert seconds(true()) < 10 * first

    def test_many_rows_are_loaded_as_they_are(self, store: Store) -> None:
        """What means something to the database's own format is a part of the text."""
        migrate(store)
        texts = ["", "\\N", "a\tb", "a\nb\r\n", "\\", "\\t", "\\.", "é☃", "'\"", None]
        names = ("oid", "username", "username_folded", "password_hash", "preferences")
        names += ("created_at", "is_admin", "deleted", "name")
        rows = [
            (f"o{n}", f"u{n}", f"u{n}", "", "{}", 5, n % 2 == 0, False, text)
            for n, text in enumerate(texts)
        ]
        with store.write() as writer:
            load(writer, users, names, rows)
        with store.read() as reader:
            asked = select(users.c.name, users.c.is_admin, users.c.preferences)
            found = reader.execute(asked.order_by(users.c.id)).all()
        assert found == [(text, n % 2 == 0, {}) for n, text in enumerate(texts)]
        with pytest.raises(IntegrityError) as refused, store.write() as writer:
            load(writer, users, names, rows[:1])
        assert "o0" not in str(refused.value)  # nor any other value


class TestStore(StoreContract):
    """The contract, on each kind of database in turn."""


def user(name: str) -> dict[str, Any]:
    named = {"oid": name, "username": name, "username_folded": name}
    return named | {"password_hash": "", "created_at": 0}


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(users.c.username).order_by(users.c.id)).scalars())


def test_sqlite_is_opened_as_it_must_be(tmp_path: Path) -> None:
    """Nothing committed is lost at a power failure, and nobody fails at once on a lock."""
    store = Store(tmp_path / "coir.db")
    with store.read() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS]
    store.close()
    assert found == list(PRAGMAS.values())


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_processes_that_start_together_migrate_once(data: Path) -> None:
    """Several servers that start at once on a new directory all come up."""
    running: list[Running] = []
    failed: list[BaseException] = []

    def start() -> None:
        try:
            running.append(Running(data))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [one.end() for one in running]
    assert failed == []
    assert ended == [(0, "", "")] * 2


@pytest.mark.parametrize("word", ["database", "chmod", "damaged", "newer"])
def test_unusable_data_is_refused(tmp_path: Path, word: str) -> None:
    """No database, a secret that others may read, half a secret, a newer database: a sentence."""
    data = tmp_path / "data"
    data.mkdir()
    if word == "database":
        (data / "coir.db").write_bytes(b"this is no database" * 100)
    elif word == "newer":
        store = Store(data / "coir.db")
        migrate(store)
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        store.close()
    else:
        (data / "secret").write_text("0" * (64 if word == "chmod" else 32))
        (data / "secret").chmod(0o644 if word == "chmod" else 0o600)
    with pytest.raises(StartError, match=word):
        open_state(Settings.of(data))


def test_taken_port_is_a_sentence(data: Path, server: Running) -> None:
    """A start that fails exits with 1 and one line that says what to do."""
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "coir.server", "--data", str(data), "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("coir cannot serve: ")
    assert "another port" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_restart_keeps_everything(data: Path) -> None:
    """After an end, graceful or not, sessions, images and ids go on where they were.

    Not even the id of a row that is gone for good is given again. A job that was cut off too
    often is completed with an error, and can be started again.
    """
    first = Running(data)
    admin = first.user("admin")
    dataset = created(admin, "d1")
    job = scanned(admin, dataset)["id"]
    ids = [uploaded(admin, dataset, f"{number}.jpg").json() for number in range(4)]
    admin.delete(f"/api/image/{ids[-2]}")
    with first.database() as database:
        database.execute("DELETE FROM images WHERE id=?", (ids[-1],))
    cookies, page = dict(admin.cookies), admin.get(f"/api/dataset/{dataset}/data").json()
    first.kill()
    with first.database() as database:
        database.execute("UPDATE tasks SET attempts=3, completed=false, progress=50")
    second = Running(data)
    again = second.client(cookies=cookies)
    after = again.get(f"/api/dataset/{dataset}/data").json()
    assert after | {"time_ms": 0} == page | {"time_ms": 0}
    assert page["total"] == 2
    assert uploaded(again, dataset, "new.jpg").json() == ids[-1] + 1
    jobs = completed(again)
    assert [(row["id"], row["completed"], row["errors"]) for row in jobs] == [(job, True, 1)]
    assert "interrupted 3 times" in again.get(f"/api/tasks/{job}/logs").json()["logs"][-1]
    assert scanned(again, dataset)["id"] == job + 1
    assert second.end() == (0, "", "")
    third = Running(data)
    last = third.client(cookies=cookies).get(f"/api/dataset/{dataset}/data").json()
    assert last["total"] == 4  # the new one, and the file whose row was gone, which was scanned
    assert third.end() == (0, "", "")


# Images that are written at least, and how long a slow machine may take for them.
ENOUGH, MOST_SECONDS = 10, 60


class Busy:
    """Several people at work on one dataset for a while; collects what went wrong."""

    SECONDS = 3

    def __init__(self, server: Running, admin: httpx.Client, dataset: int) -> None:
        self._url, self._cookies, self._dataset = server.url, dict(admin.cookies), dataset
        self._until = 0.0
        self.kept = [uploaded(admin, dataset, f"kept{number}.jpg").json() for number in range(30)]
        self.made: list[int] = []
        self.problems: list[str] = []

    def run(self) -> None:
        """Four write, two read, one scans; for as long as it takes that enough is written."""
        self._until = time.monotonic() + self.SECONDS
        work = [*[self._write] * 4, *[self._read] * 2, self._scan]
        threads = [
            threading.Thread(target=self._work, args=(one, number))
            for number, one in enumerate(work)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, one: Callable[[httpx.Client, str], None], number: int) -> None:
        with httpx.Client(
            base_url=self._url, cookies=self._cookies, timeout=30, verify=False
        ) as client:
            for turn in itertools.count():
                late = time.monotonic() - self._until
                if late > (0 if len(self.made) > ENOUGH else MOST_SECONDS):
                    return
                one(client, f"w{number}/{turn}.jpg")

    def _write(self, client: httpx.Client, name: str) -> None:
        answer = uploaded(client, self._dataset, name)
        answers = [answer]
        if answer.status_code == 200:
            image = answer.json()
            given = {"image_id": image, "category_id": 1}
            answers.append(client.post("/api/annotation/", json=given))
            if len(self.made) % 3 == 0:
                answers.append(client.delete(f"/api/image/{image}"))
                image = uploaded(client, self._dataset, f"again/{name}").json()
            self.made.append(image)
        self.problems += [answer.text for answer in answers if answer.status_code != 200]

    def _read(self, client: httpx.Client, _: str) -> None:
        last, found = 0, list[int]()
        while True:
            query = {"order": "id", "id__gt": last, "limit": 20}
            answer = client.get(f"/api/dataset/{self._dataset}/data", params=query)
            if answer.status_code != 200:
                self.problems.append(answer.text)
                return
            page = answer.json()
            if len(page["images"]) != min(20, page["total"]):
                self.problems.append("a page does not add up")
            if not page["images"]:
                break
            found += [image["id"] for image in page["images"]]
            last = found[-1]
        if not set(self.kept) <= set(found):
            self.problems.append("an image was missed")

    def _scan(self, client: httpx.Client, _: str) -> None:
        scanned(client, self._dataset)


def test_writers_and_readers_do_not_disturb_each_other(server: Running) -> None:
    """While several write, every page answers 200 and adds up, and nothing written is lost."""
    admin = server.user("admin")
    dataset = created(admin, "busy")
    busy = Busy(server, admin, dataset)
    busy.run()
    assert busy.problems == []
    assert len(busy.made) > ENOUGH
    page = admin.get(f"/api/dataset/{dataset}/data?order=id&limit=100000").json()
    assert [image["id"] for image in page["images"]] == sorted(busy.kept + busy.made)
    assert page["total"] == len(page["images"])
    with server.database() as database:
        counted = database.execute(
            "SELECT (num_images, num_annotated) = (SELECT count(*),"
            " coalesce(sum(CASE WHEN annotated THEN 1 ELSE 0 END), 0)"
            " FROM images WHERE dataset_id = datasets.id AND NOT deleted) FROM datasets"
        ).fetchall()
    assert {tuple(map(bool, row)) for row in counted} == {(True,)}


def test_failure_inside_tells_nothing(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What no handler expected answers 500 without its reason, which is in the log."""
    app = create_app(Settings.of(data, database=Postgres.urls.get(data, "")))
    store = app.state.server.store
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE sessions")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            given = {"username": "admin", "password": "pw"}
            return await client.post("/api/user/register", json=given)

    answer = anyio.run(ask)
    store.close()
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.search(r"no such table: sessions|relation .sessions. does not exist", caplog.text)
