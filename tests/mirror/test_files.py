"""The files of a mirror: fetched once, asked after, moved along, and never anywhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from coir import CoirError
from coir.mirror import Mirror
from coir.mirror.arrivals import LIST, Arrival
from coir.mirror.place import server_path
from coir.mirror.record import FileRecord

from .library import Library, held, on_disk, painted, places

STRANGE = [
    "plain.jpg",
    "with space.jpg",
    "鳥/雀.jpg",
    "🐦 🐦.jpg",
    "straße/Öl.jpg",
    "e\u0301.jpg",
    "\u00e9.jpg",
    "percent%41.jpg",
    "tilde~1.jpg",
    "semi;colon,comma.jpg",
    "con.jpg",
    "aux/nul.jpg",
    "UPPER.jpg",
    "upper.jpg",
    "Upper.JPG",
    "trailing./dot .jpg",
    "long " + "x" * 240 + ".jpg",
    "長" * 80 + ".jpg",
]
# What only a scan finds: a form cannot carry such names.
ODDER = ["ask?.jpg", "a:b.jpg", 'quote".jpg', "star*|<>.jpg", " start.jpg"]


@pytest.mark.parametrize("plain", [False, True], ids=["coir", "as the original"])
def test_strange_names(library: Library, plain: bool) -> None:
    """Every file of the server is here, at a place of its own from which its path can be told."""
    library.plain = plain
    sent = {}
    for number, name in enumerate(STRANGE):
        sent[library.upload(name, painted(number))] = painted(number)
    for number, name in enumerate(ODDER, len(STRANGE)):
        (library.home / name).write_bytes(painted(number))
    library.scan()
    with library.mirror() as mirror:
        library.sync(mirror)
        paths = library.paths()
        assert len(paths) == len(STRANGE) + len(ODDER)
        for image_id, path in paths.items():
            file = mirror.file(image_id)
            assert file is not None
            assert file.read_bytes() == (library.home.parent / Path(path).relative_to("/datasets")).read_bytes()  # fmt: skip # noqa: E501
        assert on_disk(mirror) == set(places(mirror).values())
        assert held(mirror).items() >= sent.items()
        telling = {
            image_id: server_path(place, f"/datasets/{library.name}/")
            for image_id, place in places(mirror).items()
            if "~" not in place.replace("tilde~1.jpg", "")
        }
        assert telling.items() <= paths.items()
        assert len(telling) == len(paths) - 5  # three share a key with another, two were cut
        assert library.sync(mirror).counts.files_fetched == 0


def test_files_that_moved_are_moved(library: Library) -> None:
    """Two that swapped names, one that moved to where another was, and one deeper."""
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    ids = {name: library.upload(name, painted(number)) for number, name in enumerate(names)}
    with library.mirror() as mirror:
        library.sync(mirror)
        before = held(mirror)
        # What swapped within one scan would be two files with other contents.
        _let_move(library, {"a.jpg": "x/a.jpg", "b.jpg": "a.jpg", "c.jpg": "d/e/c.jpg"})
        _let_move(library, {"x/a.jpg": "b.jpg", "d.jpg": "c.jpg"})
        counts = library.sync(mirror).counts
        assert (counts.files_fetched, counts.bytes_fetched, counts.files_kept) == (0, 0, 4)
        assert held(mirror) == before
        assert places(mirror) == {
            ids["a.jpg"]: "b.jpg",
            ids["b.jpg"]: "a.jpg",
            ids["c.jpg"]: "d/e/c.jpg",
            ids["d.jpg"]: "c.jpg",
        }
        assert on_disk(mirror) == set(places(mirror).values())
        assert not (mirror.path / ".coir/trash").exists()


def test_a_file_where_a_folder_was(library: Library) -> None:
    """A folder becomes a file's place and a file a folder's, in one sync."""
    one = library.upload("a.jpg/b.jpg", painted(1))
    other = library.upload("c.jpg", painted(2))
    with library.mirror() as mirror:
        library.sync(mirror)
        _let_move(library, {"a.jpg/b.jpg": "x.jpg", "c.jpg": "y.jpg"})
        (library.home / "a.jpg").rmdir()
        _let_move(library, {"x.jpg": "c.jpg/b.jpg", "y.jpg": "a.jpg"})
        assert library.sync(mirror).counts.files_fetched == 0
        assert places(mirror) == {one: "c.jpg/b.jpg", other: "a.jpg"}
        assert held(mirror) == {one: painted(1), other: painted(2)}


def test_an_image_whose_place_is_free_again_has_it(library: Library) -> None:
    """Of two names that differ in case the second is numbered, while there is the first."""
    first, second = library.upload("A.jpg", painted(1)), library.upload("a.jpg", painted(2))
    with library.mirror() as mirror:
        library.sync(mirror)
        assert places(mirror) == {first: "A.jpg", second: f"a~{second}.jpg"}
        library.delete(first)
        library.sync(mirror)
        assert places(mirror) == {second: "a.jpg"}
        library.restore(first)
        assert library.sync(mirror).counts.bytes_fetched == 0
        assert places(mirror) == {first: "A.jpg", second: f"a~{second}.jpg"}
        assert held(mirror) == {first: painted(1), second: painted(2)}


def test_a_file_with_the_name_of_anothers_folder(library: Library) -> None:
    """The smallest id has the name, whichever came first; once it is free, the next one has it."""
    names = ["A.jpg", "a.jpg/b.jpg", "C.jpg/d.jpg", "c.jpg"]
    file, inside, folder, other = (
        library.upload(name, painted(number)) for number, name in enumerate(names)
    )
    expected = {
        file: "A.jpg",
        inside: f"a~{inside}.jpg/b.jpg",
        folder: "C.jpg/d.jpg",
        other: f"c~{other}.jpg",
    }
    with library.mirror() as mirror, library.mirror("now") as now:
        library.sync(now)
        assert places(now) == expected
        for one in (file, folder):
            library.delete(one)
        library.sync(mirror)
        assert places(mirror) == {inside: "a.jpg/b.jpg", other: "c.jpg"}
        for one in (file, folder):
            library.restore(one)
        library.sync(mirror)
        assert (places(mirror), held(mirror)) == (expected, held(now))
        _let_move(library, {"A.jpg": "x.jpg", "C.jpg/d.jpg": "y/d.jpg"})
        assert library.sync(mirror).counts.bytes_fetched == 0
        assert places(mirror) == {
            file: "x.jpg",
            inside: "a.jpg/b.jpg",
            folder: "y/d.jpg",
            other: "c.jpg",
        }
        _let_move(library, {"x.jpg": "A.jpg", "y/d.jpg": "C.jpg/d.jpg"})
        assert library.sync(mirror).counts.bytes_fetched == 0
        assert (places(mirror), held(mirror)) == (expected, held(now))
        assert on_disk(mirror) == set(expected.values())
        assert not (mirror.path / ".coir/trash").exists()


def test_a_numbered_name_that_is_anothers_own(library: Library) -> None:
    """The smallest id has it, also where its image came last; as in a mirror that is made now."""
    first, second = library.upload("A.jpg", painted(1)), library.upload("a.jpg", painted(2))
    third = library.upload(f"a~{second}.jpg", painted(3))
    library.delete(first)
    library.delete(second)
    with library.mirror() as mirror, library.mirror("now") as now:
        library.sync(mirror)
        assert places(mirror) == {third: f"a~{second}.jpg"}
        library.restore(first)
        library.restore(second)
        assert library.sync(mirror).counts.files_fetched == 2
        library.sync(now)
        assert places(mirror) == {
            first: "A.jpg",
            second: f"a~{second}.jpg",
            third: f"a~{second}~{third}.jpg",
        }
        assert (places(mirror), held(mirror)) == (places(now), held(now))
        assert on_disk(mirror) == on_disk(now)


@pytest.mark.parametrize("plain", [False, True], ids=["coir", "as the original"])
def test_what_is_held_is_asked_after(library: Library, plain: bool) -> None:
    """A file that is due and has not changed costs a request without its bytes; changed, one more.

    What was altered here by hand is fetched again, and goes to the trash.
    """
    library.plain = plain
    ids = [library.upload(f"{number}.jpg", painted(number)) for number in range(3)]
    with library.mirror() as mirror:
        library.sync(mirror)
        with mirror.database.write() as connection:
            connection.execute("UPDATE images SET file_due = 1")
        counts = library.sync(mirror).counts
        assert (counts.files_kept, counts.files_fetched, counts.bytes_fetched) == (3, 0, 0)
        (library.home / "0.jpg").write_bytes(painted(10))
        file = mirror.file(ids[1])
        assert file is not None
        file.write_bytes(b"scribbled")
        with mirror.database.write() as connection:
            connection.execute("UPDATE images SET file_due = 1")
        counts = library.sync(mirror).counts
        assert (counts.files_kept, counts.files_fetched) == (1, 2)
        assert held(mirror) == dict(zip(ids, [painted(10), painted(1), painted(2)], strict=True))
        thrown = sorted((mirror.path / ".coir/trash").rglob("*.jpg"))
        assert [one.read_bytes() for one in thrown] == [painted(0), b"scribbled"]


def test_files_that_came_before_an_interruption(library: Library) -> None:
    """Those that took their places are not fetched again, and none of them is in the way."""
    content = [painted(number) for number in range(8)]
    ids = [library.upload(f"{number}.jpg", one) for number, one in enumerate(content)]

    class Interrupted(BaseException):
        """What a person's Ctrl-C looks like."""

    def watch(phase: str, done: int, _: int | None) -> None:
        if (phase, done) == ("files", 4):
            raise Interrupted

    with library.mirror() as mirror:
        with library.reached() as dataset, pytest.raises(Interrupted):
            mirror.sync(dataset, watch=watch)
        came = len(on_disk(mirror))
        assert came == 4
        assert library.sync(mirror).counts.files_fetched == len(ids) - came
        assert held(mirror) == dict(zip(ids, content, strict=True))
        assert not (mirror.path / ".coir/trash").exists()
        assert list((mirror.path / ".coir/arriving").iterdir()) == []


