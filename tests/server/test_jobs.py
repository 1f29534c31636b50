"""Jobs: who runs them, and how they are cancelled, left and taken over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import func, insert, select

from coir.server.app import open_state
from coir.server.jobs import book
from coir.server.jobs.book import Book, Order, enter
from coir.server.jobs.job import Job, JobCancelled, JobLost, Progress, Run
from coir.server.kinds import TEST
from coir.server.settings import Settings, StartError
from coir.server.store.engine import Store
from coir.server.store.migration import migrate
from coir.server.store.tables import task_logs, tasks, users

from .databases import SQLITE, Place
from .running import JOB_SECONDS, Running, completed, created, picture, uploaded
from .test_imports import file_of, sent
from .working import StartedWorking, Working

MANY = 20_000


@pytest.fixture
def store(place: Place, data: Path) -> Iterator[Store]:
    """A store with a user."""
    data.mkdir(parents=True)
    made = Store(place.where(data))
    migrate(made)
    with made.write() as connection:
        row = {"oid": "1", "username": "a", "username_folded": "a", "created_at": 0}
        connection.execute(insert(users), [row | {"password_hash": ""}])
    yield made
    made.close()


def ordered(store: Store, number: int = 1) -> list[int]:
    """The jobs that do nothing, begun and run by nobody."""
    with store.write() as connection:
        order = Order(TEST, "test", "Testing jobs", None, 1)
        return [enter(connection, order, join=False).id for _ in range(number)]


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + JOB_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def job(client: httpx.Client, number: int) -> dict[str, Any]:
    return next(row for row in client.get("/api/tasks/").json() if row["id"] == number)


def log(client: httpx.Client, number: int) -> list[str]:
    lines = client.get(f"/api/tasks/{number}/logs").json()["logs"]
    return [line.split("] ", 1)[1] for line in lines]


def count(server: Running, table: str, condition: str = "1=1") -> int:
    with server.database() as database:
        found = database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
    return int(found[0])


def large_import(client: httpx.Client, dataset: int) -> int:
    """An import that takes a while, into a dataset with an image; the number of its job."""
    assert uploaded(client, dataset, "x.jpg").status_code == 200
    boxes = ({"bbox": [n % 90 + 0.5, n // 400 + 0.25, 3, 4]} for n in range(MANY))
    answer = sent(client, dataset, file_of(*boxes, categories=[{"id": 90, "name": "new one"}]))
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_a_job_that_waits_is_cancelled_at_once(data: Path) -> None:
    """It is completed with a line in its log, and never runs; a completed one answers 400."""
    server = Running(data, "--no-jobs")
    admin = server.user("admin")
    dataset = created(admin, "waits")
    number = admin.get(f"/api/dataset/{dataset}/scan").json()["id"]
    assert admin.delete(f"/api/tasks/{number}").json() == {"message": "Task is not completed"}
    assert admin.post(f"/api/tasks/{number}/cancel").json() == {"success": True}
    assert (job(admin, number)["completed"], job(admin, number)["warnings"]) == (True, 1)
    assert log(admin, number) == ["[WARNING] Cancelled."]
    again = admin.post(f"/api/tasks/{number}/cancel")
    assert (again.status_code, again.json()) == (400, {"message": "Task is completed already"})
    assert admin.get(f"/api/dataset/{dataset}/scan").json()["id"] > number
    assert server.end() == (0, "", "")


def test_a_job_that_runs_is_cancelled_at_a_safe_point(data: Path) -> None:
    """An import that is cancelled writes nothing, not even a category, and leaves nothing."""
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "runs")
    number = large_import(admin, dataset)
    until(lambda: job(admin, number)["progress"] > 0)
    assert admin.post(f"/api/tasks/{number}/cancel").json() == {"success": True}
    until(lambda: job(admin, number)["completed"])
    assert log(admin, number)[-1] == "[WARNING] Cancelled."
    assert job(admin, number)["progress"] < 100
    assert count(server, "annotations") == 0
    assert admin.get("/api/category/").json() == []
    until(lambda: count(server, "staged_annotations") == 0)
    until(lambda: not any((data / "imports").iterdir()))
    assert server.end() == (0, "", "")


def test_a_worker_runs_what_the_server_leaves(data: Path) -> None:
    """With --no-jobs a job waits for `coir worker`, which ends in order."""
    server = Running(data, "--no-jobs")
    admin = server.user("admin")
    dataset = created(admin, "left")
    (server.directory("left") / "x.jpg").write_bytes(picture())
    number = admin.get(f"/api/dataset/{dataset}/scan").json()["id"]
    time.sleep(0.5)
    assert not job(admin, number)["completed"]
    worker = StartedWorking(data)
    completed(admin)
    assert log(admin, number)[-1] == "[INFO] Created 1 new image(s)"
    assert worker.end() == (0, "", "")
    assert server.end() == (0, "", "")


def test_an_orderly_end_leaves_the_job_to_the_next_process(data: Path) -> None:
    """It stops at a safe point with code 0, and what begins again counts no attempt."""
    server = Running(data)
    admin = server.user("admin")
    number = large_import(admin, created(admin, "ends"))
    until(lambda: job(admin, number)["progress"] > 0)
    assert server.end() == (0, "", "")
    assert count(server, "annotations") == 0
    with server.database() as database:
        asked = "SELECT completed, attempts, runner FROM tasks"
        assert tuple(database.execute(asked).fetchone()) == (False, 0, None)
    worker = Working(data)
    again = Running(data, "--no-jobs")
    admin = again.user("admin")
    completed(admin)
    assert count(again, "annotations") == MANY
    lines = log(admin, number)
    assert len([line for line in lines if "the job begins again in the next one" in line]) == 1
    assert not any("attempt" in line for line in lines)
    assert worker.end() == (0, "", "")
    assert again.end() == (0, "", "")


def test_several_processes_run_each_job_once(data: Path) -> None:
    """A server and two workers share the jobs; each runs once, those of a dataset in turn."""
    server = Running(data)
    workers = [Working(data) for _ in range(2)]
    admin = server.user("admin")
    numbers = []
    for n in range(6):
        dataset = created(admin, f"shared{n}")
        for k in range(20):
            (server.directory(f"shared{n}") / f"{k}.jpg").write_bytes(picture())
        numbers.append(admin.get(f"/api/dataset/{dataset}/scan").json()["id"])
        for _ in range(3):
            answer = admin.get(f"/api/dataset/{dataset}/export?categories=")
            numbers.append(answer.json()["id"])
    done = {one["id"]: one for one in completed(admin)}
    assert sorted(done) == sorted(numbers)
    assert [one for one in done.values() if one["errors"]] == []
    for number in numbers:
        begun = [line for line in log(admin, number) if "Scanning" in line or "Beginning" in line]
        assert len(begun) == 1
    assert count(server, "images") == 120
    assert count(server, "exports") == 18
    assert count(server, "tasks", "attempts <> 1") == 0
    assert [worker.end() for worker in workers] == [(0, "", "")] * 2
    assert server.end() == (0, "", "")


def test_two_processes_never_have_one_job(place: Place, data: Path, store: Store) -> None:
    """Of many who claim a job at the same time, over two stores, one gets it."""
    stores = [store, Store(place.where(data))]
    numbers = ordered(store, 20)
    got: list[Run] = []

    def claim(mine: Store) -> None:
        books = Book(mine, [TEST])
        got.extend(run for number in numbers if (run := books.claim(number)) is not None)

    threads = [threading.Thread(target=claim, args=(stores[n % 2],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[1].close()
    assert sorted(run.task_id for run in got) == numbers


def test_who_was_away_writes_nothing(store: Store) -> None:
    """After its lease another may take the job; the first one's transaction is undone."""
    (number,) = ordered(store)
    books = Book(store, [TEST])
    first = books.claim(number)
    assert first is not None
    assert (books.claim(number), books.ready()) == (None, [])
    told: list[Progress] = []
    away = Job(store, first, threading.Event(), told.append)
    away.info("written")
    away.note(10.0)
    with store.write() as connection:
        connection.execute(tasks.update().values(leased_until=book.now_ms() - 1))
    second = books.claim(number)
    assert second is not None
    assert second.attempt == 2
    away.info("not written")
    with pytest.raises(JobLost), away.write(50.0) as connection:
        raise AssertionError(connection)
    with pytest.raises(JobLost):
        books.renew(first)
    books.renew(second)
    with store.read() as connection:
        lines = connection.execute(select(task_logs.c.line)).scalars().all()
    assert lines == ["written", "The job was interrupted: attempt 2 of 3"]
    assert told == [Progress(number, 10.0, 0, 0, completed=False)]


