"""How long one page of the listing takes, wherever it lies, alone and with many who page at once.

    python3 -m bench.pages                     coir's own server with 1,000,000 images
    python3 -m bench.pages --database postgresql
    python3 -m bench.pages --server URL --username NAME --dataset D

Each figure is of single requests for 100 images in the server's default order. The places take
turns, and each page is another one of its region, so that no cache of one page helps. The
password is taken from COIR_PASSWORD.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from bench.place import Place
from bench.postgres import KINDS, open_database
from bench.stage import open_stage
from bench.talk import say
from coir.client import Dataset
from coir.client.exchange import Operation, Request
from coir.client.reply import decoded
from coir.errors import CoirError

LIMIT = 100
# A page lies so far from the beginning of its region, at most.
REGION = 200
CLIENTS = 50
# How long the many page, in seconds.
AT_ONCE = 10.0
DELETIONS = 20


class Page(msgspec.Struct):
    """What is checked of a page: that it counts rightly, and holds what it should."""

    total: int
    images: list[msgspec.Raw]


def main(arguments: Sequence[str]) -> int:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bench.pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=50, help="pages of each region")
    parser.add_argument("--database", choices=KINDS, default=KINDS[0])
    parser.add_argument("--server", metavar="URL")
    parser.add_argument("--username", default="")
    parser.add_argument("--dataset", default="")
    options = parser.parse_args(arguments)
    try:
        with _place(options) as place, place.connect() as server:
            dataset = server.dataset(place.dataset)
            _regions(dataset, options.repeat)
            if not options.server:
                _while_deleting(dataset, options.repeat)
            _many(place, dataset)
    except CoirError as error:
        print(f"bench: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Place]:
    if options.server:
        password = os.environ.get("COIR_PASSWORD", "")
        yield Place(options.server, options.username, password, options.dataset)
    else:
        with (
            open_database(options.database) as database,
            open_stage(options.images, database.url) as place,
        ):
            yield place


def _page(dataset_id: int, number: int) -> Operation[Page]:
    request = Request(
        "GET", f"/api/dataset/{dataset_id}/data", {"page": str(number), "limit": str(LIMIT)}
    )
    return decoded(request, (yield request), Page)


def _seconds(dataset: Dataset, number: int, total: int | None) -> float:
    started = time.perf_counter()
    page = dataset.transport.run(_page(dataset.info.id, number))
    took = time.perf_counter() - started
    if len(page.images) != LIMIT or (total is not None and page.total != total):
        raise CoirError(f"Page {number} has {len(page.images)} images of {page.total}.")
    return took


def _regions(dataset: Dataset, repeat: int) -> None:
    say("one page after another, alone")
    total = dataset.transport.run(_page(dataset.info.id, 1)).total
    first: dict[str, float] = {}
    measured = _measured(dataset, repeat, total, first)
    print(f"\n{total:,} images, pages of {LIMIT}; milliseconds\n")
    print("| place | p50 | p99 | the first one |\n|---|---:|---:|---:|")
    for name, values in measured.items():
        print(f"| {name} | {_p50(values):.1f} | {_p99(values):.1f} | {first[name] * 1000:.1f} |")


def _measured(
    dataset: Dataset,
    repeat: int,
    total: int | None,
    first: dict[str, float],
    before: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    count = dataset.transport.run(_page(dataset.info.id, 1)).total // LIMIT
    span = min(REGION, count // 4)
    places = {"start": 1, "middle": count // 2, "end": count - span}
    values: dict[str, list[float]] = {name: [] for name in places}
    for turn in range(repeat):
        for name, start in places.items():
            before()
            took = _seconds(dataset, start + turn * 7 % span, total)
            first.setdefault(name, took)
            values[name].append(took)
    return values


def _while_deleting(dataset: Dataset, repeat: int) -> None:
    say("the same, while images are deleted: each changes where the later ones are")
    ids = iter(range(1, 1 + 3 * repeat))

    def delete() -> None:
        number = next(ids)
        path = f"/api/image/{number}"

        def operation() -> Operation[None]:
            yield Request("DELETE", path)

        dataset.transport.run(operation())

    values = _measured(dataset, min(repeat, DELETIONS), None, {}, delete)
    print("\nA deletion before each; milliseconds\n")
    print("| place | p50 | p99 |\n|---|---:|---:|")
    for name, one in values.items():
        print(f"| {name} | {_p50(one):.1f} | {_p99(one):.1f} |")


def _many(place: Place, dataset: Dataset) -> None:
    say(f"{CLIENTS} who page at once")
    count = dataset.transport.run(_page(dataset.info.id, 1)).total // LIMIT
    values: list[float] = []
    errors: list[BaseException] = []
    end = time.monotonic() + AT_ONCE

    def person(number: int) -> None:
        choice = random.Random(number)
        try:
            with place.connect() as server:
                mine = server.dataset(place.dataset)
                while time.monotonic() < end:
                    values.append(_seconds(mine, choice.randint(1, count), None))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=person, args=(one,)) for one in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(
        f"\n{CLIENTS} clients, pages anywhere: {len(values)} pages, {len(errors)} errors, "
        f"p50 {_p50(values):.0f} ms, p99 {_p99(values):.0f} ms, "
        f"{len(values) / AT_ONCE:.0f} a second"
    )
    if errors:
        raise errors[0]


def _p50(values: Sequence[float]) -> float:
    return statistics.median(values) * 1000


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))] * 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
