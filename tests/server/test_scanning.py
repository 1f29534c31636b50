"""The scan: what it registers, what it leaves out, and what it never touches."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path

import httpx2 as httpx
import pytest

from .running import Running, created, picture, scanned, uploaded


@pytest.fixture(scope="module")
def admin(server: Running) -> httpx.Client:
    return server.user("admin")


def names(client: httpx.Client, dataset: int) -> list[str]:
    page = client.get("/api/image/", params={"per_page": 100_000, "fields": "path,dataset_id"})
    return [row["path"] for row in page.json()["images"] if row["dataset_id"] == dataset]


def logged(client: httpx.Client, job: dict[str, object]) -> str:
    lines: list[str] = client.get(f"/api/tasks/{job['id']}/logs").json()["logs"]
    return "\n".join(lines)


def test_scan_registers_pictures_in_folders(server: Running, admin: httpx.Client) -> None:
    """Pictures of every kind in every folder are registered, in the order of their names."""
    dataset, directory = created(admin, "kinds"), server.directory("kinds")
    for name in ("b.JPG", "a.png", "sub/c.tiff", "sub/deep/d.gif", "sub b/e.jpeg"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(picture())
    (directory / "notes.txt").write_text("no picture")
    (directory / ".hidden").mkdir()
    (directory / ".hidden" / "x.jpg").write_bytes(picture())
    job = scanned(admin, dataset)
    assert (job["errors"], job["warnings"], job["progress"]) == (0, 0, 100.0)
    assert names(admin, dataset) == [
        f"/datasets/kinds/{name}"
        for name in ("a.png", "b.JPG", "sub/c.tiff", "sub/deep/d.gif", "sub b/e.jpeg")
    ]


def test_rescan_adds_only_what_is_new(server: Running, admin: httpx.Client) -> None:
    """What is registered stays, also when its file vanished or its image was deleted."""
    dataset, directory = created(admin, "again"), server.directory("again")
    for number in range(5):
        (directory / f"{number}.jpg").write_bytes(picture())
    scanned(admin, dataset)
    first = admin.get(f"/api/dataset/{dataset}/data?order=id").json()["images"]
    admin.delete(f"/api/image/{first[0]['id']}")
    (directory / "1.jpg").unlink()
    (directory / "new.jpg").write_bytes(picture(96, 60))
    assert "Created 1 new image(s)" in logged(admin, scanned(admin, dataset))
    after = admin.get(f"/api/dataset/{dataset}/data?order=id").json()["images"]
    assert after[:-1] == first[1:]
    assert after[-1]["file_name"] == "new.jpg"


def test_what_cannot_be_read_is_logged_and_left_out(
    server: Running, admin: httpx.Client, tmp_path: Path
) -> None:
    """Broken files, names that are no UTF-8 and links out are warnings; the rest is registered."""
    dataset, directory = created(admin, "broken"), server.directory("broken")
    (directory / "good.jpg").write_bytes(picture())
    (directory / "broken.jpg").write_bytes(b"not a picture")
    (directory / "empty.png").touch()
    (directory / "dangling.jpg").symlink_to(directory / "nothing.jpg")
    (directory / "loop.jpg").symlink_to(directory / "loop.jpg")
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(picture())
    (directory / "out.jpg").symlink_to(outside)
    (directory / "out").symlink_to(tmp_path)
    (directory / "a\nb.jpg").write_bytes(picture())
    (directory / "folder.jpg").mkdir()
    os.mkfifo(directory / "pipe.jpg")
    with open(os.fsencode(directory) + b"/caf\xe9.jpg", "wb") as file:  # noqa: PTH123
        file.write(picture())
    os.mkdir(os.fsencode(directory) + b"/caf\xe9")  # noqa: PTH102
    job = scanned(admin, dataset)
    assert names(admin, dataset) == ["/datasets/broken/good.jpg"]
    log = logged(admin, job)
    assert job["errors"] == 0
    for name in ("broken.jpg", "empty.png", "caf\\xe9.jpg", "a\\x0ab.jpg", "caf\\xe9/"):
        assert name in log
    for name in ("dangling.jpg", "loop.jpg", "pipe.jpg", "out.jpg"):
        assert f"Skipped /datasets/broken/{name}: " in log
    assert str(server.data) not in log


# From <linux/capability.h>: what lets root pass over the permissions of files.
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, VERSION_3 = 1, 2, 0x20080522


def _bound_by_permissions() -> None:
    """Of root take what lets it read all files; others cannot to begin with."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()  # twice: what is effective, permitted, inheritable
    assert libc.capget(header, held) == 0
    held[0] &= ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
    assert libc.capset(header, held) == 0