def test_a_whole_file_without_a_row_is_known_again(library: Library) -> None:
    """Killed after the file took its place, or just before: it is asked after, not fetched."""
    ids = [library.upload(f"{number}.jpg", painted(number)) for number in range(3)]
    with library.mirror() as mirror:
        library.sync(mirror)
        files = [
            FileRecord(*row)
            for row in mirror.database.rows("SELECT id, place, size, sha256, etag FROM images")
        ]
        home = mirror.path / ".coir/arriving"
        (mirror.path / "images/1.jpg").rename(home / "7")
        (home / "8").write_bytes(painted(2)[:50])
        (mirror.path / "images/2.jpg").unlink()
        lines = []
        for file, at in zip(files, ["images/0.jpg", ".coir/arriving/7", ""], strict=True):
            inode, modified = 0, 0
            if at:
                found = (mirror.path / at).stat()
                inode, modified = found.st_ino, found.st_mtime_ns
            was = at if at.startswith(".coir") else ".coir/arriving/9"
            lines.append(Arrival(file, was, inode, modified))
        _write_list(mirror, lines)
        with mirror.database.write() as connection:
            connection.execute(
                "UPDATE images SET file_due = 1, place = NULL, place_key = NULL, size = NULL, "
                "sha256 = NULL, etag = NULL"
            )
        counts = library.sync(mirror).counts
        assert (counts.files_kept, counts.files_fetched) == (2, 1)
        assert held(mirror) == dict(zip(ids, map(painted, range(3)), strict=True))
        assert on_disk(mirror) == {"0.jpg", "1.jpg", "2.jpg"}
        assert list(home.iterdir()) == []


