"""`coir export` and `coir query` as a person uses them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from .conftest import Scene

GROUPED = (
    "SELECT category, count(*) AS n, sum(image_width) FROM annotations GROUP BY ALL ORDER BY n"
)
BLOCKED = "import sys; sys.modules['duckdb'] = None; from coir.cli import main; main()"


def coir(*arguments: str | Path, code: int = 0, start: tuple[str, ...] = ("-m", "coir"),
         **more: Any) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    done = subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        **more,
    )
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def test_export_writes_and_tells_what_it_left_out(scene: Scene, tmp_path: Path) -> None:
    """A file or stdout hold the same, and stderr says what is not in it."""
    out = tmp_path / "all.json"
    told = coir("export", scene.home, out).stderr.decode()
    assert "written: 3 images, 5 annotations, 2 categories" in told
    assert "left out: 1 images without a wanted annotation" in told
    printed = coir("export", scene.home, "-", "--quiet")
    assert (printed.stdout, printed.stderr) == (out.read_bytes(), b"")
    chosen = coir("export", scene.home, "-", "-c", "person", "--folder", "b", "--json-log")
    assert len(json.loads(chosen.stdout)["annotations"]) == 1
    account = json.loads(chosen.stderr)["export"]
    assert (account["images"], account["left_out"]["annotations_filtered"]) == (1, 1)


def test_export_refuses_in_a_sentence(scene: Scene, tmp_path: Path) -> None:
    """No mirror, an unknown format, and the database as the file end with code 2."""
    for arguments in (
        (tmp_path, tmp_path / "out"),
        (scene.home, tmp_path / "out", "--format", "voc"),
        (scene.home, scene.home / "coir.db"),
        (scene.home, "-", "--category", "nobody"),
    ):
        assert coir("export", *arguments, code=2).stdout == b""
    assert list(tmp_path.iterdir()) == []


def test_query_answers_in_each_format(scene: Scene, tmp_path: Path) -> None:
    """All formats have the same rows; sums of whole numbers are numbers."""
    rows = [
        {"category": "person", "n": 2, "sum(image_width)": 192},
        {"category": "mug", "n": 3, "sum(image_width)": 288},
    ]
    assert json.loads(coir("query", scene.home, GROUPED, "-f", "json").stdout) == rows
    lines = coir("query", scene.home, "-", "-f", "ndjson", input=GROUPED.encode()).stdout
    assert [json.loads(one) for one in lines.splitlines()] == rows
    text = coir("query", scene.home, GROUPED, "-f", "csv").stdout.decode()
    assert list(csv.reader(io.StringIO(text)))[1:] == [["person", "2", "192"], ["mug", "3", "288"]]
    out = tmp_path / "rows.parquet"
    assert coir("query", scene.home, GROUPED, "-f", "parquet", "-o", out).stdout == b""
    assert pyarrow.parquet.read_table(out)["n"].to_pylist() == [2, 3]
    assert "person" in coir("query", scene.home, GROUPED).stdout.decode()


def test_query_joins_tables_and_itself(scene: Scene) -> None:
    """Each table can be read several times in one query, as of one instant."""
    sql = (
        "SELECT count(*) AS n, count(i.file) AS files FROM annotations a JOIN annotations b "
        "USING (image_id) JOIN images i ON i.id = a.image_id JOIN categories c "
        "ON c.id = a.category_id WHERE c.name = 'mug' AND b.area > 0"
    )
    (row,) = json.loads(coir("query", scene.home, sql, "-f", "json").stdout)
    assert row == {"n": 6, "files": 6}


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC 1",
        "SELECT nothing FROM images",
        "",
        "SELECT 1; SELECT 2",
        "CREATE TABLE birds (id INT)",
        "COPY images TO '{home}/coir.db'",
        "ATTACH '{home}/coir.db'",
        "SELECT * FROM read_text('{home}/coir.db')",
        "INSTALL sqlite",
        "SET enable_external_access = true",
    ],
)
def test_query_refuses_what_is_no_question(scene: Scene, sql: str) -> None:
    """What is no query, or would touch a file, ends with code 2 and changes nothing."""
    database = scene.home / "coir.db"
    before = hashlib.sha256(database.read_bytes()).digest()
    names = sorted(one.name for one in scene.home.iterdir())
    done = coir("query", scene.home, sql.format(home=scene.home), code=2)
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: ")
    assert hashlib.sha256(database.read_bytes()).digest() == before
    assert {*names, "coir.db-shm", "coir.db-wal"} >= {one.name for one in scene.home.iterdir()}


def test_query_says_which_extra_it_needs(scene: Scene) -> None:
    """Without DuckDB a sentence says what to install."""
    done = coir("query", scene.home, "SELECT 1", code=1, start=("-c", BLOCKED))
    assert b"pip install 'coir[query]'" in done.stderr
