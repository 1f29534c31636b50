"""Measures the first fetch of a dataset's files, beside aria2c and wget2 where they are installed.

    python3 -m bench.files                      2,000 files of about 100 kB
    python3 -m bench.files --files 200 --repeat 1

The ways take turns on coir's own server. bench/README.md says what the columns are.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from bench import machine
from bench.cost import cpu_seconds, listeners
from bench.place import Place
from bench.stage import open_stage
from bench.talk import say
from coir import Dataset, Scan, connect
from coir.mirror import Mirror, Options

SIZE = (640, 480)
BYTES = 100_000
FOLDERS = 10
IN_FLIGHT = 4


@dataclass
class Way:
    """A way to fetch the files into a folder, and what its runs took."""

    name: str
    fetch: Callable[[Path], None]
    seconds: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bench.files",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args(arguments)
    with open_stage(0) as place, _connected(place) as dataset:
        expected = _filled(place, dataset, given.files)
        ways = list(_ways(dataset, [row.id for row in Scan(dataset)]))
        pids = listeners(place.url)
        for turn in range(given.repeat):
            for way in ways:
                say(f"turn {turn + 1} of {given.repeat}: {way.name}")
                _run(way, pids, expected)
    _show(ways, given.files, expected)
    return 0


@contextmanager
def _connected(place: Place) -> Iterator[Dataset]:
    with connect(place.url, username=place.username, password=place.password) as server:
        yield server.dataset(place.dataset)


def _filled(place: Place, dataset: Dataset, files: int) -> int:
    """Write pictures, and let the server find them; gives how many bytes they have."""
    say(f"writing {files:,} files")
    directory = place.directory
    noise = Image.effect_noise((SIZE[0] // 4, SIZE[1] // 4), 60).resize(SIZE)
    picture = directory.parent.parent / "one.jpg"
    Image.merge("RGB", [noise, noise.rotate(180), noise]).save(picture, quality=90)
    content = picture.read_bytes()[:BYTES].ljust(BYTES, b"\0")
    for number in range(files):
        folder = directory / f"day_{number % FOLDERS}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:05}.jpg").write_bytes(content + number.to_bytes(4, "big"))
    dataset.server.jobs.wait(dataset.scan_folder().id)
    return files * (BYTES + 4)


def _ways(dataset: Dataset, ids: Sequence[int]) -> Iterator[Way]:
    for number in (IN_FLIGHT, 2 * IN_FLIGHT):
        yield Way(f"coir sync, {number} in flight", _by_coir(dataset, number))
    url = dataset.server.url
    cookies = dataset.server.transport.cookies
    header = "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items())
    addresses = {one: f"{url}/api/image/{one}?original=true" for one in ids}
    if shutil.which("aria2c"):
        lines = "".join(f"{address}\n  out={one}.jpg\n" for one, address in addresses.items())
        options = ["-q", f"-j{IN_FLIGHT}", "-x1", "--file-allocation=none", "--header", header]
        yield Way("aria2c -j4 -x1", _by_program(["aria2c", *options], lines, "-d"))
    if shutil.which("wget2"):
        lines = "".join(f"{address}\n" for address in addresses.values())
        options = ["-q", f"--max-threads={IN_FLIGHT}", "--header", header]
        yield Way("wget2 --max-threads=4", _by_program(["wget2", *options], lines, "-P"))


def _by_coir(dataset: Dataset, in_flight: int) -> Callable[[Path], None]:
    def fetch(folder: Path) -> None:
        with Mirror(folder) as mirror:
            mirror.sync(dataset, options=Options(concurrency=in_flight, annotations="none"))

    return fetch


def _by_program(command: Sequence[str], lines: str, into: str) -> Callable[[Path], None]:
    def fetch(folder: Path) -> None:
        images = folder / "images"
        images.mkdir()
        (folder / "list").write_text(lines)
        subprocess.run([*command, "-i", str(folder / "list"), into, str(images)], check=True)

    return fetch


def _run(way: Way, pids: Sequence[int], expected: int) -> None:
    with tempfile.TemporaryDirectory(prefix="coir-bench-") as name:
        folder = Path(name)
        server, client = cpu_seconds(pids), _own()
        started = time.perf_counter()
        way.fetch(folder)
        way.seconds.append(time.perf_counter() - started)
        way.server.append(cpu_seconds(pids) - server)
        way.client.append(_own() - client)
        found = sum(one.stat().st_size for one in (folder / "images").rglob("*") if one.is_file())
        if found != expected:
            raise SystemExit(f"bench: {way.name} fetched {found:,} bytes of {expected:,}")


def _own() -> float:
    """User and system time of this process and of the programs that it ran."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _show(ways: Sequence[Way], files: int, expected: int) -> None:
    fastest = min(
        (statistics.median(one.seconds) for one in ways if "coir" not in one.name), default=0.0
    )
    print(f"{files:,} files, {expected / 1e6:,.0f} MB; {machine.describe()['cpu']}\n")
    print(
        "| way | seconds | spread | files/s | of the faster program | server CPU, s | own CPU, s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for way in ways:
        middle = statistics.median(way.seconds)
        share = f"{fastest / middle:.0%}" if fastest else "-"
        print(
            f"| {way.name} | {middle:.2f} | {min(way.seconds):.2f} to {max(way.seconds):.2f} "
            f"| {files / middle:,.0f} | {share} | {statistics.median(way.server):.2f} "
            f"| {statistics.median(way.client):.2f} |"
        )


if __name__ == "__main__":
    os.environ.pop("COIR_PASSWORD", None)
    raise SystemExit(main(sys.argv[1:]))
