"""`coir demo`: what coir does, shown on a real server with a real dataset."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from coir.cli.talk import console, say, voice
from coir.demo.comparison import read_with_coir, read_with_script
from coir.demo.stage import Stage, Teller, open_stage

__all__ = ["demo"]


def demo(
    images: Annotated[
        int, typer.Option(min=500, max=20_000, help="The images of the dataset.")
    ] = 4_000,
) -> None:
    """Retrieve every id of a dataset from a real server, at rest and at work, and compare.

    Starts a server in a temporary folder, and leaves nothing behind. Needs the extra
    'demo': pip install 'coir[demo]'
    """
    for name in ("SIGTERM", "SIGHUP"):  # the second when a terminal is closed; not on Windows
        if number := getattr(signal, name, None):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    # The copied script asks whatever proxy the environment names, which cannot reach our server.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with _told() as tell, open_stage(images, tell) as stage:
        tell("", 1, 1)
        say(
            f"A server at {stage.server.url} with {images:,} images in folders that repeat "
            f"their file names, {stage.photographs} of them photographs.\n"
        )
        _show(stage, "Nobody else is at work", disturbed=False)
        _show(
            stage, "A few people upload and delete meanwhile (changes: how often)", disturbed=True
        )
    _next_steps()


def _show(stage: Stage, title: str, *, disturbed: bool) -> None:
    with voice.progress("coir") as watch:
        coir, certificate = read_with_coir(stage, rows=True, disturbed=disturbed, watch=watch)
    with voice.progress("coir, ids alone") as watch:
        ids, _ = read_with_coir(stage, rows=False, disturbed=disturbed, watch=watch)
    with voice.progress("The copied script") as watch:
        script = read_with_script(stage, disturbed=disturbed, watch=watch)
    readings = {"coir": coir, "coir, ids alone": ids, "copied script": script}
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for column in ("time", "requests", "ids", "missed", "repeated", "changes"):
        table.add_column(column, justify="right")
    for name, reading in readings.items():
        cells = (reading.requests, reading.ids, reading.missed, reading.repeated, reading.changes)
        table.add_row(name, f"{reading.seconds:.2f} s", *(f"{cell:,}" for cell in cells))
    console.print(table)
    say(f"{certificate.words()}\n")


@contextmanager
def _told() -> Iterator[Teller]:
    if not console.is_terminal:
        said: set[str] = set()

        def line(what: str, _done: int, _of: int) -> None:
            if what and what not in said:
                said.add(what)
                say(f"{what} …")

        yield line
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("", total=1)

        def tell(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, completed=done, total=of, visible=bool(what))

        yield tell


def _next_steps() -> None:
    coir = "coir" if shutil.which("coir") else sys.argv[0]
    say(
        "Next:\n"
        f"  {coir} ids DATASET --server http://your-server:5000 --username you\n"
        f"  {coir} serve --data my-data      your own server, at http://127.0.0.1:5000\n"
        f"  {coir} --help"
    )
