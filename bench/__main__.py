"""Compares ways to read a dataset on one server, in one run.

    python3 run.py bench                        coir's own server, started for it
    python3 run.py bench --server URL --username NAME --dataset D

The password is taken from COIR_PASSWORD. bench/README.md says what each row is.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import stamina

from bench import machine
from bench.cost import descendants, listeners, name_of
from bench.goals import goals
from bench.job import Job
from bench.measurement import Row
from bench.place import Place
from bench.series import FOREIGN, Series
from bench.stage import open_stage
from bench.table import table
from bench.talk import say
from bench.walk import Extent
from bench.way import ALL, BASE, WAYS, Way
from coir.client import Dataset, routes
from coir.errors import CoirError
from coir.model import ImageId, ServerInfo

# Of the cores: above it, other work takes part in what is measured.
BUSY = 0.5


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table; gives the exit code."""
    options = _options(arguments)
    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
    stamina.instrumentation.set_on_retry_hooks([])  # an error is told once, in a sentence
    try:
        with _place(options) as place:
            return _bench(place, options)
    except CoirError as error:
        print(f"bench: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"       {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 run.py bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--server", metavar="URL", help="measure this server instead of one started for it")
    add("--username", default="", help="who logs in there; the password is in COIR_PASSWORD")
    add("--dataset", help="its dataset, by name or id")
    add("--server-pid", type=int, action="append", default=[], metavar="PID",
        help="a process of the server, or its database, with all it started; may be repeated. "
        "Without it: what listens at the address on this machine")  # fmt: skip
    add("--images", type=_count, default=200_000, help="images on the server started for it")
    add("--repeat", type=_count, default=5, help="runs of each way; extrapolated ones run once")
    add("--budget", type=float, default=60.0, metavar="SECONDS",
        help="a way that takes longer is measured that long, on a sample")  # fmt: skip
    add("--ways", nargs="+", choices=list(WAYS), metavar="WAY",
        help=f"only these: {', '.join(WAYS)}")  # fmt: skip
    add("--no-others", action="store_true", help="leave out how long another user waits")
    add("--calm", type=float, default=0.0, metavar="SECONDS",
        help="repeat runs beside which the machine had other work, at most so long")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write everything that was measured")
    options = parser.parse_args(arguments)
    if options.server and not options.dataset:
        parser.error("--server needs --dataset")
    return options


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Place]:
    if options.server is None:
        with open_stage(options.images) as place:
            yield place
    else:
        password = os.environ.get("COIR_PASSWORD", "")
        yield Place(options.server, options.username, password, options.dataset)


def _bench(place: Place, options: argparse.Namespace) -> int:
    with place.connect() as server:
        dataset = server.dataset(place.dataset)
        extent = _extent(dataset)
    ways = _ways(place, server.info, options.ways)
    groups = _groups(server.url, options.server_pid)
    job = Job(
        way="",
        place=place,
        dataset_id=dataset.info.id,
        extent=extent,
        budget=options.budget,
        groups=groups,
    )
    about = _about(dataset, extent, groups, options)
    _introduce(about)
    rows: list[Row] = []
    series = Series(job, ways, options.repeat, not options.no_others, options.calm)
    for rows in series.run():
        if options.json:
            _write(options.json, about, rows, own=bool(place.database))
    _conclude(about, rows, own=bool(place.database))
    return 1 if any(row.error for row in rows) else 0


def _extent(dataset: Dataset) -> Extent:
    run, one = dataset.server.transport.run, dataset.info.id
    ends = [
        run(routes.images(one, {"order": order, "limit": "1"}, ImageId)) for order in ("id", "-id")
    ]
    if not ends[1].images:
        raise CoirError(f"Dataset '{dataset.info.name}' has no images.")
    return Extent(ends[1].total, ends[0].images[0].id, ends[1].images[0].id)


def _ways(place: Place, server: ServerInfo, chosen: Sequence[str] | None) -> list[Way]:
    return [
        way
        for way in ALL
        if way.name in (chosen or WAYS)
        and (not way.own or place.database)
        and (not way.feature or way.feature in server.features)
    ]


def _groups(url: str, pids: Sequence[int]) -> list[list[int]]:
    """Give the server's processes, those listed one by one each with its descendants."""
    listed = pids or listeners(url)
    groups: list[list[int]] = []
    for pid in listed:
        if not any(pid in group for group in groups):
            groups.append(descendants([pid]))
    return groups


def _about(
    dataset: Dataset, extent: Extent, groups: list[list[int]], options: argparse.Namespace
) -> dict[str, Any]:
    info = dataset.server.info
    return {
        "machine": machine.describe(),
        "load_before": machine.load(),
        "server": {
            "name": info.name, "version": info.version, "features": info.features,
            "processes": [name_of(group[0]) for group in groups],
        },
        "images": extent.total,
        "ids": [extent.low, extent.high],
        "settings": {"repeat": options.repeat, "budget": options.budget},
    }  # fmt: skip


def _introduce(about: dict[str, Any]) -> None:
    here, server = about["machine"], about["server"]
    print(f"{here['cpu']}, {here['cores']} cores, {here['memory_gb']} GB, {here['system']}, "
          f"{here['python']}, SQLite {here['sqlite']}; load {about['load_before']}")  # fmt: skip
    print(f"{server['name']} {server['version']}, {about['images']:,} images with ids "
          f"{about['ids'][0]:,} to {about['ids'][1]:,}", flush=True)  # fmt: skip
    if (about["load_before"] or 0) > BUSY * here["cores"]:
        say("The machine is busy with other work, which takes part in what is measured.")


def _conclude(about: dict[str, Any], rows: Sequence[Row], *, own: bool) -> None:
    base = next((row for row in rows if row.way == BASE), None)
    disturbed = [row.title for row in rows if any(run.foreign > FOREIGN for run in row.runs)]
    print("", table(rows, base, about["server"]["processes"]), "", sep="\n")
    for row in rows:
        for run in row.runs[:1]:
            if run.sampled is not None:
                print(f"≈ {row.title}: {run.sampled:,} of {run.requests:,} requests were made.")
            elif run.distinct != about["images"]:
                print(f"! {row.title}: {run.distinct:,} of {about['images']:,} ids.")
    if disturbed:
        print(f"Beside other work of the machine: {', '.join(disturbed)}; see --calm.")
    for goal in goals(rows, own=own):
        print(goal)


def _write(path: Path, about: dict[str, Any], rows: Sequence[Row], *, own: bool) -> None:
    """Write what is known so far: whoever interrupts a long run keeps it."""
    found = [{**msgspec.to_builtins(row), "summary": row.summary()} for row in rows]
    reached = [
        {**msgspec.to_builtins(goal), "reached": goal.reached} for goal in goals(rows, own=own)
    ]
    content = {**about, "load_after": machine.load(), "rows": found, "goals": reached}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
