"""Files that cannot be had, and disks that do not take them: told, and nothing lost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client.misbehaving import DATASETS, Fault, Given, Misbehaving, Reply, json, listing
from client.serving import serving
from coir import connect
from coir.errors import CoirError, ConnectionFailed, IncompleteSync
from coir.mirror import Mirror, Options

from .library import Library, held, mounted, on_disk, painted

IDS = [1, 2, 3, 4, 5, 6]


def test_a_file_that_vanished_is_told_and_the_others_come(library: Library) -> None:
    """The sync ends as an incomplete one; once the file is back the next one is complete."""
    ids = [library.upload(f"{number}.jpg", painted(number)) for number in range(4)]
    (library.home / "1.jpg").rename(library.home / "1.hidden")
    with library.mirror() as mirror, library.reached() as dataset:
        with pytest.raises(IncompleteSync, match="of 1 the file") as caught:
            mirror.sync(dataset)
        assert caught.value.report.counts.files_failed == 1
        assert caught.value.report.counts.files_fetched == 3
        asked = "SELECT id, file_trouble FROM images WHERE file_trouble IS NOT NULL"
        [(image_id, trouble)] = mirror.database.rows(asked)
        assert (image_id, "not there any more" in trouble) == (ids[1], True)
        (library.home / "1.hidden").rename(library.home / "1.jpg")
        assert mirror.sync(dataset).counts.files_fetched == 1
        assert list(mirror.database.rows(asked)) == []
        assert held(mirror) == dict(zip(ids, map(painted, range(4)), strict=True))


# -- what a server can do wrong ---------------------------------------------------------


def _picture(image_id: int) -> bytes:
    return bytes([image_id]) * 50_000


@contextmanager
def _original(**replies: list[Reply]) -> Iterator[Misbehaving]:
    """A server that acts as the original, but for the pictures that are named by their ids."""
    routes: dict[str, object] = {
        DATASETS: [json([{"id": 1, "name": "birds", "directory": "/datasets/birds/"}])],
        "GET /api/dataset/1/data": listing(IDS),
        "GET /api/category/": [json([])],
    }
    rows = []
    for one in IDS:
        row = {"id": one, "file_name": f"{one}.jpg", "path": f"/datasets/birds/{one}.jpg"}
        told = row | {"dataset_id": 1, "width": 10, "height": 10}
        rows.append(told)
        routes[f"GET /api/image/{one}"] = [Given(200, _picture(one), {"etag": f'"{one}"'})]
    page = {"images": rows, "page": 0, "pages": 1, "per_page": 20_000, "total": len(rows)}
    routes["GET /api/image/"] = [json(page)]
    for name, given in replies.items():
        routes[f"GET /api/image/{name[1:]}"] = given
    with Misbehaving(routes) as server:  # type: ignore[arg-type]
        yield server


def _synced(server: Misbehaving, folder: Path) -> Mirror:
    mirror = Mirror(folder)
    with connect(server.url, username="admin", password="hush") as connection:
        mirror.sync(connection.dataset("birds"), options=Options(annotations="none", recheck=0))
    return mirror


CUT = Given(200, _picture(3)[:20_000], missing=30_000)


@pytest.mark.usefixtures("hurried")
def test_a_cut_file_is_not_kept(tmp_path: Path) -> None:
    """It is asked for again, and comes whole; one that is always cut does not keep the others."""
    with _original(_3=[CUT, CUT, Given(200, _picture(3))]) as server, _synced(server, tmp_path / "a") as mirror:  # fmt: skip # noqa: E501
        assert held(mirror) == {one: _picture(one) for one in IDS}
    with _original(_3=[CUT]) as server:
        with pytest.raises(IncompleteSync):
            _synced(server, tmp_path / "b")
        with Mirror(tmp_path / "b") as mirror:
            assert held(mirror) == {one: _picture(one) for one in IDS if one != 3}
            assert list((mirror.path / ".coir/arriving").iterdir()) == []


@pytest.mark.usefixtures("hurried")
def test_a_server_that_goes_away_ends_the_sync(tmp_path: Path) -> None:
    """With its own error; what came stays, and the next sync fetches the rest only."""
    gone: list[Reply] = [Fault.CLOSE]
    with _original(_3=gone, _4=gone, _5=gone, _6=gone) as server:
        with pytest.raises(ConnectionFailed):
            _synced(server, tmp_path)
        with Mirror(tmp_path) as mirror:
            assert held(mirror) == {one: _picture(one) for one in (1, 2)}
        for one in (3, 4, 5, 6):
            server.routes[f"GET /api/image/{one}"] = [Given(200, _picture(one))]
        with _synced(server, tmp_path) as mirror:
            assert held(mirror) == {one: _picture(one) for one in IDS}
        assert server.count("GET /api/image/1") == 1


def test_a_500_concerns_one_file(tmp_path: Path) -> None:
    """The original answers so where the file has vanished, however many there are."""
    failing: list[Reply] = [Given(500, b'{"message": "Internal Server Error"}')]
    with _original(_1=failing, _2=failing, _3=failing, _4=failing) as server:
        with pytest.raises(IncompleteSync, match="of 4 the file"):
            _synced(server, tmp_path)
        with Mirror(tmp_path) as mirror:
            assert held(mirror) == {one: _picture(one) for one in (5, 6)}


def test_what_the_original_has_still_is_not_fetched(tmp_path: Path) -> None:
    """It is asked for the headers only, and its file comes where the ETag is another."""
    with _original() as server, _synced(server, tmp_path) as mirror:
        server.routes["HEAD /api/image/1"] = [Given(200, b"", {"etag": '"1"'})]
        server.routes["HEAD /api/image/2"] = [Given(200, b"", {"etag": '"other"'})]
        with mirror.database.write() as connection:
            connection.execute("UPDATE images SET file_due = 1 WHERE id < 3")
        _synced(server, tmp_path).close()
        counts = [server.count(f"GET /api/image/{one}") for one in (1, 2, 3)]
        assert counts == [1, 2, 1]


# -- what a disk can do wrong -----------------------------------------------------------


def test_a_full_disk_is_told_and_the_sync_goes_on_later(library: Library, tmp_path: Path) -> None:
    """What came before stays; when there is space the next sync fetches the rest."""
    # Three of them fit beside the database, with room for their rows.
    content = [painted(number) + os.urandom(700_000) for number in range(4)]
    ids = [library.upload(f"{number}.jpg", one) for number, one in enumerate(content)]
    full = tmp_path / "full"
    sized = ("-t", "tmpfs", "-o", "size=2500k", "none")
    with mounted(full, *sized), Mirror(full / "mirror") as mirror:
        with pytest.raises(CoirError, match=r"No space left|is full") as caught:
            library.sync(mirror, concurrency=1)  # three files at a time
        assert "Free some space" in caught.value.hint
        before = held(mirror)
        assert 0 < len(before) < 4
        subprocess.run(["mount", "-o", "remount,size=20m", str(full)], check=True)
        counts = library.sync(mirror).counts
        assert counts.files_fetched + len(before) >= 4
        assert held(mirror) == dict(zip(ids, content, strict=True))
        assert on_disk(mirror) == {f"{number}.jpg" for number in range(4)}


def test_a_limit_on_the_size_of_files_is_told(library: Library, tmp_path: Path) -> None:
    """As a full disk is; nothing of the file is kept."""
    library.upload("a.jpg", painted(1) + bytes(3_000_000))
    url = library.running.url
    code = f"""
        import resource, sys, coir
        from coir.mirror import Mirror
        with coir.connect({url!r}, username="admin", password="admin-pw") as server:
            dataset = server.dataset({library.name!r})
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, {resource.RLIM_INFINITY}))
            try:
                Mirror({str(tmp_path / "m")!r}).sync(dataset)
            except coir.CoirError as error:
                print(error, error.hint)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout, done.stdout + done.stderr
    assert "Free some space, or raise the limit" in done.stdout
    assert [one.name for one in (tmp_path / "m/.coir/arriving").iterdir()] == []