def test_what_is_cancelled_commits_nothing_more(store: Store) -> None:
    """Once a cancellation is answered, no transaction of the job begins."""
    (number,) = ordered(store)
    run = Book(store, [TEST]).claim(number)
    assert run is not None
    job = Job(store, run, threading.Event(), lambda _: None)
    with store.write() as connection:
        book.cancel(connection, number)
    with pytest.raises(JobCancelled):
        job.finish()


def test_listeners_hear_of_what_is_committed(place: Place, data: Path) -> None:
    """A listener is called after the commit: what it is told can be read by others."""
    given = place.where(data)
    settings = Settings.of(data, database="" if isinstance(given, Path) else given)
    state = open_state(settings)
    with state.store.write() as connection:
        row = {"oid": "1", "username": "a", "username_folded": "a", "created_at": 0}
        connection.execute(insert(users), [row | {"password_hash": ""}])
    heard: list[tuple[Progress, bool]] = []

    def listen(progress: Progress) -> None:
        with state.store.read() as connection:
            asked = select(tasks.c.completed).where(tasks.c.id == progress.id)
            heard.append((progress, connection.execute(asked).scalar_one()))

    state.jobs.listeners.append(listen)
    state.jobs.open()
    ticket = state.jobs.begin(Order(TEST, "test", "Testing jobs", None, 1))
    until(lambda: heard)
    state.close()
    assert heard == [(Progress(ticket.id, 100.0, 0, 0, completed=True), True)]


