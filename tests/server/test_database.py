"""The database that a URL names: what cannot be used is told, and several servers share one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import insert, select

from coir.server.filters import parse
from coir.server.jobs.book import Order
from coir.server.jobs.job import Job, Kind
from coir.server.jobs.jobs import Jobs
from coir.server.settings import Settings
from coir.server.store import postgres as driver
from coir.server.store.conditions import where
from coir.server.store.engine import Store
from coir.server.store.listing import count
from coir.server.store.migration import migrate
from coir.server.store.tables import tasks, users

from .databases import Place, Postgres
from .forked import ran
from .running import Running, completed, created, picture, scanned, uploaded
from .serving import Serving

PASSWORD = "s3cret-Pa55"
NOWHERE = "/nowhere-at-all"


def started(data: Path, url: str, *, code: str = "", by_environment: bool = False) -> str:
    """What a start that must fail says, in one line."""
    command = ["serve", "--data", str(data), "--port", "0"]
    environment = os.environ | {"COLUMNS": "1000", "PYTHONWARNINGS": "ignore"}
    if by_environment:
        environment["COIR_DATABASE"] = url
    else:
        command += ["--database", url]
    if not code:
        ended = ran(command, environment, "", 60)
    else:
        program = f"{code}\nimport runpy\nrunpy.run_module('coir', run_name='__main__')"
        ended = subprocess.run(
            [sys.executable, "-c", program, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
        )
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://me:{PASSWORD}@localhost/coir", "must begin with postgresql://"),
        ("localhost/coir", "must begin with postgresql://"),
        (f"postgresql://me:{PASSWORD}/x@localhost/coir", "%2F for /"),
        (f"postgresql://me:{PASSWORD}@x@localhost/coir", "%40 for @"),
        (f"postgresql://me:{PASSWORD}?x@localhost/coir", "%3F for ?"),
        (f"postgresql://me:{PASSWORD}%zz@localhost/coir", "with %XX for special"),
        (f"postgresql://me:{PASSWORD}", "with %XX for special"),
        (f"postgresql://me:{PASSWORD}@localhost/coir?nonsense=1", "with %XX for special"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/coir", "Look whether the server runs"),
        (f"postgresql://me:{PASSWORD}@/coir?host={NOWHERE}", "Look whether the server runs"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, url: str, said: str) -> None:
    """A URL that is none, or leads nowhere: a sentence that says what to do, without it."""
    error = started(tmp_path, url)
    assert said in error
    assert PASSWORD not in error


def test_the_environment_names_it_too(tmp_path: Path) -> None:
    """COIR_DATABASE does instead of the option."""
    error = started(tmp_path, "mysql://localhost", by_environment=True)
    assert "must begin with postgresql://" in error


def test_missing_package_is_told(tmp_path: Path) -> None:
    """Without the extra the sentence says what to install."""
    code = "import sys; sys.modules['psycopg'] = None"
    assert "pip install 'coir[postgres]'" in started(tmp_path, "postgresql:///coir", code=code)


def test_wrong_password_is_told(tmp_path: Path, postgres: Postgres) -> None:
    """The server's own reason is told, and the password that was tried is not."""
    with postgres.guarded("guest", "right") as url:
        error = started(tmp_path, url(PASSWORD))
        assert "password authentication failed" in error
        assert PASSWORD not in error
        Store(url("right")).close()


