"""A server that is worked on, and mirrors of it: what the tests of syncs share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import coir
from client.serving import Serving, serving
from coir import Dataset, Server
from coir.mirror import Mirror
from server.running import created, uploaded

SQUARE = [[1, 1, 20, 1, 20, 20, 1, 20]]


class World:
    """A server with one dataset, and somebody who works on it."""

    def __init__(self, running: Serving, folder: Path, name: str = "birds") -> None:
        self.running = running
        self.folder = folder
        self.admin = running.user("admin")
        self.dataset = created(self.admin, name, categories=[f"{name} cat", f"{name} dog"])
        self.name = name
        datasets = self.admin.get("/api/dataset/").json()
        self.own_categories = next(one for one in datasets if one["id"] == self.dataset)[
            "categories"
        ]
        self._made = 0

    # -- what people do -----------------------------------------------------------------

    def upload(self, name: str | None = None, content: bytes | None = None) -> int:
        """A new image's id."""
        self._made += 1
        answer = uploaded(self.admin, self.dataset, name or f"{self._made:05}.jpg", content)
        assert answer.status_code == 200, answer.text
        return int(answer.json())

    def annotate(self, image_id: int, category_id: int, **more: Any) -> int:
        """A new annotation's id."""
        given = {"image_id": image_id, "category_id": category_id, "segmentation": SQUARE, **more}
        answer = self.admin.post("/api/annotation/", json=given)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    def change(self, annotation_id: int, **more: Any) -> None:
        """An annotation that differs without any row of an image showing it."""
        answer = self.admin.put(f"/api/annotation/{annotation_id}", json=more)
        assert answer.status_code == 200, answer.text

    def delete(self, kind: str, number: int) -> None:
        """A deletion that can be undone."""
        answer = self.admin.delete(f"/api/{kind}/{number}")
        assert answer.status_code == 200, answer.text

    def restore(self, kind: str, number: int) -> None:
        """Something deleted that is back."""
        answer = self.admin.post("/api/undo/", params={"id": number, "instance": kind})
        assert answer.status_code == 200, answer.text

    def categories(self) -> list[int]:
        """The ids of the living categories of the dataset."""
        return [one["id"] for one in self.admin.get("/api/category/").json()]

    # -- who copies ---------------------------------------------------------------------

    @contextmanager
    def server(self, *, plain: bool = False) -> Iterator[Server]:
        """A connection; ``plain`` sees the server as if it were the original."""
        url = self.running.url
        with coir.connect(url, username="admin", password="admin-pw") as server:
            if plain:
                server.info = msgspec.structs.replace(server.info, coir=None)
            yield server

    @contextmanager
    def reach(self, *, plain: bool = False) -> Iterator[Dataset]:
        """The dataset, as `server` shows it."""
        with self.server(plain=plain) as server:
            yield server.dataset(self.dataset)

    def mirror(self, name: str) -> Mirror:
        """A mirror in a folder of this name, perhaps a new one."""
        return Mirror(self.folder / name)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A server that must end in order."""
    with serving(folder) as running:
        yield World(running, folder / "mirrors")


def contents(mirror: Mirror) -> list[str]:
    """All that a mirror holds of its dataset."""
    return [line.decode() for line in mirror.records()]


def files(mirror: Mirror) -> dict[str, str]:
    """The files of a mirror: what each is, by its place."""
    home = mirror.path / "images"
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file()
    }
