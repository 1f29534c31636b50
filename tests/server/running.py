"""A real server process on a free loopback port, and what tests need around it."""

from __future__ import annotations

import io
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import httpx2 as httpx
from argon2 import PasswordHasher
from PIL import Image

from coir.server import passwords
from coir.server.names import fold

from .databases import Postgres, Statements, statements
from .forked import Forked

# Generous: two cores may be busy with other tests.
START_SECONDS = 120
JOB_SECONDS = 120


def picture(width: int = 96, height: int = 64, kind: str = "JPEG", color: str = "teal") -> bytes:
    """A small real picture."""
    written = io.BytesIO()
    Image.new("RGB", (width, height), color).save(written, kind)
    return written.getvalue()


def cheap_hashes() -> None:
    """Let a hash of a password take no time: it was most of what signing in takes in a test.

    What it takes otherwise is shown by `test_users.py`.
    """
    passwords.PasswordHasher = partial(  # type: ignore[misc]
        PasswordHasher, time_cost=1, memory_cost=64, parallelism=1
    )


class Running:
    """A server process over a data directory."""

    # Those a failed test did not end; the session ends them.
    alive: ClassVar[set[Running]] = set()

    # A module and its first arguments; and what is to happen in the process before it runs.
    command: ClassVar[Sequence[str]] = ("coir.server",)
    prepare: ClassVar[Callable[[], None] | None] = staticmethod(cheap_hashes)

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self._clients: list[httpx.Client] = []
        url = Postgres.urls.get(data)
        where = [] if url is None else ["--database", url]
        module, *first = self.command
        given = [*first, "--data", str(data), "--port", "0", *options, *where]
        self._process = self._started(module, given)
        self.alive.add(self)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("coir is serving at http://"), self.end()
        self.url = line.split()[-1]
        self.pid = self._process.pid

    def _started(self, module: str, arguments: Sequence[str]) -> Forked | subprocess.Popen[str]:
        return Forked(module, arguments, type(self).prepare)

    def client(self, **options: Any) -> httpx.Client:
        """A client without a session."""
        # Without TLS there is nothing to verify, and loading certificates takes 50 ms.
        made = httpx.Client(base_url=self.url, timeout=60, verify=False, **options)
        self._clients.append(made)
        return made

    def user(self, name: str) -> httpx.Client:
        """A client with the session of a user, who is registered when new."""
        client = self.client()
        given = {"username": name, "password": f"{name}-pw"}
        # Asked of the database: to try takes a hash, which is most of what a small test takes.
        with self.database() as database:
            asked = "SELECT 1 FROM users WHERE username_folded = ? AND NOT deleted"
            known = database.execute(asked, (fold(name),)).fetchone()
        word = "login" if known else "register"
        assert client.post(f"/api/user/{word}", json=given).status_code == 200
        return client

    def database(self) -> AbstractContextManager[Statements]:
        """The server's database, for what no route does yet."""
        return statements(self.data)

    def directory(self, dataset: str) -> Path:
        """Where the files of a dataset lie."""
        return self.data / "datasets" / dataset

    def end(self) -> tuple[int, str, str]:
        """End it as a service manager does; its exit code and the rest of its output."""
        for client in self._clients:
            client.close()
        self._process.terminate()
        out, err = self._process.communicate(timeout=120)
        self.alive.discard(self)
        assert self._process.returncode is not None
        return self._process.returncode, out, err

    def kill(self) -> None:
        """End it as a power failure does."""
        for client in self._clients:
            client.close()
        self._process.kill()
        self._process.communicate(timeout=120)
        self.alive.discard(self)

    def lapse(self) -> None:
        """Let the time pass in which a killed process might come back for its job."""
        with self.database() as database:
            database.execute("UPDATE tasks SET leased_until=0 WHERE leased_until IS NOT NULL")


def created(client: httpx.Client, name: str, **more: Any) -> int:
    """A new dataset's id."""
    answer = client.post("/api/dataset/", json={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def uploaded(
    client: httpx.Client, dataset: int, name: str, content: bytes | None = None
) -> httpx.Response:
    """The answer to an upload."""
    file = (name, picture() if content is None else content, "image/jpeg")
    return client.post("/api/image/", data={"dataset_id": str(dataset)}, files={"image": file})


def completed(client: httpx.Client) -> list[dict[str, Any]]:
    """The jobs that the client sees, once all are completed."""
    deadline = time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline:
        jobs: list[dict[str, Any]] = client.get("/api/tasks/").json()
        if all(job["completed"] for job in jobs):
            return jobs
        time.sleep(0.02)
    raise AssertionError("the jobs did not end")


def job_of(client: httpx.Client, answer: httpx.Response) -> tuple[dict[str, Any], list[str]]:
    """The job that an answer started, once it is completed, and the lines of its log."""
    assert answer.status_code == 200, answer.text
    number = answer.json()["id"]
    job = next(job for job in completed(client) if job["id"] == number)
    lines = client.get(f"/api/tasks/{number}/logs").json()["logs"]
    return job, [line.split("] ", 2)[2] for line in lines]


def scanned(client: httpx.Client, dataset: int) -> dict[str, Any]:
    """The job of a scan, once it is completed."""
    return job_of(client, client.get(f"/api/dataset/{dataset}/scan"))[0]
