"""What it costs to write a mirror of a million annotations as COCO, beside the plain way.

    python3 -m bench.export                      the table of bench/README.md

The plain way is that of scripts around pycocotools: everything into dictionaries, then
`json.dump`. Both read the same database and write to the same disk; each run is a process of its
own, and the ways take turns.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import msgspec

from bench import machine
from bench.cost import peak_memory_mb
from coir.mirror import Mirror
from coir.mirror.database import Database, keep
from coir.mirror.record import AnnotationRecord, CategoryRecord
from coir.mirror.settings import Settings

__all__ = ["outlined"]

ON_AN_IMAGE = 10
POINTS = 20
CATEGORIES = 80


def fill(home: Path, annotations: int) -> None:
    """Make a mirror with so many annotations, each an outline of twenty points."""
    chance = random.Random(1)
    database = Database(home / "coir.db", create=True)
    settings = Settings(
        "bench", "http://localhost:5000", 1, "bench", "/datasets/bench/", {}, "none"
    )
    images = range(1, annotations // ON_AN_IMAGE + 1)
    with database.write() as connection:
        keep(connection, "settings", settings)
        for number in range(1, CATEGORIES + 1):
            body = msgspec.json.encode(CategoryRecord(number, f"category {number}"))
            connection.execute(
                "INSERT INTO categories VALUES (?, ?, ?)",
                (number, f"category {number}", body.decode()),
            )
        connection.executemany(
            "INSERT INTO images (id, file_name, path, width, height, annotated, num_annotations, "
            "annotations_due, file_due) VALUES (?, ?, ?, 1920, 1080, 1, ?, 0, 0)",
            ((i, f"{i:07}.jpg", f"/datasets/bench/{i:07}.jpg", ON_AN_IMAGE) for i in images),
        )
        connection.executemany(
            "INSERT INTO annotations VALUES (?, ?, ?, ?)", outlined(annotations, chance)
        )
    database.close()


def outlined(number: int, chance: random.Random) -> Iterator[tuple[int, int, int, str]]:
    """Give rows of so many annotations, ten on each image."""
    for one in range(1, number + 1):
        x, y = chance.randint(0, 1800), chance.randint(0, 980)
        ring = [
            round(middle + chance.random() * 100, 1) for _ in range(POINTS) for middle in (x, y)
        ]
        image, category = (one - 1) // ON_AN_IMAGE + 1, chance.randint(1, CATEGORIES)
        record = AnnotationRecord(
            one, image, category, [ring], 5000.5, (x, y, 100, 100), False, False, "#123456", {}, ()
        )
        yield one, image, category, msgspec.json.encode(record).decode()


def plain(home: Path, out: Path) -> None:
    """Everything into dictionaries, and then into the file."""
    connection = sqlite3.connect(home / "coir.db")
    columns = ("id", "file_name", "path", "width", "height")
    images = [
        dict(zip(columns, row, strict=True))
        for row in connection.execute("SELECT id, file_name, path, width, height FROM images")
    ]
    categories = [json.loads(body) for (body,) in connection.execute("SELECT body FROM categories")]
    annotations = []
    for (body,) in connection.execute("SELECT body FROM annotations ORDER BY id"):
        annotation = json.loads(body)
        annotation["iscrowd"] = int(annotation["iscrowd"])
        annotations.append(annotation)
    with out.open("w", encoding="utf-8") as file:
        json.dump({"images": images, "categories": categories, "annotations": annotations}, file)


def _exported(format: str, **how: str) -> Callable[[Path, Path], None]:  # noqa: A002
    def way(home: Path, out: Path) -> None:
        with Mirror(home) as mirror:
            # The words of `how` are options, which a dict of texts does not show.
            mirror.export(format, out, **how)  # type: ignore[arg-type]

    return way


def _asked(home: Path, _: Path) -> None:
    with Mirror(home) as mirror:
        mirror.query("SELECT category, count(*), avg(area) FROM annotations GROUP BY ALL")


WAYS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "coco": ("COCO by coir", _exported("coco")),
    "plain": ("COCO by dictionaries and `json.dump`", plain),
    "rle": ("COCO by coir, outlines as masks", _exported("coco", segmentation="rle")),
    "parquet": ("Parquet by coir", _exported("parquet")),
    "csv": ("CSV by coir", _exported("csv")),
    "query": ("a query that groups all annotations", _asked),
}


# Masks take minutes: they are asked for.
USUAL = [way for way in WAYS if way != "rle"]


def measure(way: str, home: Path) -> dict[str, float]:
    """Measure one way in a process of its own."""
    command = [sys.executable, "-m", "bench.export", "--way", way, "--mirror", str(home)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run(way: str, home: Path) -> dict[str, float]:
    """Do it here, and give the figures."""
    out = home / "out"
    before, started = time.process_time(), time.perf_counter()
    WAYS[way][1](home, out)
    seconds, cpu = time.perf_counter() - started, time.process_time() - before
    size = out.stat().st_size if out.exists() else 0
    out.unlink(missing_ok=True)
    return {
        "seconds": seconds,
        "cpu": cpu,
        "memory_mb": peak_memory_mb() or 0.0,
        "size_mb": size / 1e6,
    }


def main(arguments: list[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python3 -m bench.export", description=__doc__)
    parser.add_argument("--annotations", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--ways", nargs="*", default=USUAL, choices=list(WAYS))
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--mirror", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.way:
        print(json.dumps(run(options.way, options.mirror)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home, options.annotations)
        runs: dict[str, list[dict[str, float]]] = {way: [] for way in options.ways}
        for number in range(options.repeat):
            for way in options.ways:
                runs[way].append(measure(way, home))
                print(number + 1, way, runs[way][-1], file=sys.stderr)
    about = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in about.items()), f"load {machine.load()}")
    print("\n| what | seconds | spread | processor, s | peak memory, MB | file, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for way, figures in runs.items():
        seconds = [one["seconds"] for one in figures]
        cpu, memory, size = (
            median(one[name] for one in figures) for name in ("cpu", "memory_mb", "size_mb")
        )
        print(
            f"| {WAYS[way][0]} | {median(seconds):.1f} | {min(seconds):.1f} to {max(seconds):.1f} "
            f"| {cpu:.1f} | {memory:.0f} | {size:,.0f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
