"""The scan: what it registers, what it leaves out, and what it never touches."""

from __future__ import annotations

import os
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folder_is_a_warning(server: Running, admin: httpx.Client) -> None:
    """A folder without permission is logged and left out."""
    dataset, directory = created(admin, "closed"), server.directory("closed")
    (directory / "closed").mkdir(mode=0)
    assert scanned(admin, dataset)["warnings"] == 1


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
