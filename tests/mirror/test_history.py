"""What syncs changed, as the mirror itself tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import coir
from client.serving import Serving, serving
from coir.mirror.history import Difference
from server.running import created, uploaded


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server on which each test makes datasets of its own."""
    with serving(tmp_path_factory.mktemp("history")) as one:
        yield one


class Story:
    """A dataset and its mirror: three images, of which one comes, one goes and one is drawn in."""

    def __init__(self, running: Serving, home: Path, name: str) -> None:
        self.admin = running.user("admin")
        self.dataset = created(self.admin, name, categories=["cat"])
        self.category = self.admin.get("/api/category/").json()[-1]["id"]
        self.ids = [int(uploaded(self.admin, self.dataset, f"{n}.jpg").json()) for n in range(3)]
        self.server = coir.connect(running.url, username="admin", password="admin-pw")
        self.name = name
        self.mirror = coir.Mirror(home)
        self.sync()

    def sync(self) -> coir.SyncReport:
        """Bring the mirror up to date."""
        return self.mirror.sync(self.server.dataset(self.name))

    def draw(self, image_id: int) -> int:
        """Draw a triangle in an image."""
        told = {
            "image_id": image_id,
            "category_id": self.category,
            "segmentation": [[1, 1, 20, 1, 20, 20]],
        }
        answer = self.admin.post("/api/annotation/", json=told)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    def close(self) -> None:
        """Close what was opened."""
        self.mirror.close()
        self.server.close()


def signs(differences: Iterator[Difference]) -> set[tuple[str, str, int]]:
    """What differs, without how."""
    return {(one.sign, one.kind, one.id) for one in differences}


def test_history(running: Serving, tmp_path: Path) -> None:
    """Each sync tells what it changed; between two, only what is different in the end."""
    story = Story(running, tmp_path / "m", "told")
    one, two, three = story.ids
    first = {("+", "image", n) for n in story.ids} | {("+", "category", story.category)}
    assert signs(story.mirror.changed_by(1)) == first
    drawn = story.draw(one)
    story.admin.delete(f"/api/image/{two}")
    passing = int(uploaded(story.admin, story.dataset, "new.jpg").json())
    story.sync()
    second = {
        ("*", "image", one),
        ("-", "image", two),
        ("+", "image", passing),
        ("+", "annotation", drawn),
    }
    assert signs(story.mirror.changed_by(2)) == second
    changed = next(d for d in story.mirror.changed_by(2) if d.sign == "*")
    assert changed.fields["num_annotations"] == (0, 1)
    assert set(changed.fields) == {"num_annotations", "annotated"}
    story.admin.delete(f"/api/image/{passing}")
    story.sync()
    assert signs(story.mirror.changed_by(3)) == {("-", "image", passing)}
    assert signs(story.mirror.changed_by(1)) == first, "what was before stays told"
    assert signs(story.mirror.changed_by(2)) == second
    assert signs(story.mirror.diff(1)) == second - {("+", "image", passing)}
    assert signs(story.mirror.diff(3)) == set()
    assert signs(story.mirror.diff(0)) == {
        ("+", "image", one),
        ("+", "image", three),
        ("+", "annotation", drawn),
        ("+", "category", story.category),
    }
    assert [(e.sync, e.state) for e in story.mirror.log()] == [
        (3, "done"),
        (2, "done"),
        (1, "done"),
    ]
    for never in (story.mirror.diff(4), story.mirror.changed_by(4)):
        with pytest.raises(coir.InvalidRequest, match="no sync 4"):
            list(never)
    story.close()


def test_status(running: Serving, tmp_path: Path) -> None:
    """The status counts what is held, due and wrong, and knows an interrupted sync."""
    story = Story(running, tmp_path / "m", "counted")
    now = story.mirror.status()
    assert (now.images, now.files, now.categories, now.due) == (3, 3, 1, False)
    assert now.settings is not None
    assert now.settings.dataset_name == "counted"
    assert now.last is not None
    assert now.disk.files > 0
    assert (now.interrupted, now.stopped, now.busy, now.scheduled) == (None, None, None, None)
    with story.mirror.database.write() as connection:
        connection.execute(
            "UPDATE images SET file_due = 1, file_trouble = 'gone' WHERE id = ?", (story.ids[1],)
        )
        connection.execute("UPDATE syncs SET state = 'applied'")
    later = story.mirror.status()
    assert (later.files_due, later.troubled, later.due) == (1, 1, True)
    assert (later.last, later.interrupted and later.interrupted.sync) == (None, 1)
    assert [one.image_id for one in story.mirror.troubles()] == [story.ids[1]]
    for image in story.ids:
        story.admin.delete(f"/api/image/{image}")
    with pytest.raises(coir.SyncStopped):
        story.sync()
    stopped = story.mirror.status().stopped
    assert stopped is not None
    story.close()
