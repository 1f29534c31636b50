"""A dataset whose files are moved, replaced and taken away, and mirrors of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import coir
from client.serving import Serving
from coir.errors import IncompleteSync
from coir.mirror import Mirror, Options, SyncReport
from server.running import created, picture, scanned, uploaded


def painted(number: int, kind: str = "JPEG") -> bytes:
    """A picture that no other number has, large enough to be told apart by its size as well."""
    color = f"#{(number * 2654435761) % 0xFFFFFF:06x}"
    return picture(64 + number, 48, kind, color)


class Library:
    """A dataset on a server, and the folder in which its files lie there."""

    def __init__(self, running: Serving, folder: Path, name: str) -> None:
        self.running = running
        self.folder = folder
        self.name = name
        self.admin = running.user("admin")
        self.dataset = created(self.admin, name)
        self.home = running.directory(name)
        self.plain = False

    def upload(self, name: str, content: bytes) -> int:
        """A new image's id."""
        answer = uploaded(self.admin, self.dataset, name, content)
        assert answer.status_code == 200, answer.text
        return int(answer.json())

    def scan(self) -> None:
        """Let the server notice what happened to its files."""
        scanned(self.admin, self.dataset)

    def delete(self, image_id: int) -> None:
        """Delete an image, to be restored."""
        assert self.admin.delete(f"/api/image/{image_id}").status_code == 200

    def restore(self, image_id: int) -> None:
        """Take a deletion back."""
        given = {"id": image_id, "instance": "image"}
        assert self.admin.post("/api/undo/", params=given).status_code == 200

    def paths(self) -> dict[int, str]:
        """The path of each image on the server."""
        with self.reached() as dataset:
            return {row.id: str(row.path) for row in coir.Scan(dataset, fields=["path"])}

    @contextmanager
    def reached(self) -> Iterator[coir.Dataset]:
        """The dataset; with ``plain`` as if its server were the original."""
        url = self.running.url
        with coir.connect(url, username="admin", password="admin-pw") as server:
            if self.plain:
                server.info = msgspec.structs.replace(server.info, coir=None)
            yield server.dataset(self.dataset)

    def sync(self, mirror: Mirror, **options: Any) -> SyncReport:
        """Sync a mirror; what failed is in the report."""
        with self.reached() as dataset:
            try:
                return mirror.sync(dataset, options=Options(**options))
            except IncompleteSync as error:
                report: SyncReport = error.report
                return report

    def mirror(self, name: str = "mirror") -> Mirror:
        """A mirror in a folder of this name, perhaps a new one."""
        return Mirror(self.folder / name)


def held(mirror: Mirror) -> dict[int, bytes]:
    """The content of the file of each image that has one; sizes and hashes must be right."""
    found = {}
    for image_id, place, size in mirror.database.rows(
        "SELECT id, place, size FROM images WHERE place IS NOT NULL"
    ):
        found[image_id] = (mirror.path / "images" / place).read_bytes()
        assert len(found[image_id]) == size
    return found


def places(mirror: Mirror) -> dict[int, str]:
    """The place of each file, by its image."""
    return dict(mirror.database.rows("SELECT id, place FROM images WHERE place IS NOT NULL"))


def on_disk(mirror: Mirror) -> set[str]:
    """All that lies below images/."""
    home = mirror.path / "images"
    return {str(one.relative_to(home)) for one in home.rglob("*") if not one.is_dir()}


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A disk of its own at a folder, where the system lets this user have one."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root mounts")
    done = subprocess.run(["mount", *options, str(folder)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
