"""Measures coir's own server at its files: scanning, pictures from the cache, exports.

    python3 -m bench.server                     5,000 files, a million annotations
    python3 -m bench.server --annotations 50000 --files 500

bench/README.md says what each row is.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
from PIL import Image
from sqlalchemy import JSON, bindparam, text

from bench import machine
from bench.cost import cpu_seconds, listeners
from bench.place import Place, signed_in
from bench.postgres import KINDS, open_database
from bench.rows import main as insert_rows
from bench.rows import opened
from bench.stage import open_stage
from bench.talk import say

DATASET = 1
# A photograph of twelve megapixels.
LARGE = (4000, 3000)
SMALL = (640, 480)
FOLDERS = 10
TIMES = 300
# What the original answers for a thumbnail that it will make when it starts again.
NOT_MADE = 500
PER_IMAGE = 10
RING = [[round(100 + 37.25 * (n % 5) + n, 2) for n in range(40)]]
INSERT = (
    "INSERT INTO annotations (image_id, dataset_id, category_id, segmentation, area, bbox,"
    " iscrowd, isbbox, creator_id, keypoints, metadata, paper_object, milliseconds, events,"
    " created_at, deleted) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
    " WHERE i + 1 < :number) SELECT 1 + i / :each, 1, 1, :ring, 900,"
    " '[10, 10, 30, 30]', false, false, 1, '[]', '{}', '[]', 0, '[]', 0, false FROM n"
)
CHANGE = "UPDATE images SET annotated=true, num_annotations=:each, category_ids='[1]'"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    wanted: str
    measured: str


def _job(client: httpx.Client, path: str) -> tuple[float, list[str]]:
    """Seconds from the request to the end of the job, and its log."""
    started = time.perf_counter()
    number = client.get(path).raise_for_status().json()["id"]
    while True:
        jobs = {job["id"]: job for job in client.get("/api/tasks/").json()}
        if jobs[number]["completed"]:
            break
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    if jobs[number]["errors"]:
        raise SystemExit(f"bench: the job failed: {jobs[number]}")
    return seconds, client.get(f"/api/tasks/{number}/logs").json()["logs"]


def picture(size: tuple[int, int], place: Path) -> None:
    """Something with as much detail as a photograph."""
    noise = Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size)
    Image.merge("RGB", [noise, noise.rotate(180), noise]).save(place, quality=90)


def scanning(place: Place, files: int) -> Iterator[Row]:
    say(f"writing {files:,} pictures")
    directory = place.directory
    one = directory.parent.parent / "one.jpg"
    picture(SMALL, one)
    content = one.read_bytes()
    for number in range(files):
        folder = directory / f"day_{number % FOLDERS}"
        folder.mkdir(exist_ok=True)
        # The same picture, and no two files the same.
        (folder / f"{number:05}.jpg").write_bytes(content + number.to_bytes(4, "big"))
    with signed_in(place) as client:
        path = f"/api/dataset/{DATASET}/scan"
        say("scanning")
        first, lines = _job(client, path)
        _check(f"Created {files} new image(s)" in lines[-1], lines[-1])
        again, _ = _job(client, path)
        for number in range(0, files, FOLDERS):
            folder = directory / f"day_{number % FOLDERS}"
            (folder / f"{number:05}.jpg").rename(directory / f"moved_{number:05}.jpg")
        moved, lines = _job(client, path)
        _check("Created 0 new image(s)" in lines[-1], lines[-1])
    rate = files / first
    yield Row(f"scan of {files:,} new files", "500 files/s", f"{rate:,.0f} files/s")
    yield Row("the same again, nothing changed", "-", f"{again:.2f} s")
    yield Row("the same again, a tenth was moved", "-", f"{moved:.2f} s")


def pictures(place: Place) -> Iterator[Row]:
    say("pictures from the cache")
    picture(LARGE, place.directory / "large.jpg")
    pids = listeners(place.url)
    with signed_in(place) as client:
        _job(client, f"/api/dataset/{DATASET}/scan")
        query = {"file_name": "large.jpg"}
        (row,) = client.get(f"/api/dataset/{DATASET}/data", params=query).json()["images"]
        yield from cached(client, row["id"], pids)


def cached(client: httpx.Client, image_id: int, pids: Sequence[int]) -> Iterator[Row]:
    """Ask for a picture's thumbnail and the picture, once and again."""
    for what, more in (("thumbnail", "?thumbnail=true"), ("full size", "")):
        path = f"/api/image/{image_id}{more}"
        started = time.perf_counter()
        first = client.get(path)
        made = time.perf_counter() - started
        if first.status_code == NOT_MADE:
            yield Row(f"picture of 12 megapixels, {what}", "-", "not made yet")
            continue
        first.raise_for_status()
        used = cpu_seconds(pids)
        kept = sorted(_seconds(lambda path=path: client.get(path)) for _ in range(TIMES))
        used = (cpu_seconds(pids) - used) / TIMES
        shown = ", ".join(
            f"{1000 * seconds:.1f} ms"
            for seconds in (statistics.median(kept), kept[0], kept[-TIMES // 100], used)
        )
        yield Row(f"picture of 12 megapixels, {what}, the first time", "-", f"{made:.2f} s")
        yield Row(
            f"the same, {what}, from the cache: median, fastest, 99th of 100, server CPU",
            "10 ms",
            shown,
        )


def exports(place: Place, annotations: int) -> Iterator[Row]:
    say(f"inserting {annotations:,} annotations")
    insert_rows(place.database, DATASET, max(1, annotations // PER_IMAGE))
    with signed_in(place) as client:
        given = {"name": "cat"}
        client.post("/api/category/", json=given).raise_for_status()
        given = {"number": annotations, "each": PER_IMAGE, "ring": RING}
        with opened(place.database) as store, store.write() as connection:
            connection.execute(text(INSERT).bindparams(bindparam("ring", type_=JSON)), given)
            connection.execute(text(CHANGE), given)
        (pid,) = listeners(place.url)
        before = _peak_mb(pid)
        say("exporting")
        seconds, lines = _job(client, f"/api/dataset/{DATASET}/export?categories=")
        done = f"Done export {annotations} annotations"
        _check(any(done in line for line in lines), lines[-1])
        exported = _peak_mb(pid)
        newest = client.get(f"/api/dataset/{DATASET}/exports").json()[0]["id"]
        size, downloaded = _read(client, f"/api/export/{newest}/download")
        _, streamed = _read(client, f"/api/dataset/{DATASET}/coco")
        after = _peak_mb(pid)
    what = f"export of {annotations:,} annotations"
    yield Row(f"{what}, {size / 1e6:,.0f} MB", "-", f"{seconds:.1f} s")
    yield Row("its download", "-", f"{downloaded:.1f} s")
    yield Row("the same as one streamed answer", "-", f"{streamed:.1f} s")
    yield Row("the server's largest resident memory, before", "-", f"{before:.0f} MB")
    yield Row("after the export", "300 MB", f"{exported:.0f} MB")
    yield Row("after the download and the streamed answer", "300 MB", f"{after:.0f} MB")


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work().raise_for_status()
    return time.perf_counter() - started


def _read(client: httpx.Client, path: str) -> tuple[int, float]:
    """Bytes and seconds of an answer that is read and not kept."""
    started, size = time.perf_counter(), 0
    # As it is: packing it would be measured too.
    with client.stream("GET", path, headers={"Accept-Encoding": "identity"}) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            size += len(piece)
    return size, time.perf_counter() - started


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def _check(held: bool, said: str) -> None:
    if not held:
        raise SystemExit(f"bench: unexpected: {said}")


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    about = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in about.items()), f"load {machine.load()}")
    print("\n| what | wanted | measured |\n|---|---:|---:|")
    for row in rows:
        print(f"| {row.what} | {row.wanted} | {row.measured} |")


def main(arguments: list[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python3 -m bench.server", description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--annotations", type=int, default=1_000_000)
    parser.add_argument("--database", choices=KINDS, default=KINDS[0])
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    with open_database(options.database) as database, open_stage(0, database.url) as place:
        rows += scanning(place, options.files)
        rows += pictures(place)
    # Of its own: pictures take memory too.
    with open_database(options.database) as database, open_stage(0, database.url) as place:
        rows += exports(place, options.annotations)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
