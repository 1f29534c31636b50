"""What each format writes is read back by what people read it with."""

from __future__ import annotations

import csv
import io
import json as json_
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pyarrow import ipc, parquet

from client.misbehaving import DATA, Asked, Misbehaving, Reply, json
from client.serving import Serving, serving
from coir.cli.formats import FORMATS
from server.running import created, picture, scanned

from .command import COMMAND, PATIENCE, coir, environment

ADMIN = {"COIR_USERNAME": "admin", "COIR_PASSWORD": "admin-pw"}
# By folder, in a dataset of its own on a real disk.
FILES = {
    "": ["plain.jpg", "with space.jpg", 'comma, and "quotes".jpg', "'; drop.jpg", "-o.jpg"],
    "鳥/été": ["青い鳥.jpg", "oiseau d'été.jpg", "🐦‍⬛.jpg", "عصفور.jpg"],
    "a+b & c%20d#e": ["100%.jpg", "=1+1.jpg", "a&b=c.jpg"],
}
# What no disk need have, but an answer may.
NAMES = ["tab\there", "back\\slash", "line\nbreak", "carriage\rreturn", "both\r\n", "", ' "',
         "nul\0", "\x1b[2J", "\u2028", "a,b", "e\u0301", "😀" * 40]  # fmt: skip
READERS = {"json", "ndjson", "csv", "parquet", "arrow"}


class Disk:
    """A server with a dataset of the files above; ``rows`` is what its API tells of them."""

    def __init__(self, server: Serving) -> None:
        self.url = server.url
        admin = server.user("admin")
        dataset = created(admin, "鳥 and birds", categories=["cat"])
        created(admin, "empty")
        top = server.directory("鳥 and birds")
        for folder, names in FILES.items():
            (top / folder).mkdir(parents=True, exist_ok=True)
            for name in names:
                (top / folder / name).write_bytes(picture())
        scanned(admin, dataset)
        listing = f"/api/dataset/{dataset}/data?order=id&limit=1000"
        [category] = admin.get("/api/category/").json()
        for row in admin.get(listing).json()["images"][::3]:
            body = {"image_id": row["id"], "category_id": category["id"]}
            assert admin.post("/api/annotation/", json=body).status_code == 200
        self.rows: list[dict[str, Any]] = admin.get(listing).json()["images"]
        self.ids = [row["id"] for row in self.rows]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with serving(tmp_path_factory.mktemp("formats")) as running:
        yield Disk(running)


