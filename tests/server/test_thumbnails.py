"""Thumbnails ahead: a job makes what a page of a dataset asks for, as far as there is room."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import insert, select

from coir.server import thumbnails
from coir.server.directories import Directories
from coir.server.folders import HIDDEN
from coir.server.jobs.book import Book, Order, enter
from coir.server.jobs.job import Job, JobStopped
from coir.server.jobs.workplace import Workplace
from coir.server.kinds import TEST
from coir.server.renditions import Renditions
from coir.server.store.engine import Store
from coir.server.store.migration import migrate
from coir.server.store.tables import datasets, images, task_logs, tasks, users

from .databases import Place
from .running import Running, completed, created, job_of, picture

NUMBER = 12


def files(folder: Path) -> list[Path]:
    """The renditions that are kept."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_a_scan_can_have_thumbnails_made(data: Path) -> None:
    """The job behind the scan makes both forms of each, and again nothing; a picture that cannot
    be read is named; what a page asks for is there."""
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "d")
    for number in range(NUMBER):
        (server.directory("d") / f"{number}.png").write_bytes(picture(300, 400, "PNG"))
    (server.directory("d") / "cut.png").write_bytes(picture(300, 400, "PNG")[:-200])
    scan = admin.get(f"/api/dataset/{dataset}/scan?thumbnails=true")
    assert job_of(admin, scan)[1][-1] == f"Created {NUMBER + 1} new image(s)"
    made = next(job for job in completed(admin) if job["group"] == thumbnails.GROUP)
    assert made["name"] == "Generating thumbnails of d"
    assert (made["progress"], made["warnings"], made["errors"]) == (100, 1, 0)
    lines = admin.get(f"/api/tasks/{made['id']}/logs").json()["logs"]
    assert "/datasets/d/cut.png: The picture is damaged" in lines[0]
    assert f"Made {2 * NUMBER} thumbnail(s), 0 were there, 1 unreadable" in lines[-1]
    kept = files(server.data / "renditions")
    assert len(kept) == 2 * NUMBER
    for image in admin.get(f"/api/dataset/{dataset}/data").json()["images"][:NUMBER]:
        for asked in ("width=250&thumbnail=true", "width=250", "thumbnail=true"):
            admin.get(f"/api/image/{image['id']}?{asked}")
    assert files(server.data / "renditions") == kept
    job_of(admin, admin.get(f"/api/dataset/{dataset}/scan?thumbnails=true"))
    again = [job for job in completed(admin) if job["group"] == thumbnails.GROUP][-1]
    lines = admin.get(f"/api/tasks/{again['id']}/logs").json()["logs"]
    assert f"Made 0 thumbnail(s), {2 * NUMBER} were there" in lines[-1]
    job_of(admin, admin.get(f"/api/dataset/{dataset}/scan"))
    assert len([job for job in completed(admin) if job["group"] == thumbnails.GROUP]) == 2
    server.end()


@pytest.mark.slow
def test_a_killed_job_is_finished_by_the_next_server(data: Path) -> None:
    """SIGKILL while thumbnails are made: those that are kept are whole, and the rest is made."""
    number, content = 60, picture(1000, 700, "PNG")
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "d")
    for one in range(number):
        (server.directory("d") / f"{one}.png").write_bytes(content)
    admin.get(f"/api/dataset/{dataset}/scan?thumbnails=true")
    deadline = time.monotonic() + 60
    while len(files(data / "renditions")) < number // 5:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    server.kill()
    assert len(files(data / "renditions")) < 2 * number
    server.lapse()
    again = Running(data)
    jobs = completed(again.user("admin"))
    made = next(job for job in jobs if job["group"] == thumbnails.GROUP)
    assert (made["warnings"], made["errors"]) == (0, 0)
    with again.database() as database:
        asked = "SELECT attempts FROM tasks WHERE id = ?"
        assert database.execute(asked, (made["id"],)).fetchone() == (2,)
    kept = [file for file in files(data / "renditions") if not file.name.startswith(HIDDEN)]
    assert len(kept) == 2 * number
    for file in kept:
        with Image.open(file) as opened:
            opened.load()
    assert again.end() == (0, "", "")


