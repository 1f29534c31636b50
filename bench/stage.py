"""coir's own server over a temporary folder, with a dataset of so many images."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.place import Place
from bench.talk import say
from coir.client import connect
from coir.errors import CoirError

__all__ = ["open_stage"]

NAME = "big"
END_SECONDS = 30.0


@contextmanager
def open_stage(images: int, database: str = "") -> Iterator[Place]:
    """Start a server, fill it with rows, and end and remove it afterwards.

    Its database is that of a URL, or a SQLite file.

    Raises:
        CoirError: it does not start.

    """
    with tempfile.TemporaryDirectory(prefix="coir-bench-") as folder:
        data = Path(folder) / "data"
        say("starting coir's own server")
        where = database or str(data / "coir.db")
        with _process(data, database) as url:
            password = secrets.token_urlsafe(12)
            with connect(url) as newcomer:
                newcomer.account.register("admin", password)
            with connect(url, username="admin", password=password) as server:
                dataset = server.create_dataset(NAME).info
            # Not in this process: the client's side must not load the server's.
            command = [sys.executable, "-m", "bench.rows", where, str(dataset.id)]
            subprocess.run([*command, str(images)], check=True)
            yield Place(url, "admin", password, NAME, where, str(data))


@contextmanager
def _process(data: Path, database: str) -> Iterator[str]:
    command = [sys.executable, "-m", "coir", "serve", "--data", str(data), "--port", "0"]
    command += ["--database", database] if database else []
    log = data.with_name("server.log")
    # Without the settings of a real server, such as its database.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COIR_")}
    # Of its own session: Ctrl-C is for the bench, which ends the server itself.
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True,
            env=kept | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        line = process.stdout.readline() if process.stdout else ""
        if "http://" not in line:
            raise CoirError("coir's server did not start.", hint=log.read_text()[-2000:])
        yield line[line.index("http://") :].strip()
    finally:
        process.terminate()
        try:
            process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
