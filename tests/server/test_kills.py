"""Jobs that are killed end as if nothing had been: at several instants, on both databases."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from .databases import POSTGRES, SQLITE, Place, Postgres, statements
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
# When a server is killed, as a part of the time that the job takes; and whose worker is killed.
PARTS = {SQLITE: (0.0, 0.4, 0.8), POSTGRES: (0.4,)}
WORKED = {SQLITE: ("import", "removal"), POSTGRES: ("import",)}


@dataclass
class Prepared:
    """A data directory to begin from, and what an undisturbed run of each kind made of it."""

    data: Path
    dataset: int
    place: Place

    def copied(self, where: Path) -> Path:
        shutil.copytree(self.data, where)
        if isinstance(self.place, Postgres):
            self.place.copy(self.data, where)
        return where


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


def begun(server: Running) -> None:
    """Wait until somebody has the job."""
    deadline = time.monotonic() + 30
    with server.database() as database:
        asked = "SELECT count(*) FROM tasks WHERE attempts > 0 AND NOT completed"
        while not database.execute(asked).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(
    prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[dict[str, Any], float]]:
    """The state after a kind of job that nobody disturbed, and the seconds it took."""
    known: dict[str, tuple[dict[str, Any], float]] = {}

    def run(kind: str) -> tuple[dict[str, Any], float]:
        if kind not in known:
            data = prepared.copied(tmp_path_factory.mktemp("undisturbed") / "data")
            server = Running(data)
            admin = server.user("admin")
            answer = KINDS[kind](admin, prepared.dataset)
            began = time.monotonic()
            assert answer.status_code == 200, answer.text
            completed(admin)
            seconds = time.monotonic() - began
            swept(data)
            assert server.end() == (0, "", "")
            known[kind] = state_of(data), seconds
        return known[kind]

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_server_leaves_no_trace(
    kind: str,
    prepared: Prepared,
    undisturbed: Callable[[str], tuple[dict[str, Any], float]],
    tmp_path: Path,
) -> None:
    """SIGKILL while a job runs, and a new start: the same rows and files as without."""
    expected, seconds = undisturbed(kind)
    for part in PARTS[prepared.place.kind]:
        data = prepared.copied(tmp_path / f"data {part}")
        server = Running(data)
        answer = KINDS[kind](server.user("admin"), prepared.dataset)
        assert answer.status_code == 200, answer.text
        begun(server)
        time.sleep(seconds * part)
        server.kill()
        server.lapse()
        again = Running(data)
        completed(again.user("admin"))
        swept(data)
        with again.database() as database:
            (attempts,) = database.execute("SELECT max(attempts) FROM tasks").fetchone()
        assert again.end() == (0, "", "")
        same(state_of(data), expected, part)
        # At once the job was killed for certain, later as it comes.
        assert attempts == 2 or part


def test_a_killed_worker_is_followed_by_another(
    prepared: Prepared,
    undisturbed: Callable[[str], tuple[dict[str, Any], float]],
    tmp_path: Path,
) -> None:
    """The lease of a killed worker runs out, and another one does its job, unasked."""
    for kind in WORKED[prepared.place.kind]:
        expected, seconds = undisturbed(kind)
        data = prepared.copied(tmp_path / kind)
        server = Running(data, "--no-jobs")
        workers = [Working(data)]
        admin = server.user("admin")
        assert KINDS[kind](admin, prepared.dataset).status_code == 200
        time.sleep(seconds / 2)
        workers[0].kill()
        workers.append(Working(data))
        completed(admin)
        swept(data)
        assert workers[1].end() == (0, "", "")
        assert server.end() == (0, "", "")
        same(state_of(data), expected, kind)