def test_files_that_were_taken_out_are_put_in(library: Library) -> None:
    """Killed while files moved: each goes where its row says, before or after it was changed."""
    ids = [library.upload(f"{number}.jpg", painted(number)) for number in range(3)]
    with library.mirror() as mirror:
        library.sync(mirror)
        moving = mirror.path / ".coir/moving"
        moving.mkdir()
        (mirror.path / "images/0.jpg").rename(moving / str(ids[0]))
        (mirror.path / "images/1.jpg").rename(moving / str(ids[1]))
        (moving / "999999").write_bytes(b"of an image that is gone")
        with mirror.database.write() as connection:
            connection.execute(
                "UPDATE images SET place = 'z.jpg', place_key = 'z.jpg', file_due = 1 WHERE id = ?",
                (ids[1],),
            )
        counts = library.sync(mirror).counts
        assert (counts.files_fetched, counts.bytes_fetched) == (0, 0)
        assert held(mirror) == dict(zip(ids, map(painted, range(3)), strict=True))
        assert on_disk(mirror) == {"0.jpg", "1.jpg", "2.jpg"}


def test_a_folder_with_many_images_that_is_renamed(library: Library) -> None:
    """On coir's server nobody has to allow it: the feed tells that these are the same images."""
    (library.home / "a").mkdir()
    for number in range(12):
        (library.home / f"a/{number}.jpg").write_bytes(painted(number))
    library.scan()
    with library.mirror() as mirror:
        library.sync(mirror)
        (library.home / "a").rename(library.home / "b")
        library.scan()
        counts = library.sync(mirror).counts
        assert (counts.images_changed, counts.images_removed) == (12, 0)
        assert on_disk(mirror) == {f"b/{number}.jpg" for number in range(12)}


