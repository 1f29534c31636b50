"""A server of coir's own in a temporary folder, filled with a dataset, and ended again."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from coir.client import Dataset, Server, connect
from coir.client.credentials import Credentials
from coir.demo.pictures import lay_out
from coir.errors import CoirError

__all__ = ["Stage", "open_stage"]

# One package that only the extra brings for each thing the demo does: serve, draw, show.
NEEDED = ("uvicorn", "PIL", "skimage")
NAME = "days"
CATEGORIES = ("person", "thing")
# Every so many images, one is annotated: as in a dataset on which people have begun to work.
ANNOTATED_EVERY = 15
START_SECONDS = 30.0
SQUARE = (4.0, 4.0, 40.0, 4.0, 40.0, 40.0, 4.0, 40.0)

# What ends a program that a person started; Windows has no SIGHUP.
ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

Teller = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server with one dataset; ``credentials`` are its administrator's."""

    server: Server
    dataset: Dataset
    credentials: Credentials
    photographs: int


@contextmanager
def open_stage(images: int, tell: Teller) -> Iterator[Stage]:
    """Start a server, fill it with so many images, and end and remove it afterwards.

    ``tell`` is called with what is being done, how much of it is done, and how much there is.

    Raises:
        CoirError: the extra 'demo' is not installed, or the server does not start.

    """
    missing = [package for package in NEEDED if find_spec(package) is None]
    if missing:
        raise CoirError(
            f"The demo needs packages that are not installed: {', '.join(missing)}.",
            hint="Run: pip install 'coir[demo]'",
        )
    with tempfile.TemporaryDirectory(prefix="coir-demo-") as folder:
        data = Path(folder) / "data"
        tell("Starting the server", 0, 1)
        with _process(data) as url:
            password = secrets.token_urlsafe(12)
            with connect(url) as newcomer:
                newcomer.account.register("demo", password)
            with connect(url, username="demo", password=password) as server:
                photographs = _fill(server, data, images, tell)
                credentials = Credentials("demo", password)
                yield Stage(server, server.dataset(NAME), credentials, photographs)


@contextmanager
def _process(data: Path) -> Iterator[str]:
    """Run `coir serve` on a free port; gives its address."""
    log = data.with_name("server.log")
    command = [sys.executable, "-m", "coir", "serve", "--data", str(data), "--port", "0"]
    process = None
    try:
        with log.open("wb") as stderr, _uninterrupted():
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                command, env=_environment(), stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        line = process.stdout.readline() if process.stdout else ""
        if "http://" not in line:
            raise CoirError(
                "The demo's server did not start.",
                hint=log.read_text(errors="replace")[-2000:] or "It said nothing.",
            )
        yield line[line.index("http://") :].strip()
    finally:
        if process is not None:
            _end(process)


def _environment() -> dict[str, str]:
    """The environment without the settings of a real server, such as its database."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COIR_")}


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold signals back until the block ends.

    One in the middle of starting a process would leave it running, and nobody would know of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only ever interrupt the main thread
        return
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, lambda number, _: held.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


def _fill(server: Server, data: Path, images: int, tell: Teller) -> int:
    dataset = server.create_dataset(NAME, CATEGORIES)
    tell("Making pictures", 0, images)
    photographs = lay_out(data / "datasets" / NAME, images)
    job = dataset.scan_folder()
    while not (state := server.jobs.get(job.id)).completed:
        tell("The server registers them", int(images * state.progress / 100), images)
        time.sleep(0.1)
    some = range(1, images + 1, ANNOTATED_EVERY)
    for done, image_id in enumerate(some):
        tell("Annotating some", done, len(some))
        category_id = dataset.info.categories[done % len(CATEGORIES)]
        server.annotations.create(image_id, category_id, segmentation=[SQUARE])
    return photographs