class Bound(Running):
    """A server that may not read what its user may not."""

    prepare = staticmethod(_bound_by_permissions)


@pytest.mark.skipif(
    os.geteuid() == 0 and sys.platform != "linux", reason="root is bound on Linux only"
)
def test_what_may_not_be_read_is_a_warning(data: Path) -> None:
    """Folders and files without permission are logged and left out; images in them have
    neither vanished nor moved to where their like is, and what is new is found once it may be
    read."""
    server = Bound(data)
    admin = server.user("admin")
    dataset, directory = created(admin, "closed"), server.directory("closed")
    for folder, color in (("shut", "red"), ("dark", "blue")):
        (directory / folder).mkdir()
        (directory / folder / "x.jpg").write_bytes(picture(color=color))
    assert scanned(admin, dataset)["warnings"] == 0
    known = names(admin, dataset)
    assert len(known) == 2
    closed = {directory / "shut": 0, directory / "dark": 0o400, directory / "mine.jpg": 0}
    for place in (directory / "shut" / "new.jpg", directory / "mine.jpg"):
        place.write_bytes(picture())
    for color in ("red", "blue"):
        (directory / color).mkdir()
        (directory / color / "x.jpg").write_bytes(picture(color=color))
    for place, mode in closed.items():
        place.chmod(mode)
    job = scanned(admin, dataset)
    log = logged(admin, job)
    for place in closed:
        place.chmod(0o700)
    assert (job["warnings"], job["errors"]) == (3, 0)
    for name in ("shut/", "dark/x.jpg", "mine.jpg"):
        assert f"Skipped /datasets/closed/{name}: Permission denied" in log
    assert str(data) not in log
    copies = [f"/datasets/closed/{color}/x.jpg" for color in ("red", "blue")]
    assert sorted(names(admin, dataset)) == sorted(known + copies)
    page = admin.get(f"/api/dataset/{dataset}/data?vanished=true")
    assert page.json()["total"] == 0
    assert scanned(admin, dataset)["warnings"] == 0
    assert len(names(admin, dataset)) == 6
    assert server.end() == (0, "", "")


def test_vanished_directory_is_an_error_of_the_job(server: Running, admin: httpx.Client) -> None:
    """A scan of a dataset without its directory ends with an error, and nothing changes."""
    dataset = created(admin, "unmounted")
    uploaded(admin, dataset, "x.jpg")
    server.directory("unmounted").rename(server.data / "elsewhere")
    job = scanned(admin, dataset)
    assert job["errors"] == 1
    assert "not there" in logged(admin, job)
    assert names(admin, dataset) == ["/datasets/unmounted/x.jpg"]


def test_second_scan_joins_the_first(server: Running, admin: httpx.Client) -> None:
    """While a scan runs, starting it again gives the running one; then a new one begins."""
    dataset, directory = created(admin, "joined"), server.directory("joined")
    for number in range(600):
        (directory / f"{number}.jpg").write_bytes(picture())
    path = f"/api/dataset/{dataset}/scan"
    tickets = []

    def start() -> None:
        with httpx.Client(base_url=server.url, cookies=dict(admin.cookies), verify=False) as one:
            tickets.append(one.get(path).json())

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ticket["id"] for ticket in tickets}) == 1
    assert set(tickets[0]) == {"celery_id", "id", "name"}
    assert tickets[0]["name"] == "Scanning joined for new images"
    assert admin.delete(f"/api/tasks/{tickets[0]['id']}").status_code in (200, 400)
    assert scanned(admin, dataset)["completed"]
    assert admin.get(f"/api/dataset/{dataset}/data").json()["total"] == 600
    assert admin.get(path).json()["id"] > tickets[0]["id"]