@cache  # nothing changes on the server, and each command takes half a second
def written(*arguments: str, url: str) -> bytes:
    """The bytes that a command writes to stdout."""
    done = subprocess.run(
        [*COMMAND, *arguments, "-q", "-s", url],
        env=environment(ADMIN),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def read_back(content: bytes, name: str) -> list[dict[str, Any]]:
    """The rows of a format, as a program of a user gets them."""
    match name:
        case "json":
            return list(json_.loads(content))
        case "ndjson":
            assert content.endswith(b"\n") or not content
            return [json_.loads(line) for line in content.split(b"\n")[:-1]]
        case "csv":
            return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        case "parquet":
            return list(parquet.read_table(io.BytesIO(content)).to_pylist())
        case _:
            return list(ipc.open_stream(content).read_all().to_pylist())


def flat(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Rows as CSV can hold them."""
    return [
        {
            name: " ".join(cell) if isinstance(cell, list) else str(cell)
            for name, cell in row.items()
        }
        for row in rows
    ]


def test_every_format_has_a_reader_here() -> None:
    """No format goes untested; lines are read by their own test."""
    assert set(FORMATS) == READERS | {"lines"}


@pytest.mark.parametrize("name", sorted(READERS))
def test_images(disk: Disk, name: str) -> None:
    """Every field of every image comes back, whatever the file names and folders are."""
    rows = read_back(written("images", "鳥 and birds", "-f", name, url=disk.url), name)
    assert rows == (flat(disk.rows) if name == "csv" else disk.rows)
    assert {row["file_name"] for row in rows} == {one for names in FILES.values() for one in names}


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_ids(disk: Disk, name: str) -> None:
    """Ids come back as integers: bare in a JSON array, and else in a column `id`."""
    rows = read_back(written("ids", "鳥 and birds", "-f", name, url=disk.url), name)
    assert [int(row["id"]) if isinstance(row, dict) else row for row in rows] == disk.ids


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_nothing(disk: Disk, name: str) -> None:
    """A dataset without images is written as a file without rows, not as no file."""
    content = written("images", "empty", "-f", name, url=disk.url)
    assert read_back(content, name) == []
    if name in {"csv", "parquet", "arrow"}:
        assert b"id" in content


def test_types(disk: Disk) -> None:
    """Columns have types of their own: numbers, a boolean, a list of names."""
    content = written("images", "鳥 and birds", "-f", "parquet", url=disk.url)
    schema = parquet.read_schema(io.BytesIO(content))
    types = {field.name: str(field.type).replace("element", "item") for field in schema}
    assert types == {
        "id": "int64",
        "file_name": "string",
        "annotated": "bool",
        "annotating": "list<item: string>",
        "num_annotations": "int64",
    }


@pytest.mark.parametrize("name", ["ndjson", "parquet"])
def test_a_file_holds_what_stdout_would(disk: Disk, tmp_path: Path, name: str) -> None:
    """`-o` writes the same bytes, and nothing to stdout."""
    path = tmp_path / '鳥 ,".out'
    command = ("images", "鳥 and birds", "-f", name)
    assert written(*command, "-o", str(path), url=disk.url) == b""
    assert path.read_bytes() == written(*command, url=disk.url)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_ascii(disk: Disk) -> None:
    """Folders are meant as they are spelled, whatever a URL would make of them."""
    for folder, names in FILES.items():
        if folder:
            content = written("images", "鳥 and birds", "--folder", folder, url=disk.url)
            assert {row["file_name"] for row in read_back(content, "ndjson")} == set(names)


def _odd(asked: Asked) -> Reply:
    low, high = int(asked.params.get("id__gte", 0)), int(asked.params.get("id__lt", 2**62))
    rows = [
        {"id": number, "file_name": name, "annotated": False, "annotating": ["bob", "admin"],
         "num_annotations": 0}
        for number, name in enumerate(NAMES, 1) if low <= number < high
    ]  # fmt: skip
    shown = sorted(rows, key=lambda row: row["id"], reverse=asked.params["order"] == "-id")
    return json({"total": len(rows), "per_page": 1, "images": shown[: int(asked.params["limit"])]})


@pytest.mark.parametrize("name", sorted(READERS))
def test_odd_names(name: str) -> None:
    """Tabs, line breaks, quotes, NUL and escapes in a name come back as they were."""
    with Misbehaving({DATA: _odd}) as server:
        content = written("images", "birds", "-f", name, url=server.url)
    rows = read_back(content, name)
    assert [row["file_name"] for row in rows] == NAMES
    annotating = "bob admin" if name == "csv" else ["bob", "admin"]
    assert {json_.dumps(row["annotating"]) for row in rows} == {json_.dumps(annotating)}


def test_lines() -> None:
    """An image is a line of its id, a tab and its name, in which tabs and breaks are escapes."""
    with Misbehaving({DATA: _odd}) as server:
        content = written("images", "birds", "-f", "lines", url=server.url).decode()
    rows = [line.split("\t") for line in content.split("\n")[:-1]]
    assert [int(row[0]) for row in rows] == list(range(1, len(NAMES) + 1))
    assert {len(row) for row in rows} == {2}
    assert [row[1] for row in rows][:2] == [r"tab\there", "back\\slash"]


def test_the_extra_is_named_when_it_is_not_installed(disk: Disk, tmp_path: Path) -> None:
    """Without pyarrow its formats say what to install, and leave no file."""
    hidden = tmp_path / "hides" / "pyarrow"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError(name='pyarrow')\n")
    env = {**ADMIN, "PYTHONPATH": str(tmp_path / "hides")}
    path = tmp_path / "birds.parquet"
    done = coir("ids", "empty", "-f", "parquet", "-o", str(path), "-s", disk.url, env=env)
    assert (done.code, done.out) == (1, "")
    assert done.sentences[-1] == "Run: pip install 'coir[arrow]'"
    assert list(tmp_path.glob("*birds*")) == []