def test_a_folder_that_cannot_be_written_is_told(library: Library, tmp_path: Path) -> None:
    """A disk that takes no writing: the error says so, and the mirror is as it was."""
    library.upload("a.jpg", painted(1))
    source = tmp_path / "source"
    source.mkdir()
    with Mirror(source / "m") as mirror:
        library.sync(mirror)
    library.upload("b.jpg", painted(2))
    with mounted(source / "m/images", "--bind", str(source / "m/images")):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(source / "m/images")], check=True)
        with Mirror(source / "m") as mirror:
            with pytest.raises(CoirError, match=r"Read-only|cross-device") as caught:
                library.sync(mirror)
            assert caught.value.hint
            assert len(held(mirror)) == 1
    with Mirror(source / "m") as mirror:
        assert library.sync(mirror).counts.files_failed == 0
        assert len(held(mirror)) == 2


def test_killed_at_random(tmp_path: Path) -> None:
    """Whatever is there after a kill is whole, and the next sync makes the mirror whole."""
    with serving(tmp_path) as running:
        library = Library(running, tmp_path, "killed")
        content = [painted(number) + os.urandom(50_000) for number in range(40)]
        ids = [library.upload(f"{number}.jpg", one) for number, one in enumerate(content)]
        code = textwrap.dedent(f"""
            import coir
            from coir.mirror import Mirror, Options
            with coir.connect({running.url!r}, username="admin", password="admin-pw") as server:
                print("begins", flush=True)
                Mirror({str(tmp_path / "mirror")!r}).sync(server.dataset("killed"))
        """)
        for turn in range(4):
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(0.5 + 0.4 * turn)
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            for file in (tmp_path / "mirror/images").rglob("*.jpg"):
                assert file.read_bytes() == content[int(file.stem)]
        known = len(list((tmp_path / "mirror/images").rglob("*.jpg")))
        with library.mirror() as mirror:
            counts = library.sync(mirror).counts
            assert counts.files_fetched <= 40 - known
            assert held(mirror) == dict(zip(ids, content, strict=True))
            assert on_disk(mirror) == {f"{number}.jpg" for number in range(40)}