@pytest.fixture
def workplace(place: Place, tmp_path: Path) -> Iterator[Workplace]:
    """A dataset of some pictures, and no thumbnails."""
    store, folders = Store(place.where(tmp_path)), Directories(tmp_path / "datasets")
    migrate(store)
    folders.create("d")
    with store.write() as connection:
        named = {"oid": "0", "username": "a", "username_folded": "a", "password_hash": ""}
        connection.execute(insert(users).values(created_at=0, **named))
        connection.execute(insert(datasets).values(name="d", owner_id=1, created_at=0))
        for number in range(NUMBER):
            name = f"{number}.jpg"
            (tmp_path / "datasets" / "d" / name).write_bytes(picture(300, 200))
            row = {"path": f"/datasets/d/{name}", "file_name": name, "width": 300, "height": 200}
            connection.execute(insert(images).values(dataset_id=1, created_at=0, **row))
    kept = Renditions(tmp_path / "renditions")
    yield Workplace(store, folders, tmp_path / "imports", kept, 10**6)
    store.close()


def begun(workplace: Workplace, stopping: threading.Event | None = None) -> Job:
    """The oldest job of thumbnails, taken by this process; a new one if there is none."""
    book = Book(workplace.store, [thumbnails.KIND])
    if not book.ready():
        with workplace.store.write() as connection:
            row = connection.execute(select(datasets)).one()
            enter(connection, thumbnails.order(row, 1), join=False)
    run = book.claim(book.ready()[0])
    assert run is not None
    return Job(workplace.store, run, stopping or threading.Event(), lambda _: None)


def do(workplace: Workplace, job: Job) -> list[str]:
    """Run a job to its end; its log."""
    thumbnails.work(workplace, job.run)(job)
    assert job.completed
    with workplace.store.read() as connection:
        lines = select(task_logs.c.line).where(task_logs.c.task_id == job.run.task_id)
        return list(connection.execute(lines.order_by(task_logs.c.id)).scalars())


def test_it_ends_when_there_is_no_more_room(workplace: Workplace, tmp_path: Path) -> None:
    """What is kept stays within its limit, and the job pushes out nothing that it made."""
    small = Renditions(tmp_path / "small", 8_000)
    bounded = Workplace(
        workplace.store, workplace.folders, workplace.imports, small, workplace.max_pixels
    )
    lines = do(bounded, begun(bounded))
    assert "have taken their room" in lines[0]
    kept = files(tmp_path / "small")
    assert lines[1].startswith(f"Made {len(kept)} thumbnail(s)")
    assert 0 < len(kept) < 2 * NUMBER
    assert sum(file.stat().st_size for file in kept) <= 8_000


def test_it_goes_on_where_it_was_left(workplace: Workplace, tmp_path: Path) -> None:
    """A job that is stopped is no half work: the next attempt makes what is missing."""
    stopping = threading.Event()

    class Stopping(Renditions):
        def keep(self, *given: Any) -> None:
            super().keep(*given)
            if len(files(tmp_path / "renditions")) == 7:
                stopping.set()

    kept = Stopping(tmp_path / "renditions")
    stopped = Workplace(workplace.store, workplace.folders, workplace.imports, kept, 10**6)
    job = begun(stopped, stopping)
    with pytest.raises(JobStopped) as left:
        thumbnails.work(stopped, job.run)(job)
    Book(workplace.store, [thumbnails.KIND]).close(job, left.value)
    there = len(files(tmp_path / "renditions"))
    lines = do(workplace, begun(workplace))
    assert lines[-1] == f"Made {2 * NUMBER - there} thumbnail(s), {there} were there, 0 unreadable"
    assert len(files(tmp_path / "renditions")) == 2 * NUMBER


def test_it_gives_way(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another job could run, what is left becomes a job behind it."""
    monkeypatch.setattr(thumbnails, "BATCH", 5)
    job = begun(workplace)
    with workplace.store.write() as connection:
        waiting = enter(connection, Order(TEST, "test", "waits", 1, 1), join=False)
    lines = do(workplace, job)
    assert lines == [
        "Made 10 thumbnail(s), 0 were there, 0 unreadable",
        "Another job waits: the others are made behind it",
    ]
    asked = select(tasks.c.id, tasks.c.kind).where(tasks.c.completed.is_(False))
    with workplace.store.write() as connection:
        open_ = connection.execute(asked.order_by(tasks.c.id)).all()
        assert [row.kind for row in open_] == [TEST, thumbnails.KIND]
        connection.execute(tasks.update().where(tasks.c.id == waiting.id).values(completed=True))
    lines = do(workplace, begun(workplace))
    assert lines[-1] == f"Made {2 * NUMBER - 10} thumbnail(s), 0 were there, 0 unreadable"
    assert len(files(tmp_path / "renditions")) == 2 * NUMBER