def test_other_encodings_are_refused(tmp_path: Path, postgres: Postgres) -> None:
    """A database that cannot hold every text is refused before anything is written."""
    url = postgres.made("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    assert "ENCODING 'UTF8'" in started(tmp_path, url)


def test_newer_database_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    """A database of a newer coir is not touched."""
    url = postgres.made()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    assert "newer coir" in started(tmp_path, url)
    with psycopg.connect(url) as connection:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(tables).fetchall() == [("alembic_version",)]


def test_settings_do_not_show_the_url() -> None:
    """Nobody finds the password in a log that shows the settings."""
    settings = Settings.of(".", database=f"postgresql://me:{PASSWORD}@localhost/coir")
    assert PASSWORD not in repr(settings)


def test_case_is_folded_without_the_best_rules(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a PostgreSQL without any of the rules that coir knows, searching still works."""
    monkeypatch.setattr(driver, "FOLDING", ("no such rule",))
    store = Store(postgres.made())
    migrate(store)
    with store.read() as connection:
        assert count(connection, where(parse({"file_name__icontains": "X"}))) == 0
    store.close()


def test_restart_of_the_database_cuts_no_request(postgres: Postgres, tmp_path: Path) -> None:
    """After PostgreSQL has cut all connections, the next requests are answered as before."""
    data = postgres.data(tmp_path / "data")
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "d")
    with server.database() as database:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert uploaded(admin, dataset, "x.jpg").status_code == 200
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 1
    code, _, err = server.end()
    assert (code, "/api/" in err) == (0, False)  # the queue of jobs may say what it lost


def test_database_that_is_away(tmp_path: Path) -> None:
    """While PostgreSQL is stopped requests are 503, and say when to ask again; when it is back,
    the same server serves and runs jobs as before."""
    own = Postgres()
    server = Serving(own.data(tmp_path / "data"), "--log", "json")
    admin = server.user("admin")
    dataset = created(admin, "d")
    assert uploaded(admin, dataset, "x.jpg").status_code == 200
    own.stop()
    answers = [
        admin.get(f"/api/dataset/{dataset}/data"),
        admin.get(f"/api/dataset/{dataset}/ids"),
        admin.get("/api/info/"),
        admin.get(f"/api/dataset/{dataset}/scan"),
        admin.post("/api/dataset/", json={"name": "e"}),
        uploaded(admin, dataset, "y.jpg"),
        server.client(auth=("admin", "admin-pw")).get("/api/user/"),
        admin.post("/api/user/login", json={"username": "admin", "password": "admin-pw"}),
        admin.get("/api/ready"),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert all("database" in answer.json()["message"] for answer in answers)
    assert [int(answer.headers["retry-after"]) for answer in answers[:-1]] == [5] * 8
    assert admin.get("/api/health").status_code == 200
    own.start()
    assert admin.get("/api/ready").status_code == 200
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 1
    assert uploaded(admin, dataset, "y.jpg").status_code == 200
    assert scanned(admin, dataset)["errors"] == 0
    server.signal()
    assert server.ended() == 0
    log = server.log()
    own.end()
    away = [line for line in log.splitlines() if "the database cannot be reached" in line]
    assert len(away) == 8
    assert "GET /api/dataset/{dataset_id}/data: the database cannot be reached" in log
    assert '"level": "error"' not in log


def test_values_that_no_database_holds_are_refused(server: Running) -> None:
    """A NUL in a text is the client's mistake, wherever it stands; no request fails by it."""
    admin = server.user("admin")
    for path, given in (
        ("category/", {"name": "a\0"}),
        ("dataset/", {"name": "nul", "categories": ["\0"]}),
        ("user/register", {"username": "nul", "password": "x", "email": "\0"}),
    ):
        assert admin.post(f"/api/{path}", json=given).status_code == 400
    assert admin.get("/api/admin/user/a%00b").status_code == 400
    assert server.client(auth=("a\0", "b")).get("/api/user/").status_code in (400, 401)
    dataset = created(admin, "nul in JSON")
    image = uploaded(admin, dataset, "x.jpg").json()
    given = {"image_id": image, "metadata": {"\0": "\0"}}
    made = admin.post("/api/annotation/", json=given).json()
    assert made["metadata"] == {"\0": "\0"}


def test_servers_share_a_database(data: Path) -> None:
    """Two processes agree about sessions, ids and jobs; the job of one that is killed begins
    again in the other."""
    first, second = Running(data), Running(data)
    admin = first.user("admin")
    there = second.client(cookies=dict(admin.cookies))
    dataset = created(there, "shared")
    by_turns = [(admin, there)[number % 2] for number in range(6)]
    ids = [uploaded(one, dataset, f"{n}.jpg").json() for n, one in enumerate(by_turns)]
    assert ids == list(range(ids[0], ids[0] + 6))
    folder = first.directory("shared")
    for number in range(1500):
        (folder / f"more{number}.jpg").write_bytes(picture())
    job = admin.get(f"/api/dataset/{dataset}/scan").json()["id"]
    assert there.get(f"/api/dataset/{dataset}/scan").json()["id"] == job
    first.kill()
    second.lapse()
    states = {row["id"]: row for row in completed(there)}
    assert states[job]["errors"] == 0
    assert there.get(f"/api/dataset/{dataset}/data").json()["total"] == 1506
    assert second.end()[0] == 0


def test_jobs_of_another_process_go_on(place: Place, tmp_path: Path) -> None:
    """A process that starts takes up nothing at which another one works."""
    stores = [Store(place.where(tmp_path)) for _ in range(2)]
    migrate(stores[0])
    with stores[0].write() as connection:
        named = {"oid": "0", "username": "m", "username_folded": "m", "password_hash": ""}
        connection.execute(insert(users).values(id=1, created_at=0, **named))
    ended = threading.Event()
    ran: list[int] = []

    def wait(job: Job) -> None:
        ran.append(job.run.task_id)
        ended.wait(30)

    where = place.where(tmp_path)
    queue = where if isinstance(where, str) else tmp_path / "queue.db"
    kinds = {"waits": Kind(lambda _: wait)}
    first, second = (Jobs(store, queue, kinds, lambda: None) for store in stores)
    asked = select(tasks.c.id, tasks.c.completed, tasks.c.errors)
    order = Order("waits", "test", "waits", None, 1)
    first.open()
    try:
        ticket = first.begin(order)
        second.open()
        joined = second.begin(order)
        time.sleep(1)  # the second one looks for what it can take up
        with stores[1].read() as connection:
            found = connection.execute(asked).all()
    finally:
        ended.set()
        first.close()
        second.close()
    assert found == [(ticket.id, False, 0)]
    assert joined == ticket
    assert ran == [ticket.id]
    with stores[1].read() as connection:
        assert connection.execute(asked).all() == [(ticket.id, True, 0)]
    for store in stores:
        store.close()