def test_a_removal_is_invisible_from_its_first_instant(data: Path) -> None:
    """Before its job has begun the dataset is in no list and its name is free."""
    server = Running(data, "--no-jobs")
    admin = server.user("admin")
    dataset = created(admin, "gone", categories=["cat"])
    image = uploaded(admin, dataset, "x.jpg").json()
    admin.post("/api/annotation/", json={"image_id": image})
    scan = admin.get(f"/api/dataset/{dataset}/scan").json()["id"]
    admin.delete(f"/api/dataset/{dataset}")
    named = {"id": dataset, "instance": "dataset"}
    assert admin.delete("/api/undo/", params=named).json() == {"success": True}
    assert admin.get("/api/undo/list/").json() == []
    for method in ("POST", "DELETE"):
        assert admin.request(method, "/api/undo/", params=named).status_code == 400
    assert admin.get("/api/dataset/").json() == []
    assert log(admin, scan) == ["[WARNING] Cancelled."]
    other = created(admin, "gone")
    assert admin.get(f"/api/dataset/{other}/data").json()["total"] == 0
    assert count(server, "images") == 1
    (removal,) = [one for one in admin.get("/api/tasks/").json() if not one["completed"]]
    assert (removal["group"], removal["name"]) == ("Dataset Removal", "Removing gone for good")
    refused = admin.post(f"/api/tasks/{removal['id']}/cancel")
    assert refused.json() == {"message": "This task cannot be cancelled"}
    worker = Working(data)
    completed(admin)
    assert worker.end() == (0, "", "")
    assert [count(server, table) for table in ("images", "annotations", "datasets")] == [0, 0, 1]
    assert server.end() == (0, "", "")


def test_a_damaged_queue_is_a_sentence(tmp_path: Path) -> None:
    """The queue, a file beside SQLite's, can be deleted, and the message says so."""
    (tmp_path / "queue.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StartError, match=r"queue\.db cannot be opened .*delete it"):
        open_state(Settings.of(tmp_path))
    (tmp_path / "queue.db").unlink()
    state = open_state(Settings.of(tmp_path))
    with state.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(tasks)).scalar() == 0
    state.close()


def test_a_lost_queue_loses_no_job(place: Place, data: Path) -> None:
    """What was asked for, and is in the queue no more, is found in the book."""
    server = Running(data, "--no-jobs")
    admin = server.user("admin")
    created(admin, "lost")
    admin.get("/api/info/long_task")
    assert server.end() == (0, "", "")
    if place.kind == SQLITE:
        for file in data.glob("queue.db*"):
            file.unlink()
    else:
        with server.database() as database:
            database.execute("DROP TABLE coir_queue_task")
    again = Running(data)
    (one,) = completed(again.user("admin"))
    assert one["errors"] == 0
    assert again.end() == (0, "", "")
