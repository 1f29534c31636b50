"""The bench measures every way, and says so in a table and in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .project import ROOT

pytestmark = pytest.mark.slow

IMAGES = 3_000
SECONDS = 240
BY_HAND = ["page loop", "pages-1000", "keyset", "windows-1000", "windows-5000", "windows-20000"]
BY_COIR = ["ids-1", "ids-4", "rows"]
IN_PROCESS = ["sqlite3", "sqlalchemy"]


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COIR_")}
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


class Measured:
    """What one short run on coir's own server printed and wrote."""

    def __init__(self, folder: Path) -> None:
        written = folder / "bench.json"
        short = ["--images", str(IMAGES), "--budget", "1", "--repeat", "1", "--json", str(written)]
        self.told = bench(*short, TMPDIR=str(folder))
        self.left = [path.name for path in folder.iterdir() if path != written]
        assert self.told.returncode == 0, self.told.stderr
        self.json: dict[str, Any] = json.loads(written.read_bytes())
        self.rows: dict[str, dict[str, Any]] = {row["way"]: row for row in self.json["rows"]}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("bench"))


def test_every_way_is_measured(measured: Measured) -> None:
    """Each way that the server offers has a row, in the table and in the JSON."""
    streamed = ["stream"] if "ids" in measured.json["server"]["features"] else []
    assert list(measured.rows) == [*BY_HAND, *BY_COIR, *streamed, *IN_PROCESS]
    lines = measured.told.stdout.splitlines()
    for row in measured.rows.values():
        assert [line for line in lines if line.startswith(f"| {row['title']} ")], row["title"]
        assert row["error"] == ""


def test_every_way_gives_every_id(measured: Measured) -> None:
    """What is not extrapolated has read each id, once."""
    whole = {name: row["runs"] for name, row in measured.rows.items()
             if not row["summary"]["extrapolated"]}  # fmt: skip
    assert set(BY_COIR + IN_PROCESS) <= whole.keys()
    for name, runs in whole.items():
        assert [(run["ids"], run["distinct"]) for run in runs] == [(IMAGES, IMAGES)], name


def test_every_way_has_its_costs(measured: Measured) -> None:
    """Seconds, requests, answers, memory and the server's processor time are real figures."""
    loop = measured.rows["page loop"]["summary"]
    assert loop["requests"] == IMAGES / 100 + 1
    for name in BY_HAND + BY_COIR:
        row, costs = measured.rows[name], measured.rows[name]["summary"]
        assert 0 < costs["longest_answer"] <= costs["seconds_max"]
        assert costs["extrapolated"] or 5 < costs["memory_mb"] < 500
        assert len(row["others"]["others_wait"]) > 0 or costs["seconds"] < 0.5
        if sys.platform == "linux":
            assert len(costs["server_cpu"]) == 1
    if sys.platform == "linux":
        assert loop["server_cpu"][0] > 0
    assert measured.json["machine"]["cores"] == os.cpu_count()


def test_nothing_is_left(measured: Measured) -> None:
    """The server that was started for it, and its data, are gone."""
    assert measured.left == []
    assert "Traceback" not in measured.told.stderr


def test_a_wrong_address_is_told_in_a_sentence() -> None:
    """An address where nothing listens ends with one sentence and the client's exit code."""
    told = bench("--server", "http://127.0.0.1:9", "--dataset", "big")
    assert told.returncode == 3
    assert told.stdout == ""
    assert told.stderr.startswith("bench: ")
    assert "Traceback" not in told.stderr


def test_what_is_no_address_is_told_in_a_sentence() -> None:
    """Whatever coir's client refuses is told as the client tells it."""
    told = bench("--server", "nonsense://", "--dataset", "big")
    assert told.returncode == 2
    assert told.stderr.startswith("bench: ")
    assert "Traceback" not in told.stderr


def test_a_sample_is_spread_over_the_whole() -> None:
    """The steps that are sampled lie at all depths, and each step comes once."""
    program = """
from bench.walk import spread
for count in (1, 2, 7, 2001):
    steps = list(spread(count))
    assert sorted(steps) == list(range(count)), count
first = sorted(list(spread(2001))[:16])
gaps = [b - a for a, b in zip(first, first[1:])]
assert max(gaps) <= 2 * min(gaps), gaps
print("even")
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (told.stdout, told.stderr) == ("even\n", "")


def test_the_server_is_measured() -> None:
    """The bench of the server fills its table, on few files and annotations."""
    told = subprocess.run(
        [sys.executable, "-m", "bench.server", "--files", "100", "--annotations", "2000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    rows = [line.split("|")[1:4] for line in told.stdout.splitlines() if line.startswith("| ")]
    assert [row[1].strip() for row in rows if row[1].strip() not in ("-", "wanted")] == [
        "500 files/s",
        "10 ms",
        "10 ms",
        "300 MB",
        "300 MB",
    ]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("program", "rows"),
    [
        (["annotators", "--annotators", "2", "--seconds", "4"], ["load", "save"]),
        (["imports", "--megabytes", "0.5"], ["until it is imported", "a page save meanwhile"]),
    ],
)
def test_people_and_imports_are_measured(
    program: list[str], rows: list[str], database: str
) -> None:
    """The benches of annotators and of imports fill their tables, on each kind of database."""
    told = printed(f"bench.{program[0]}", *program[1:], "--database", database)
    for row in rows:
        assert f"| {row}" in told


def test_the_export_is_measured() -> None:
    """The bench of the export fills its table, on few annotations."""
    ways = ("coco", "plain", "rle", "parquet", "csv", "query")
    told = printed("bench.export", "--annotations", "500", "--repeat", "1", "--ways", *ways)
    rows = [line.split("|")[1:-1] for line in told.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(ways)
    assert all(float(cell) >= 0 for row in rows[1:] for cell in (row[1], row[3], row[4]))


def printed(*program: str) -> str:
    """What a bench prints."""
    told = subprocess.run(
        [sys.executable, "-m", *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout
