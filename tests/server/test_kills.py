"""Jobs that are killed end as if nothing had been: at several instants, on both databases."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .databases import POSTGRES, Place, Postgres, statements
from .running import Running, completed, created, picture
from .test_imports import file_of, sent
from .working import Working

pytestmark = pytest.mark.slow

IMAGES, FILES, BOXES = 1500, 1500, 6000
NEW = {"id": 90, "name": "new one"}
Begin = Callable[[httpx.Client, int], httpx.Response]


def imported(client: httpx.Client, dataset: int) -> httpx.Response:
    images = [{"id": n, "file_name": f"old/{n}.jpg"} for n in range(IMAGES)]
    boxes = [
        {"image_id": n % IMAGES, "bbox": [n % 80 + 0.5, n // 200 + 0.25, 3, 4], "color": "#123456"}
        for n in range(BOXES)
    ]
    return sent(client, dataset, file_of(*boxes, images=images, categories=[NEW]))


def removed(client: httpx.Client, dataset: int) -> httpx.Response:
    client.delete(f"/api/dataset/{dataset}")
    return client.delete("/api/undo/", params={"id": dataset, "instance": "dataset"})


KINDS: dict[str, Begin] = {
    "scan": lambda client, dataset: client.get(f"/api/dataset/{dataset}/scan"),
    "import": imported,
    "export": lambda client, dataset: client.get(f"/api/dataset/{dataset}/export?categories="),
    "removal": removed,
}


# Columns with ids, and of what: by their place in a row of `state_of`.
NUMBERED = {
    "images": {0: "images"},
    "annotations": {0: "annotations", 1: "images", 2: "categories"},
    "categories": {0: "categories"},
}
# When a process is killed: once a job is so far.
PARTS = (0.0, 0.4, 0.8)
# A job may end between the look at it and the kill, on a machine that is busy: then once more.
TRIES = 3


@dataclass
class Prepared:
    """A data directory to begin from, and what an undisturbed run of each kind made of it."""

    data: Path
    dataset: int
    place: Place

    def copied(self, where: Path) -> Path:
        shutil.copytree(self.data, where, copy_function=_copied)
        if isinstance(self.place, Postgres):
            self.place.copy(self.data, where)
        return where


def _copied(source: str, target: str) -> None:
    """Copy a file; of a picture, which nobody writes to, only its name."""
    (os.link if source.endswith(".jpg") else shutil.copy2)(source, target)


@pytest.fixture(scope="module")
def prepared(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A dataset with images, annotations, and files that are not registered yet."""
    data = place.data(tmp_path_factory.mktemp("prepared") / "data")
    server = Running(data)
    admin = server.user("admin")
    dataset = created(admin, "one", categories=["cat"])
    for folder, number in (("old", IMAGES), ("new", FILES)):
        (server.directory("one") / folder).mkdir()
        for n in range(number):
            (server.directory("one") / folder / f"{n}.jpg").write_bytes(picture(90, 60, "GIF"))
        if folder == "old":
            admin.get(f"/api/dataset/{dataset}/scan")
            completed(admin)
    cat = admin.get("/api/category/").json()[0]["id"]
    with server.database() as database:
        first = database.execute("SELECT min(id) FROM images").fetchone()[0]
        database.executemany(
            "INSERT INTO annotations (image_id, dataset_id, category_id, segmentation, area, bbox,"
            " iscrowd, isbbox, creator_id, keypoints, metadata, paper_object, milliseconds, events,"
            " created_at, deleted) VALUES (?, ?, ?, '[[1,1,9,1,9,9]]', 32.0, '[1,1,8,8]', false,"
            " false, 1, '[]', '{}', '[]', 0, '[]', 0, false)",
            [(first + n % IMAGES, dataset, cat) for n in range(3 * IMAGES)],
        )
    assert server.end() == (0, "", "")
    return Prepared(data, dataset, place)


def state_of(data: Path) -> dict[str, Any]:
    """All that jobs can have changed: rows, counters, files; not when, nor how often tried."""
    asked = {
        "datasets": "SELECT id, name, num_images, num_annotated, categories, deleted, removed"
        " FROM datasets ORDER BY id",
        "images": "SELECT id, path, width, num_annotations, category_ids FROM images ORDER BY id",
        "annotations": "SELECT id, image_id, category_id, area, bbox, segmentation, color"
        " FROM annotations ORDER BY id",
        "categories": "SELECT id, name FROM categories ORDER BY id",
        "staged": "SELECT * FROM staged_annotations",
        "numbered": "SELECT * FROM staged_categories",
        "tasks": 'SELECT id, "group", completed, progress, errors, warnings, runner FROM tasks'
        " ORDER BY id",
    }
    with statements(data) as database:
        found: dict[str, Any] = {k: database.execute(v).fetchall() for k, v in asked.items()}
        exports = database.execute("SELECT path FROM exports").fetchall()
    # What was taken back on PostgreSQL has used up ids: which one it is counts, not its number.
    ranks = {table: {row[0]: rank for rank, row in enumerate(found[table])} for table in NUMBERED}
    for table, references in NUMBERED.items():
        found[table] = [
            tuple(
                ranks[references[at]][value] if at in references else value
                for at, value in enumerate(row)
            )
            for row in found[table]
        ]
    files = [one.relative_to(data) for one in (data / "datasets").rglob("*") if one.is_file()]
    kept = [one for one in files if ".exports" in one.parts]
    found["files"] = sorted(str(one) for one in files if one not in kept)
    # Each file has its row and each row its file; their names hold the time.
    assert sorted(f"/{one}" for one in kept) == sorted(path for (path,) in exports)
    found["exports"] = [json.loads((data / one).read_bytes()) for one in kept]
    return found


