"""How long a large COCO file takes until it is imported, and what page saves wait for meanwhile.

    python3 -m bench.imports                          100 MB on SQLite
    python3 -m bench.imports --database postgresql

The server is coir's own, started for it, with the images that the file names. The file is sent as
the pages send it, and sent again once it is imported, which changes nothing. Meanwhile somebody
saves the annotation page again and again.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import msgspec

from bench import machine
from bench.cost import cpu_seconds, listeners
from bench.place import Place, signed_in
from bench.postgres import KINDS, Database, open_database
from bench.rows import FOLDERS, row
from bench.stage import open_stage
from bench.talk import say

DATASET = 1
PER_IMAGE = 10
POINTS = 20
CATEGORIES = 10
MEGABYTE = 1_000_000
SAVE_EVERY = 0.1
LOOK_EVERY = 0.05


@dataclass
class Meanwhile:
    """What was seen while an import ran."""

    saves: list[float] = field(default_factory=list)
    anonymous_mb: list[float] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)


def annotation(number: int, image_id: int, choice: random.Random) -> bytes:
    """Give an annotation of some hundred bytes: a polygon, with area and box."""
    x, y = choice.uniform(0, 540), choice.uniform(0, 380)
    ring = [round(n + choice.uniform(0, 90), 2) for _ in range(POINTS) for n in (x, y)]
    made = {
        "id": number,
        "image_id": image_id,
        "category_id": 1 + number % CATEGORIES,
        "segmentation": [ring],
        "area": round(choice.uniform(100, 8000), 2),
        "bbox": [round(x, 2), round(y, 2), 90, 90],
        "iscrowd": 0,
    }
    return msgspec.json.encode(made)


def file_of(size: int, place: Path, names: Sequence[str] = ()) -> tuple[int, int]:
    """Write a COCO file of about this size; gives the numbers of annotations and images.

    The images are those that `rows` makes, PER_IMAGE annotations on each, or those of the names.
    """
    choice = random.Random(1)
    each = sum(len(annotation(one, one, choice)) for one in range(1000)) / 1000
    count = int(size / (each + 80 / PER_IMAGE))
    images = len(names) or -(-count // PER_IMAGE)
    made = (str(row(one, DATASET)["path"]).split("/", 3)[3] for one in range(images))
    pictures = [{"id": n, "file_name": name} for n, name in enumerate(names or made, start=1)]
    on_each = -(-count // images)
    with place.open("wb") as file:
        file.write(b'{"images":')
        file.write(msgspec.json.encode(pictures))
        named = [{"id": 1 + one, "name": f"kind {one}"} for one in range(CATEGORIES)]
        file.write(b',"categories":' + msgspec.json.encode(named) + b',"annotations":[')
        choice = random.Random(2)
        for number in range(count):
            file.write(
                (b"," if number else b"") + annotation(number, 1 + number // on_each, choice)
            )
        file.write(b"]}")
    return count, images


def _save(client: httpx.Client, seen: Meanwhile, ended: threading.Event) -> None:
    body = {"image": {"id": 1, "metadata": {}}, "categories": []}
    number = 0
    try:
        while not ended.wait(SAVE_EVERY):
            number += 1
            body["image"] = {"id": 1, "metadata": {"number": number}}
            started = time.perf_counter()
            client.post("/api/annotator/data", json=body).raise_for_status()
            seen.saves.append(time.perf_counter() - started)
    except BaseException as error:
        seen.errors.append(error)


def _watch(pids: Sequence[int], seen: Meanwhile, ended: threading.Event) -> None:
    """Note what the server holds that is not a part of a file in the system's cache."""
    while not ended.wait(LOOK_EVERY):
        seen.anonymous_mb.append(sum(_status_mb(pid, "RssAnon") for pid in pids))


def _status_mb(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if name in line) / 1024


def sent(client: httpx.Client, dataset: int, file: Path) -> tuple[float, float, list[str]]:
    """Seconds until the answer, and until the end of the job; its log."""
    started = time.perf_counter()
    with file.open("rb") as content:
        files = {"coco": ("large.json", content, "application/json")}
        answer = client.post(f"/api/dataset/{dataset}/coco", files=files).raise_for_status()
    answered = time.perf_counter() - started
    number = answer.json()["id"]
    while True:
        jobs: dict[int, Any] = {job["id"]: job for job in client.get("/api/tasks/").json()}
        if jobs[number]["completed"]:
            break
        time.sleep(LOOK_EVERY)
    seconds = time.perf_counter() - started
    if jobs[number]["errors"]:
        raise SystemExit(f"bench: the job failed: {jobs[number]}")
    return answered, seconds, client.get(f"/api/tasks/{number}/logs").json()["logs"]


def _import(place: Place, file: Path, expected: str, database: Database) -> Iterator[str]:
    """Import the file, and give lines of the table."""
    server, others = listeners(place.url), database.pids()
    seen, ended = Meanwhile(), threading.Event()
    with signed_in(place) as client, signed_in(place) as page:
        held = sum(_status_mb(pid, "RssAnon") for pid in server)
        threads = [
            threading.Thread(target=_save, args=(page, seen, ended)),
            threading.Thread(target=_watch, args=(server, seen, ended)),
        ]
        for thread in threads:
            thread.start()
        used = cpu_seconds(server), cpu_seconds(others)
        try:
            answered, seconds, log = sent(client, DATASET, file)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        used = cpu_seconds(server) - used[0], cpu_seconds(others) - used[1]
    if seen.errors:
        raise seen.errors[0]
    if not any(expected in line for line in log):
        raise SystemExit(f"bench: unexpected: {log[-3:]}")
    saves = sorted(1000 * one for one in seen.saves)
    p99 = saves[min(len(saves) - 1, int(0.99 * len(saves)))]
    yield f"| until it is imported | 60 s | {seconds:.1f} s |"
    yield f"| of it until the answer, with the file checked | - | {answered:.1f} s |"
    yield f"| processor time: server, database's own | - | {used[0]:.1f} s, {used[1]:.1f} s |"
    yield (
        f"| the server's memory without files: before, most | constant | "
        f"{held:.0f} MB, {max(seen.anonymous_mb):.0f} MB |"
    )
    yield (
        f"| a page save meanwhile: median, 99th of 100, longest | - | "
        f"{statistics.median(saves):.0f} ms, {p99:.0f} ms, {saves[-1]:.0f} ms |"
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bench.imports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--database", choices=KINDS, default=KINDS[0])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="coir-bench-file-") as folder:
        file = Path(folder) / "large.json"
        say("writing the file")
        count, images = file_of(int(options.megabytes * MEGABYTE), file)
        with (
            open_database(options.database) as database,
            open_stage(images, database.url) as place,
        ):
            about = machine.describe()
            described = ", ".join(f"{name} {value}" for name, value in about.items())
            print(described, f"load {machine.load()}")
            new = f"{count} annotations new, 0 there already"
            again = f"0 annotations new, {count} there already"
            for what, expected in (("new", new), ("the same again", again)):
                say(f"importing: {what}")
                size = file.stat().st_size / MEGABYTE
                print(
                    f"\n{size:.0f} MB, {count:,} annotations on {images:,} images, "
                    f"{FOLDERS} folders, {options.database}: {what}\n"
                )
                print("| what | wanted | measured |\n|---|---:|---:|")
                for line in _import(place, file, expected, database):
                    print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
