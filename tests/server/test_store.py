"""The store: migrations, ids, restarts, and many writers at once."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from coir.server.store.engine import Store
from coir.server.store.migration import MigrationError, migrate
from coir.server.store.tables import metadata

from .running import Running, created, scanned, uploaded


def test_migrations_make_the_tables(tmp_path: Path) -> None:
    """What the migrations make is what `tables.py` says, and migrating again changes nothing."""
    store = Store(tmp_path / "coir.db")
    migrate(store)
    migrate(store)
    with store.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS]
    store.close()
    assert found == list(PRAGMAS.values())


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_processes_that_start_together_migrate_once(data: Path) -> None:
    """Several servers that start at once on a new directory all come up."""
    running = [Running(data)]
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
    assert ended == [(0, "", "")] * 3


def test_newer_database_is_refused(tmp_path: Path) -> None:
    """A database with an unknown revision is not touched; the message says what to do."""
    store = Store(tmp_path / "coir.db")
    migrate(store)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationError, match=r"newer coir .*9999.*upgrade"):
        migrate(store)
    store.close()


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coir.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_start_fails_with_a_sentence(data: Path, server: Running) -> None:
    """A newer database, a damaged one, a readable secret, a taken port: one sentence each."""
    data.mkdir()
    (data / "coir.db").write_bytes(b"this is no database" * 100)
    damaged = started("--data", str(data), "--port", "0")
    (data / "coir.db").unlink()
    (data / "secret").chmod(0o644)
    readable = started("--data", str(data), "--port", "0")
    (data / "secret").chmod(0o600)
    taken = started("--data", str(data), "--port", server.url.rpartition(":")[2])
    for ended, word in ((damaged, "database"), (readable, "chmod"), (taken, "port")):
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("coir cannot serve: ")
        assert word in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("end", [Running.end, Running.kill])
def test_restart_keeps_everything(data: Path, end: Callable[[Running], object]) -> None:
    """After an end, graceful or not, sessions, images and ids go on where they were."""
    first = Running(data)
    admin = first.user("admin")
    dataset = created(admin, "d1")
    ids = [uploaded(admin, dataset, f"{number}.jpg").json() for number in range(3)]
    admin.delete(f"/api/image/{ids[-1]}")
    cookies, page = dict(admin.cookies), admin.get(f"/api/dataset/{dataset}/data").json()
    end(first)
    second = Running(data)
    again = second.client(cookies=cookies)
    after = again.get(f"/api/dataset/{dataset}/data").json()
    assert after | {"time_ms": 0} == page | {"time_ms": 0}
    assert uploaded(again, dataset, "new.jpg").json() == ids[-1] + 1
    assert second.end() == (0, "", "")


def test_ids_are_never_reused(data: Path) -> None:
    """Not even the id of a row that is gone for good is given again, also after a restart."""
    first = Running(data)
    admin = first.user("admin")
    dataset = created(admin, "d1")
    image = uploaded(admin, dataset, "a.jpg").json()
    with first.database() as database:
        database.execute("DELETE FROM images WHERE id=?", (image,))
    (first.directory("d1") / "a.jpg").unlink()
    assert uploaded(admin, dataset, "b.jpg").json() == image + 1
    cookies = dict(admin.cookies)
    first.end()
    second = Running(data)
    assert uploaded(second.client(cookies=cookies), dataset, "c.jpg").json() == image + 2
    second.end()


def test_interrupted_job_is_reported(data: Path) -> None:
    """A job that the end of the server cut off is completed with an error at the next start."""
    first = Running(data)
    admin = first.user("admin")
    dataset = created(admin, "d1")
    job = scanned(admin, dataset)["id"]
    cookies = dict(admin.cookies)
    first.kill()
    with sqlite3.connect(data / "coir.db") as database:
        database.execute("UPDATE tasks SET completed=0, progress=50")
    database.close()
    second = Running(data)
    again = second.client(cookies=cookies)
    assert [(row["completed"], row["errors"]) for row in again.get("/api/tasks/").json()] == [
        (True, 1)
    ]
    assert "start it again" in again.get(f"/api/tasks/{job}/logs").json()["logs"][-1]
    assert scanned(again, dataset)["id"] == job + 1
    second.end()


def test_writers_and_readers_do_not_disturb_each_other(server: Running) -> None:
    """While several write, every page answers 200 and adds up, and nothing written is lost."""
    admin = server.user("admin")
    dataset = created(admin, "busy")
    kept = [uploaded(admin, dataset, f"kept{number}.jpg").json() for number in range(30)]
    made: list[int] = []
    problems: list[str] = []
    until = time.monotonic() + 3

    def client() -> httpx.Client:
        cookies = dict(admin.cookies)
        return httpx.Client(base_url=server.url, cookies=cookies, timeout=30, verify=False)

    def write(writer: int) -> None:
        with client() as mine:
            for number in itertools.count():
                if time.monotonic() > until:
                    return
                answer = uploaded(mine, dataset, f"w{writer}/{number}.jpg")
                if answer.status_code != 200:
                    problems.append(answer.text)
                    continue
                image = answer.json()
                given = {"image_id": image, "category_id": 1}
                answers = [mine.post("/api/annotation/", json=given)]
                if number % 2:
                    answers.append(mine.delete(f"/api/image/{image}"))
                else:
                    made.append(image)
                problems.extend(answer.text for answer in answers if answer.status_code != 200)

    def read() -> None:
        with client() as mine:
            while time.monotonic() < until:
                last, found = 0, []
                while True:
                    query = {"order": "id", "id__gt": last, "limit": 20}
                    answer = mine.get(f"/api/dataset/{dataset}/data", params=query)
                    if answer.status_code != 200:
                        problems.append(answer.text)
                        break
                    page = answer.json()
                    if len(page["images"]) != min(20, page["total"]):
                        problems.append("a page does not add up")
                    if not page["images"]:
                        break
                    found += [image["id"] for image in page["images"]]
                    last = found[-1]
                if not set(kept) <= set(found):
                    problems.append("an image was missed")

    def scan() -> None:
        with client() as mine:
            while time.monotonic() < until:
                scanned(mine, dataset)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    threads += [threading.Thread(target=scan)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(made) > 10
    page = admin.get(f"/api/dataset/{dataset}/data?order=id&limit=100000").json()
    assert [image["id"] for image in page["images"]] == sorted(kept + made)
    assert page["total"] == len(kept + made)
    assert {image["num_annotations"] for image in page["images"]} == {0, 1}
    with server.database() as database:
        counted = database.execute(
            "SELECT num_images, (SELECT count(*) FROM images WHERE dataset_id = datasets.id"
            " AND NOT deleted) FROM datasets"
        ).fetchall()
    assert {one == other for one, other in counted} == {True}


def test_failure_inside_tells_nothing(data: Path) -> None:
    """What no handler expected answers 500 without its reason, which is in the log."""
    running = Running(data)
    admin = running.user("admin")
    with running.database() as database:
        database.execute("DROP TABLE task_logs")
        database.execute("DROP TABLE tasks")
    answer = admin.get("/api/tasks/")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    _, out, err = running.end()
    assert out == ""
    assert "no such table: tasks" in err