def same(found: dict[str, Any], expected: dict[str, Any], where: object) -> None:
    """Compare two states; of what differs a failure shows the name and the first of each."""
    assert found.keys() == expected.keys()
    for name, values in found.items():
        if values != expected[name]:
            pairs = zip_longest(values, expected[name])
            first = next(pair for pair in pairs if pair[0] != pair[1])
            raise AssertionError(f"{where}: {name}: {first[0]!r} instead of {first[1]!r}")


def swept(data: Path) -> None:
    """Wait for what is removed after the end of a job."""
    deadline = time.monotonic() + 30
    while any((data / "imports").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def exported(data: Path, names: str = "*") -> int:
    """The bytes of the exports with such names."""
    files = (data / "datasets" / "one" / ".exports").glob(names)
    return sum(file.stat().st_size for file in files)


def reached(server: Running, part: float, size: int) -> None:
    """Wait until somebody has done that part of the newest job, or all.

    An export notes how far it is once a second only: meanwhile its file tells, ``size`` when whole.
    """
    deadline = time.monotonic() + 30
    asked = "SELECT attempts, progress, completed FROM tasks ORDER BY id DESC LIMIT 1"
    with server.database() as database:
        while True:
            attempts, progress, completed = database.execute(asked).fetchone()
            done = max(progress / 100, exported(server.data, ".coir-*") / max(1, size))
            if completed or (attempts and done >= part):
                return
            assert time.monotonic() < deadline
            time.sleep(0.002)


def attempted(server: Running) -> int:
    """How often the newest job was begun: again only if it was not done when it was killed."""
    with server.database() as database:
        asked = "SELECT attempts FROM tasks WHERE completed ORDER BY id DESC LIMIT 1"
        return int(database.execute(asked).fetchone()[0])


@pytest.fixture(scope="module")
def undisturbed(
    prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[dict[str, Any], int]]:
    """The state after a kind of job that nobody disturbed, and the size of its export."""
    known: dict[str, tuple[dict[str, Any], int]] = {}

    def run(kind: str) -> tuple[dict[str, Any], int]:
        if kind not in known:
            data = prepared.copied(tmp_path_factory.mktemp("undisturbed") / "data")
            server = Running(data)
            admin = server.user("admin")
            answer = KINDS[kind](admin, prepared.dataset)
            assert answer.status_code == 200, answer.text
            completed(admin)
            swept(data)
            assert server.end() == (0, "", "")
            known[kind] = state_of(data), exported(data)
        return known[kind]

    return run


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_server_leaves_no_trace(
    kind: str,
    part: float,
    prepared: Prepared,
    undisturbed: Callable[[str], tuple[dict[str, Any], int]],
    tmp_path: Path,
) -> None:
    """SIGKILL while a job runs, and a new start: the same rows and files as without."""
    expected, size = undisturbed(kind)
    for tried in range(TRIES):
        data = prepared.copied(tmp_path / f"{tried}")
        server = Running(data)
        answer = KINDS[kind](server.user("admin"), prepared.dataset)
        assert answer.status_code == 200, answer.text
        reached(server, part, size)
        server.kill()
        server.lapse()
        again = Running(data)
        completed(again.user("admin"))
        swept(data)
        attempts = attempted(again)
        assert again.end() == (0, "", "")
        same(state_of(data), expected, part)
        if attempts > 1:
            break
    assert attempts == 2


@pytest.mark.parametrize("kind", ["import", "removal"])
def test_a_killed_worker_is_followed_by_another(
    kind: str,
    prepared: Prepared,
    undisturbed: Callable[[str], tuple[dict[str, Any], int]],
    tmp_path: Path,
) -> None:
    """The lease of a killed worker runs out, and another one does its job, unasked."""
    expected, size = undisturbed(kind)
    for tried in range(TRIES):
        data = prepared.copied(tmp_path / f"{tried}")
        server = Running(data, "--no-jobs")
        workers = [Working(data)]
        admin = server.user("admin")
        assert KINDS[kind](admin, prepared.dataset).status_code == 200
        reached(server, 0.5, size)
        workers[0].kill()
        workers.append(Working(data))
        if (kind, prepared.place.kind) != ("import", POSTGRES):  # once is enough to wait for
            server.lapse()
        completed(admin)
        swept(data)
        attempts = attempted(server)
        assert workers[1].end() == (0, "", "")
        assert server.end() == (0, "", "")
        same(state_of(data), expected, kind)
        if attempts > 1:
            break
    assert attempts == 2
