"""Which files a mirror keeps: those of the server, smaller ones, or none; and the trash between."""

from __future__ import annotations

import io
import os
import time
from datetime import timedelta

import pytest
from PIL import Image

from server.running import picture

from .library import Library, held, on_disk, painted, places

DAY = 24 * 3600.0


def test_another_size_and_back(library: Library) -> None:
    """Smaller pictures are JPEGs with a fitting ending; back again nothing is fetched."""
    png = library.upload("a.png", picture(200, 100, "PNG"))
    jpg = library.upload("b.jpg", picture(200, 100))
    with library.mirror() as mirror:
        library.sync(mirror)
        before = held(mirror)
        counts = library.sync(mirror, images="50x50").counts
        assert counts.files_fetched == 2
        assert places(mirror) == {png: "a.png.jpg", jpg: "b.jpg"}
        for content in held(mirror).values():
            with Image.open(io.BytesIO(content)) as made:
                assert (made.format, made.size) == ("JPEG", (50, 25))
        assert library.sync(mirror).counts.files_fetched == 0  # the choice stays
        assert on_disk(mirror) == {"a.png.jpg", "b.jpg"}
        counts = library.sync(mirror, images="original").counts
        assert (counts.files_kept, counts.files_fetched, counts.bytes_fetched) == (2, 0, 0)
        assert held(mirror) == before
        assert on_disk(mirror) == {"a.png", "b.jpg"}


def test_none_and_back(library: Library) -> None:
    """Without files they are in the trash; once that is emptied they are fetched again."""
    image_id = library.upload("a.jpg", painted(1))
    with library.mirror() as mirror:
        library.sync(mirror)
        library.sync(mirror, images="none")
        assert mirror.file(image_id) is None
        assert on_disk(mirror) == set()
        emptied = mirror.trash.empty()
        assert (emptied.files, emptied.bytes) == (1, len(painted(1)))
        assert mirror.trash.empty().files == 0
        moved = library.home / "b.jpg"
        (library.home / "a.jpg").rename(moved)
        library.scan()
        library.upload("c.jpg", painted(3))
        counts = library.sync(mirror).counts
        assert (counts.images_changed, counts.images_added) == (1, 1)
        # What is not kept is not due either.
        assert (mirror.status().files_due, mirror.status().due) == (0, False)
        moved.rename(library.home / "a.jpg")
        library.scan()
        library.delete(image_id + 1)
        assert library.sync(mirror, images="original").counts.files_fetched == 1
        assert held(mirror) == {image_id: painted(1)}


def test_a_made_picture_that_is_due_and_the_same_is_kept(library: Library) -> None:
    """No server names these by an ETag: they are fetched, and compared."""
    library.upload("a.png", picture(200, 100, "PNG"))
    with library.mirror() as mirror:
        library.sync(mirror, images="50x50")
        with mirror.database.write() as connection:
            connection.execute("UPDATE images SET file_due = 1")
        counts = library.sync(mirror).counts
        assert (counts.files_kept, counts.files_fetched) == (1, 0)
        assert not (mirror.path / ".coir/trash").exists()


def test_a_restored_image_takes_its_file_from_the_trash(library: Library) -> None:
    """Unless it is another on the server by now, or was altered in the trash."""
    names = ["same.jpg", "changed.jpg", "altered.jpg"]
    ids = [library.upload(name, painted(number)) for number, name in enumerate(names)]
    with library.mirror() as mirror:
        library.sync(mirror)
        for one in ids:
            library.delete(one)
        library.sync(mirror, limits=_everything())
        assert on_disk(mirror) == set()
        (library.home / "changed.jpg").write_bytes(painted(9))
        (mirror.path / ".coir/trash/2/images/altered.jpg").write_bytes(painted(8))
        for one in ids:
            library.restore(one)
        counts = library.sync(mirror).counts
        assert (counts.files_kept, counts.files_fetched) == (1, 2)
        assert held(mirror) == dict(zip(ids, [painted(0), painted(9), painted(2)], strict=True))


def test_only_what_is_old_is_emptied(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sync that put it there, whatever the disk says; links there are not followed."""
    ids = [library.upload(f"{number}.jpg", painted(number)) for number in range(2)]
    with library.mirror() as mirror:
        library.sync(mirror)
        real = time.time
        for one, ahead in zip(ids, (0, 10 * DAY), strict=True):
            monkeypatch.setattr(time, "time", lambda ahead=ahead: real() + ahead)
            library.delete(one)
            library.sync(mirror, limits=_everything())
        trash = mirror.path / ".coir/trash"
        mine = mirror.path.parent / "mine"
        mine.mkdir()
        (mine / "precious").write_text("mine")
        (trash / "2/images/link").symlink_to(mine)
        for path in (trash / "3", trash / "3/index"):
            os.utime(path, (0, 0))
        emptied = mirror.gc(timedelta(days=7))
        assert (emptied.files, emptied.bytes) == (1, len(painted(0)))
        assert [one.name for one in trash.iterdir()] == ["3"]
        assert (mine / "precious").read_text() == "mine"


def _everything() -> object:
    from coir.mirror import Limits, MaxDelete

    return Limits(max_delete=MaxDelete(percent=100), allow_empty=True)