@pytest.mark.parametrize("planted", ["folder", "file", "dangling"])
def test_links_are_not_followed(library: Library, planted: str, tmp_path: Path) -> None:
    """A link below images/ leads nothing out of it: it is put into the trash itself."""
    image_id = library.upload("sub/a.jpg", painted(1))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"mine")
    with library.mirror() as mirror:
        images = mirror.path / "images"
        (images / "sub").mkdir(parents=True)
        if planted == "folder":
            (images / "sub").rmdir()
            (images / "sub").symlink_to(outside, target_is_directory=True)
        else:
            target = outside / ("a.jpg" if planted == "file" else "b.jpg")
            (images / "sub/a.jpg").symlink_to(target)
        library.sync(mirror)
        assert held(mirror) == {image_id: painted(1)}
        assert not (images / "sub").is_symlink()
        assert not (images / "sub/a.jpg").is_symlink()
        assert {one.name: one.read_bytes() for one in outside.iterdir()} == {"a.jpg": b"mine"}
        assert [one for one in (mirror.path / ".coir/trash").rglob("*") if one.is_symlink()]


@pytest.mark.parametrize("folder", ["images", ".coir/arriving", ".coir/trash"])
def test_a_folder_of_the_mirror_that_is_a_link(
    library: Library, folder: str, tmp_path: Path
) -> None:
    """The sync says so, and writes nothing beyond it."""
    library.upload("a.jpg", painted(1))
    (tmp_path / "outside").mkdir()
    with library.mirror() as mirror:
        (mirror.path / folder).parent.mkdir(parents=True, exist_ok=True)
        (mirror.path / "images/a.jpg").parent.mkdir(parents=True, exist_ok=True)
        if folder == "images":
            (mirror.path / folder).rmdir()
        else:
            (mirror.path / "images/a.jpg").write_bytes(b"in the way")
        (mirror.path / folder).symlink_to(tmp_path / "outside", target_is_directory=True)
        with pytest.raises(Exception, match=f"{folder} is no folder"):
            library.sync(mirror)
        assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    "place", [".coir", ".coir/lock", ".coir/listing", ".coir/arriving/list", ".coir/trash/2/index"]
)
def test_nothing_of_the_mirrors_own_is_written_through_a_link(
    library: Library, place: str, tmp_path: Path
) -> None:
    """The sync says so; or, where it only clears what an earlier one left, removes the link."""
    first, second = (library.upload(f"{name}.jpg", painted(name)) for name in (1, 2))
    outside = tmp_path / "outside"
    outside.mkdir()
    mine = outside / "mine"
    mine.touch()
    with library.mirror() as mirror:
        if place.startswith(".coir/trash"):
            library.sync(mirror)
            library.delete(first)
        planted = mirror.path / place
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.symlink_to(outside if place == ".coir" else mine)
        if place.startswith(".coir/arriving"):
            library.sync(mirror)
            assert not planted.is_symlink()
        else:
            before = on_disk(mirror)
            with pytest.raises(CoirError, match=r"\.coir is no folder|is a link") as told:
                library.sync(mirror)
            assert "Move it away" in told.value.hint
            assert on_disk(mirror) == before
            planted.unlink()
            library.sync(mirror)
        assert [(one.name, one.read_bytes()) for one in outside.iterdir()] == [("mine", b"")]
        assert second in held(mirror)
        assert (first in held(mirror)) == (not place.startswith(".coir/trash"))
        assert {one.sign for one in mirror.verify()} == {"="}


def test_what_is_in_the_way_is_kept_in_the_trash(library: Library) -> None:
    """A folder or a file that nobody knows, where a file or a folder has to be."""
    library.upload("a.jpg", painted(1))
    library.upload("b/c.jpg", painted(2))
    with library.mirror() as mirror:
        (mirror.path / "images/a.jpg").mkdir(parents=True)
        (mirror.path / "images/a.jpg/mine.txt").write_text("mine")
        (mirror.path / "images/b").write_text("mine too")
        library.sync(mirror)
        assert sorted(held(mirror).values()) == sorted([painted(1), painted(2)])
        trash = mirror.path / ".coir/trash/1/images"
        assert (trash / "a.jpg/mine.txt").read_text() == "mine"
        assert (trash / "b").read_text() == "mine too"


def _let_move(library: Library, names: dict[str, str]) -> None:
    for before, after in names.items():
        (library.home / after).parent.mkdir(parents=True, exist_ok=True)
        (library.home / before).rename(library.home / after)
    library.scan()


def _write_list(mirror: Mirror, arrivals: list[Arrival]) -> None:
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in arrivals)
    (mirror.path / LIST).write_bytes(lines + lines[:20])  # the last was being written


def test_the_hash_is_that_of_the_bytes(library: Library) -> None:
    """What was computed while the bytes came is what a reading of the file gives."""
    image_id = library.upload("a.jpg", os.urandom(0) + painted(5))
    with library.mirror() as mirror:
        library.sync(mirror)
        told = mirror.database.value("SELECT sha256 FROM images WHERE id = ?", (image_id,))
        assert told == hashlib.sha256(painted(5)).hexdigest()
