"""Databases of every earlier revision, with rows in each table, are brought to the newest one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from argon2 import PasswordHasher
from sqlalchemy import inspect, select

import coir.server.store
from coir.server.cursors import Cursor
from coir.server.store.changes import Place as Position
from coir.server.store.engine import Store
from coir.server.store.migration import migrate
from coir.server.store.tables import metadata, task_logs

from .databases import Place, statements
from .running import Running, completed, created

Row = dict[str, Any]

CONFIG = Config()
CONFIG.set_main_option("script_location", f"{Path(coir.server.store.__file__).parent}/migrations")
REVISIONS = sorted(one.revision for one in ScriptDirectory.from_config(CONFIG).walk_revisions())

TOKEN = f"coir_{'7' * 64}"
FAR = 4_000_000_000_000
MARK = {"category_id": 1, "segmentation": [[1.5, 1, 9, 1, 9, 9]], "area": 30.25, "color": "#123456"}
POINTS = {"keypoints": [1, 2, 2, 0, 0, 0], "metadata": {"é": "ü"}, "paper_object": ["Path", {}]}
NAMED: Row = {"supercategory": "animal", "color": None, "metadata": {}, "creator_id": 1}
NAMED |= {"keypoint_edges": [], "keypoint_labels": [], "keypoint_colors": [], "created_at": 5}
LIVING: Row = {"deleted": False, "deleted_date": None}
GONE: Row = {"deleted": True, "deleted_date": 77}


def user(called: str, **more: Any) -> Row:
    shown = {"name": None, "email": None, "is_admin": False, "preferences": {}, "last_seen": None}
    named = {"oid": called, "username": called.upper(), "username_folded": called}
    state = {"password_hash": "!", "created_at": 3, "deleted": False, "password_changed": True}
    return named | shown | state | more


def image(dataset: int, name: str, **more: Any) -> Row:
    path = f"/datasets/{'one' if dataset == 1 else 'two'}/{name}"
    counted = {"annotated": False, "num_annotations": 0, "category_ids": []}
    wire = {"license": None, "coco_url": None, "image_url": None, "thumbnail_url": None}
    spent = {"metadata": {}, "milliseconds": 0, "events": [], "regenerate_thumbnail": False}
    file = {"file_size": 7, "file_mtime_ns": 2**60, "file_sample": "ab", "vanished": True}
    shown = {"dataset_id": dataset, "path": path, "file_name": name, "width": 40, "height": 30}
    shown |= {"date_captured": 9, "created_at": 8}
    return shown | counted | wire | spent | file | LIVING | more


def annotation(on: int, **more: Any) -> Row:
    shape = {"category_id": None, "segmentation": [], "area": 0.0, "bbox": [1, 1, 8, 8]}
    kind = {"iscrowd": False, "isbbox": True, "creator_id": 2, "color": None, "keypoints": []}
    spent = {"metadata": {}, "paper_object": [], "milliseconds": 2**40, "events": [{"a": 1}]}
    where = {"image_id": on, "dataset_id": 1}
    return where | shape | kind | spent | LIVING | {"created_at": 10} | more


# What is written at a revision, of these columns those that it has. Ids are given in this order.
ROWS: dict[str, list[Row]] = {
    "users": [
        user("ann", is_admin=True, preferences={"k": [1]}, last_seen=2**41),
        user("bob", name="B.", email="b@example.org"),
        user("gone", deleted=True),
    ],
    "sessions": [{"token_hash": "s", "user_id": 1, "created_at": 4}],
    "tokens": [
        {"token_hash": "", "user_id": 1, "name": "t", "scope": "read", "created_at": 4}
        | {"expires_at": FAR, "last_used_at": None}
    ],
    "attempts": [{"key": "k", "failures": 3, "began_at": 2**41}],
    "categories": [
        NAMED | LIVING | {"name": "cat", "keypoint_labels": ["é", "b"], "keypoint_edges": [[1, 2]]},
        NAMED | GONE | {"name": "dog", "metadata": {"a": "b"}, "creator_id": 2},
    ],
    "datasets": [
        {"name": "one", "owner_id": 1, "categories": [1], "default_annotation_metadata": {"m": "n"}}
        | {"created_at": 6, "removed": False}
        | LIVING,
        {"name": "two", "owner_id": 2, "categories": [], "default_annotation_metadata": {}}
        | {"created_at": 7, "removed": True}
        | GONE,
    ],
    "shares": [{"dataset_id": 1, "user_id": 2}],
    "images": [
        image(1, "é.jpg", annotated=True, num_annotations=2, category_ids=[1], metadata={"a": 1}),
        image(1, "b.jpg", milliseconds=2**40, events=[{"b": 2}], license=4, coco_url="http://x/"),
        image(1, "c.jpg", **GONE),
        image(2, "d.jpg", image_url="/i", thumbnail_url="/t", regenerate_thumbnail=True),
    ],
    "annotations": [
        annotation(1, **MARK, isbbox=False, iscrowd=True),
        annotation(1, **POINTS),
        annotation(1, **MARK | GONE),
    ],
    "tasks": [
        {"key": key, "group": "g", "name": "n", "dataset_id": 1, "creator_id": 1, "created_at": 11}
        | {"completed": ended, "progress": 100.0 * ended, "errors": 2, "warnings": 1}
        | {"kind": "export", "attempts": 1, "runner": None, "leased_until": None}
        | {"arguments": {"categories": [], "with_empty_images": True}, "cancelled": False}
        for key, ended in (("ended", True), ("running", False))
    ],
    "task_logs": [{"task_id": 1, "at": 12, "level": "INFO", "line": "é %s ?"}],
    "presence": [
        {"connection": "c", "holder": "h", "dataset_id": 1, "image_id": 1, "user_id": 1}
        | {"since": 13, "expires_at": 14}
    ],
    "exports": [{"dataset_id": 1, "path": "/datasets/one/x", "tags": ["COCO"], "created_at": 15}],
    "feed": [{"key": "0123456789ab", "floor_xid": 0, "floor_seq": 0}],
    "staged_annotations": [
        {"task_id": 2, "image_id": 1, "category": 0, "area": 1.5, "bbox": [1, 2, 3, 4]}
        | {"segmentation": [], "iscrowd": False, "isbbox": True, "color": "#fff"}
        | {"keypoints": [], "metadata": {}}
    ],
    "staged_categories": [{"task_id": 2, "number": 0, "category_id": 1}],
}
# What the database counts itself: no row is given these.
COUNTED = {"datasets": ("num_images", "num_annotated", "layout")}
NOTED = "changes"
# What rows have in columns that came later than they.
LATER: dict[str, Row] = {
    "users": {"deleted": False, "password_changed": False},
    "datasets": {"removed": False},
    "images": dict.fromkeys(("file_size", "file_mtime_ns", "file_sample")) | {"vanished": False},
    "tasks": dict.fromkeys(("kind", "runner", "leased_until"))
    | {"arguments": {}, "attempts": 0, "cancelled": False},
}
JOBS = "0007"


class Older:
    """A data directory whose database is at a revision, and has rows in each table."""

    def __init__(self, data: Path, place: Place, revision: str) -> None:
        data.mkdir()
        self.data, self.revision = data, revision
        self.store = Store(place.where(data))
        with self.store.write() as connection:
            CONFIG.attributes["connection"] = connection
            command.upgrade(CONFIG, revision)
        with self.store.read() as connection:
            found = inspect(connection)
            self.columns = {
                table.name: {column["name"] for column in found.get_columns(table.name)}
                for table in metadata.sorted_tables
                if found.has_table(table.name)
            }
        with statements(data) as database:
            for table, rows in ROWS.items():
                for row in rows if table in self.columns else ():
                    given = {k: _plain(v) for k, v in row.items() if k in self.columns[table]}
                    names = ", ".join(f'"{name}"' for name in given)
                    marks = ", ".join("?" * len(given))
                    database.execute(
                        f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(given.values())
                    )

    def rows(self, table: str) -> list[Row]:
        """What is in a table now, without what is counted, in the order of its key."""
        asked = metadata.tables[table]
        with self.store.read() as connection:
            found = connection.execute(select(asked).order_by(*asked.primary_key)).mappings()
            return [
                {k: v for k, v in row.items() if k not in COUNTED.get(table, ())} for row in found
            ]

    def expected(self, table: str) -> list[Row]:
        """What must be there after an upgrade: what was written, what came later as it begins."""
        if table not in self.columns:
            return []
        has = self.columns[table]
        later = LATER.get(table, {})
        rows = [{k: v if k in has else later[k] for k, v in row.items()} for row in ROWS[table]]
        if "id" in has:
            rows = [{"id": number} | row for number, row in enumerate(rows, start=1)]
        if table == "tasks" and self.revision < JOBS:
            rows[1] |= {"completed": True, "errors": 3}
        return rows


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


@pytest.fixture
def older(request: pytest.FixtureRequest, place: Place, data: Path) -> Iterator[Older]:
    """A database of the revision that the test is given."""
    made = Older(data, place, request.param)
    yield made
    made.store.close()


@pytest.mark.parametrize("older", REVISIONS, indirect=True)
def test_rows_are_kept(older: Older) -> None:
    """Each row is as it was, column by column; what came later is as for a new row; what is
    counted is right, and goes on to be."""
    for table, columns in older.columns.items():
        if table != NOTED:
            written = {name for row in ROWS[table] for name in row} | {"id"}
            assert columns <= written | set(COUNTED.get(table, ())), f"{table}: nothing to write"
    migrate(older.store)
    for table in metadata.tables:
        if table not in (NOTED, task_logs.name):
            assert older.rows(table) == older.expected(table), table
    said, *reported = older.rows(task_logs.name)
    assert [said] == older.expected(task_logs.name)
    # Who began a job must know that nobody goes on with it.
    assert len(reported) == (older.revision < JOBS)
    for row in reported:
        assert (row["task_id"], row["level"]) == (2, "ERROR")
        assert "start it again" in row["line"]
    _count(older)


def _count(older: Older) -> None:
    """Counts of images, the layout and the feed are those of the rows, and go on with them."""
    laid = [2, 1] if "layout" in older.columns["datasets"] else [0, 0]
    counts = "SELECT num_images, num_annotated, layout FROM datasets ORDER BY id"
    feed = "SELECT kind, change FROM changes WHERE dataset_id = 1"
    with statements(older.data) as database:
        assert database.execute(counts).fetchall() == [(2, 1, laid[0]), (1, 0, laid[1])]
        before = Counter(map(tuple, database.execute(feed)))
        made = {("image", "created"): 3, ("annotation", "created"): 3, ("category", "created"): 1}
        assert before == (made if NOTED in older.columns else {})
        for change in (
            "UPDATE images SET deleted = true WHERE id = 1",
            "UPDATE images SET vanished = NOT vanished WHERE id = 2",
            "UPDATE annotations SET area = 2 WHERE id = 1",
            "UPDATE categories SET color = 'red' WHERE id = 1",
        ):
            database.execute(change)
        assert database.execute(counts).fetchone() == (1, 0, laid[0] + 1)
        assert Counter(map(tuple, database.execute(feed))) - before == {
            ("image", "deleted"): 1,
            ("image", "changed"): 1,
            ("annotation", "changed"): 1,
            ("category", "changed"): 1,
        }


@pytest.mark.parametrize("older", [REVISIONS[0], REVISIONS[-2]], indirect=True)
def test_a_server_shows_them(older: Older) -> None:
    """A server brings the database up when it starts, and lists all; people, tokens and cursors
    are known, and new things get new ids."""
    newer = older.revision != REVISIONS[0]
    with statements(older.data) as database:
        database.execute("UPDATE users SET password_hash = ?", (PasswordHasher().hash("ann-pw"),))
        if newer:
            digest = hashlib.sha256(TOKEN.encode()).hexdigest()
            database.execute("UPDATE tokens SET token_hash = ?", (digest,))
    (older.data / "datasets" / "one").mkdir(parents=True)
    server = Running(older.data)
    ann = server.user("ann")

    def shown(path: str) -> Any:
        answer = ann.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert shown("/api/user/")["user"]["is_admin"] is True
    assert [one["name"] for one in shown("/api/dataset/")] == ["one"]
    page = shown("/api/dataset/1/data")
    assert page["total"] == 2
    assert [one["file_name"] for one in page["images"]] == ["b.jpg", "é.jpg"]
    assert [one["num_annotations"] for one in page["images"]] == [0, 2]
    assert page["dataset"]["categories"] == [1]
    assert [one["name"] for one in shown("/api/category/")] == ["cat"]
    first, second = shown("/api/annotation/")
    assert first["segmentation"] == ROWS["annotations"][0]["segmentation"]
    assert second["keypoints"] == POINTS["keypoints"]
    assert {one["name"] for one in shown("/api/undo/list/")} >= {"dog", "c.jpg"}
    ended, other = completed(ann)
    assert (ended["errors"], other["errors"]) == (2, 0 if newer else 3)
    assert len(shown("/api/dataset/1/exports")) == (2 if newer else 0)  # the job was one
    if newer:
        cursor = Cursor(ROWS["feed"][0]["key"], 1, Position(0, 0))
        assert len(shown(f"/api/dataset/1/changes?since={cursor}")["changes"]) == 7
        signed = server.client(headers={"Authorization": f"Bearer {TOKEN}"})
        assert signed.get("/api/dataset/").json() == shown("/api/dataset/")
    assert created(ann, "three") == 3
    made = ann.post("/api/annotation/", json={"image_id": 2, "category_id": 1})
    assert made.json()["id"] == 4
    assert [one["num_annotations"] for one in shown("/api/dataset/1/data")["images"]] == [1, 2]
    assert server.end() == (0, "", "")
