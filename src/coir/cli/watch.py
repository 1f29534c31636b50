"""`coir watch`: new images as they appear."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import typer

from coir.cli import options
from coir.cli.access import Access, open_server, reaching
from coir.cli.formats import FORMATS
from coir.cli.output import destination
from coir.cli.talk import voice
from coir.errors import ConnectionFailed, IncompleteScan, ServerFailed
from coir.model import Image
from coir.scan import Certificate, Filter
from coir.scan.arrays import IMAGES
from coir.scan.watching import watch as watch_dataset

__all__ = ["watch"]

# After a failure the next try waits twice as long, up to this: a server that is being
# restarted is not hammered, and found again soon.
LONGEST_WAIT = 300.0


@reaching
def watch(
    dataset: options.DatasetName,
    access: Access,
    annotated: options.Annotated_ = None,
    category: options.Categories = None,
    folder: options.Folder = None,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="The time between two looks.")
    ] = 10.0,
    format: Annotated[  # noqa: A002 - the option
        Literal["lines", "ndjson"], typer.Option("--format", "-f", help="How to write.")
    ] = "ndjson",
    quiet: options.Quiet = False,
    json_log: options.JsonLog = False,
) -> None:
    """Print new images as they appear, until Ctrl-C.

    What is there at the beginning is not printed. When the server is away, it is asked
    less and less often until it is back, and nothing that appeared meanwhile is lost.
    """
    voice.configure(json=json_log, quiet=quiet)
    wanted = Filter(annotated=annotated, categories=tuple(category or ()), folder=folder)
    with open_server(access) as connection:
        place = connection.dataset(dataset)
        since: Certificate | None = None
        wait = every
        while True:
            try:
                for new, certificate in watch_dataset(place, wanted, every=every, since=since):
                    if since is None:
                        voice.say(f"Watching {dataset} for new images; Ctrl-C ends it.")
                    # What it begins with again is no look, and says nothing of the server.
                    wait = wait if certificate is since else every
                    since = certificate
                    _print(new, format)
            except (ConnectionFailed, ServerFailed, IncompleteScan) as error:
                wait = min(wait * 2, LONGEST_WAIT)
                voice.say(f"{error.message} Looking again in {wait:g} s.")
                time.sleep(wait)


def _print(images: list[Image], name: str) -> None:
    with destination(None, at_once=True) as file:
        FORMATS[name](file, IMAGES).write(images)
