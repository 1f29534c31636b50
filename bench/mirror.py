"""Measures syncs of rows beside a plain listing, on one server, in turns.

    python3 -m bench.mirror                          coir's own server, 200,000 images
    python3 -m bench.mirror --server URL --username NAME --dataset D [--plain]
    python3 -m bench.mirror --held 1000000           and in a mirror with so many annotations, too

Without annotations and files: what is measured is what looking at a dataset costs. The password
is taken from COIR_PASSWORD. Of three images in the middle, deleted through the API and restored
afterwards, it is measured what finding them costs; `--no-delete` leaves that out. bench/README.md
says what the rows are.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench import machine
from bench.export import outlined
from bench.place import Place
from bench.stage import open_stage
from bench.talk import say
from coir import Dataset, Scan, Server
from coir.mirror import Mirror, Options
from coir.mirror.database import keep
from coir.mirror.holdings import KEPT
from coir.mirror.reading import FIELDS

ROWS_ONLY = {"images": "none", "annotations": "none"}


@dataclass
class Way:
    """What is measured: seconds and requests of each turn."""

    name: str
    seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def run(self, work: Callable[[], int]) -> None:
        """Do it once; the work gives its requests."""
        started = time.perf_counter()
        self.requests.append(work())
        self.seconds.append(time.perf_counter() - started)


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bench.mirror",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--server")
    parser.add_argument("--username", default="")
    parser.add_argument("--dataset", default="")
    parser.add_argument(
        "--plain", action="store_true", help="use nothing that the original does not have"
    )
    parser.add_argument("--no-delete", dest="delete", action="store_false")
    parser.add_argument(
        "--held",
        type=int,
        default=0,
        help="sync at last a mirror into which so many annotations, and a file of each image, "
        "were written; its server must have a change feed",
    )
    given = parser.parse_args(arguments)
    place = Place(
        given.server or "", given.username, os.environ.get("COIR_PASSWORD", ""), given.dataset
    )
    opened = nullcontext(place) if given.server else open_stage(given.images)
    with opened as where, where.connect() as server:
        if given.plain:
            server.info = msgspec.structs.replace(server.info, coir=None)
        ways = _measured(server, where.dataset, given.repeat, delete=given.delete)
        if given.held:
            ways.append(_held(server.dataset(where.dataset), given.held, given.repeat))
        _print(ways)
    return 0


def _measured(server: Server, name: str, repeat: int, *, delete: bool) -> list[Way]:
    ways = {
        title: Way(title)
        for title in (
            "the listing alone",
            "the listing with what a mirror wants",
            "first sync",
            "sync, nothing changed",
            "quick sync, nothing changed",
            "quick sync, three images deleted",
            "sync, three images deleted",
        )
    }
    for turn in range(repeat):
        say(f"turn {turn + 1} of {repeat}")
        with tempfile.TemporaryDirectory(prefix="coir-bench-mirror-") as folder:
            _turn(server, server.dataset(name), Path(folder), list(ways.values()), delete=delete)
    return [way for way in ways.values() if way.seconds]


def _held(dataset: Dataset, annotations: int, repeat: int) -> Way:
    """Sync a large mirror in which nothing changed."""
    say(f"{annotations:,} annotations are written")
    way = Way("sync, nothing changed, of a mirror with annotations and files")
    with tempfile.TemporaryDirectory(prefix="coir-bench-mirror-") as folder:
        home = Path(folder) / "m"
        with Mirror(home) as mirror:
            mirror.sync(dataset, options=Options(**ROWS_ONLY))
            with mirror.database.write() as connection:
                rows = outlined(annotations, random.Random(1))
                connection.executemany("INSERT INTO annotations VALUES (?, ?, ?, ?)", rows)
                connection.execute(
                    "UPDATE images SET place = id, place_key = id, size = 1, sha256 = hex(id)"
                )
                kept = msgspec.structs.replace(mirror.settings, images="original")
                keep(connection, "settings", kept)
                keep(connection, KEPT, kept.images)
            for _ in range(repeat):
                way.run(lambda: mirror.sync(dataset).counts.requests)
    return way


def _turn(
    server: Server, dataset: Dataset, folder: Path, ways: Sequence[Way], *, delete: bool
) -> None:
    listing, wanted, first, again, quick, quick_gone, gone = ways
    listing.run(lambda: _listed(dataset))
    if "fields" in dataset.server.info.features:
        wanted.run(lambda: _listed(dataset, FIELDS))
    with Mirror(folder / "m") as mirror:

        def synced(*, fast: bool = False) -> int:
            options = Options(**ROWS_ONLY, quick=fast, recheck=0)
            return mirror.sync(dataset, options=options).counts.requests

        first.run(synced)
        again.run(synced)
        quick.run(lambda: synced(fast=True))
        if delete:
            with _deleted(server, mirror):
                quick_gone.run(lambda: synced(fast=True))
            synced()
            with _deleted(server, mirror):
                gone.run(synced)


def _listed(dataset: Dataset, fields: Sequence[str] = ()) -> int:
    scan = Scan(dataset, fields=fields)
    for _ in scan:
        pass
    return scan.certificate.requests


@contextmanager
def _deleted(server: Server, mirror: Mirror) -> Iterator[None]:
    ids = [image.id for image in mirror.images()]
    chosen = [ids[len(ids) * part // 7] for part in (2, 4, 5)]
    for image_id in chosen:
        server.images.delete(image_id)
    try:
        yield
    finally:
        for image_id in chosen:
            server.undo.restore("image", image_id)


def _print(ways: Sequence[Way]) -> None:
    base = statistics.median(ways[0].seconds)
    print(f"{machine.describe()['cpu']}\n")
    print("| what | seconds | spread | times the listing | requests |")
    print("|---|---:|---:|---:|---:|")
    for way in ways:
        middle = statistics.median(way.seconds)
        print(
            f"| {way.name} | {middle:.2f} | {min(way.seconds):.2f} to {max(way.seconds):.2f} "
            f"| {middle / base:.2f} | {statistics.median(way.requests):.0f} |"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
