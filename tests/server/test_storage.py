"""What every storage of files answers, and the directories that are one."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from coir.server.directories import Directories
from coir.server.folders import EXPORTS, HIDDEN, OutsideError
from coir.server.storage import Found, Passed, Stamp, Storage

OUTSIDE = ("/datasets/one/../two/x.jpg", "/datasets/../x.jpg", "/datasets/one//x.jpg")


class StorageContract:
    """The behaviour of a `Storage`, through its interface alone; a subclass gives one.

    ``storage`` is a fixture: an empty storage with the datasets ``one`` and ``two``.
    """

    @staticmethod
    def kept(storage: Storage, dataset: str, name: str, content: bytes = b"content") -> Stamp:
        """A file that is there, and its stamp."""
        incoming = storage.reserve(dataset, name.split("/"))
        incoming.write(io.BytesIO(content))
        stamp = incoming.stamp()
        incoming.keep()
        incoming.discard()
        return stamp

    def test_what_is_kept_is_there(self, storage: Storage) -> None:
        """A file can be opened, sent and found by its logical path, as it was written."""
        self.kept(storage, "one", "a/b/x.jpg", b"one")
        path = "/datasets/one/a/b/x.jpg"
        with storage.open(path) as found:
            assert (found.read(), found.seek(1), found.read()) == (b"one", 1, b"ne")
        assert storage.file(path).read_bytes() == b"one"
        assert storage.exists(path)
        assert not storage.exists("/datasets/two/a/b/x.jpg")

    def test_pieces_are_one_file(self, storage: Storage) -> None:
        """What is written in pieces is read as a whole."""
        incoming = storage.reserve("one", ["x.jpg"])
        incoming.write_pieces(iter([b"a", b"", b"bc"]))
        incoming.keep()
        incoming.discard()
        with storage.open("/datasets/one/x.jpg") as found:
            assert found.read() == b"abc"

    def test_nobody_sees_what_is_not_kept(self, storage: Storage) -> None:
        """Until a file is kept it has no name and no walk finds it; discarded, it is gone."""
        incoming = storage.reserve("one", ["x.jpg"])
        incoming.write(io.BytesIO(b"x"))
        assert list(storage.walk("one")) == []
        assert not storage.exists("/datasets/one/x.jpg")
        incoming.discard()
        incoming.discard()
        assert list(storage.walk("one")) == []
        self.kept(storage, "one", "x.jpg")

    def test_no_file_is_replaced(self, storage: Storage) -> None:
        """Of two files of one name the second is refused, and the first stays as it was."""
        stamp = self.kept(storage, "one", "x.jpg", b"first")
        incoming = storage.reserve("one", ["x.jpg"])
        incoming.write(io.BytesIO(b"the second"))
        with pytest.raises(FileExistsError):
            incoming.keep()
        incoming.undo()
        incoming.discard()
        assert list(storage.walk("one")) == [Found("x.jpg", stamp)]

    def test_a_name_of_its_own_may_be_given_again(self, storage: Storage) -> None:
        """What a killed attempt left under the same name gives way to `keep_again`."""
        for content in (b"first", b"second"):
            incoming = storage.reserve("one", [EXPORTS, "1.json"])
            incoming.write(io.BytesIO(content))
            incoming.keep_again()
            incoming.discard()
        with storage.open(f"/datasets/one/{EXPORTS}/1.json") as found:
            assert found.read() == b"second"

    @pytest.mark.parametrize("again", [False, True])
    def test_a_name_can_be_taken_back(self, storage: Storage, again: bool) -> None:
        """What is undone is not there, and its name is free."""
        incoming = storage.reserve("one", ["x.jpg"])
        incoming.write(io.BytesIO(b"x"))
        if again:
            incoming.keep_again()
        else:
            incoming.keep()
        incoming.undo()
        incoming.discard()
        assert not storage.exists("/datasets/one/x.jpg")
        self.kept(storage, "one", "x.jpg")

    def test_walk(self, storage: Storage) -> None:
        """The files that are named as pictures, folder by folder, with the stamps they had."""
        stamps = {
            name: self.kept(storage, "one", name, name.encode())
            for name in ("b.JPG", "a.png", "z/c.jpg", "m/n/d.tif", "m/e.gif", "ä/ö.bmp")
        }
        for other in ("notes.txt", ".hidden/x.jpg", f"{EXPORTS}/x.jpg", "noextension"):
            self.kept(storage, "one", other)
        self.kept(storage, "two", "other.jpg")
        found = list(storage.walk("one"))
        assert not [one for one in found if isinstance(one, Passed)]
        order = ["a.png", "b.JPG", "m/e.gif", "m/n/d.tif", "z/c.jpg", "ä/ö.bmp"]
        assert found == [Found(name, stamps[name]) for name in order]

    def test_folders(self, storage: Storage) -> None:
        """The folders that a walk enters, sorted, new ones too; one that is not there is told."""
        assert storage.subdirectories("one", []) == []
        for name in ("b/x.jpg", "a/c/x.jpg", ".hidden/x.jpg"):
            self.kept(storage, "one", name)
        assert storage.subdirectories("one", []) == ["a", "b"]
        assert storage.subdirectories("one", ["a"]) == ["c"]
        with pytest.raises(FileNotFoundError):
            storage.subdirectories("one", ["nowhere"])

    def test_removing(self, storage: Storage) -> None:
        """A file goes by its name; one that is not there is no mistake."""
        self.kept(storage, "one", "a/x.jpg")
        for _ in range(2):
            storage.remove("/datasets/one/a/x.jpg")
            assert not storage.exists("/datasets/one/a/x.jpg")
        assert list(storage.walk("one")) == []

    def test_hiding(self, storage: Storage) -> None:
        """A file that was put aside is found by no walk; it comes back, but replaces nothing."""
        path = "/datasets/one/a/x.jpg"
        self.kept(storage, "one", "a/x.jpg")
        for _ in range(2):
            storage.hide(path, 7)
        assert list(storage.walk("one")) == []
        assert not storage.exists(path)
        for _ in range(2):
            storage.unhide(path, 7)
        assert storage.exists(path)
        storage.hide(path, 7)
        storage.unhide(path, 8)
        assert not storage.exists(path)
        self.kept(storage, "one", "a/x.jpg")
        storage.unhide(path, 7)
        for _ in range(2):
            storage.remove_hidden(path, 7)
        assert storage.exists(path)
        storage.remove(path)
        storage.unhide(path, 7)
        assert not storage.exists(path)

    def test_what_is_not_there(self, storage: Storage) -> None:
        """A file, or a dataset, that is not there is told as such."""
        asked: list[Callable[[str], object]] = [storage.open, storage.file]
        for ask in asked:
            for path in ("/datasets/one/x.jpg", "/datasets/none/x.jpg", "/datasets/one/a/x.jpg"):
                with pytest.raises(FileNotFoundError):
                    ask(path)
                assert not storage.exists(path)
        with pytest.raises(FileNotFoundError):
            list(storage.walk("none"))

    @pytest.mark.parametrize("path", OUTSIDE)
    def test_nothing_outside_a_dataset(self, storage: Storage, path: str) -> None:
        """A path that leads out of its dataset reaches nothing."""
        self.kept(storage, "two", "x.jpg")
        asked: list[Callable[[str], object]] = [storage.open, storage.file, storage.remove]
        for ask in asked:
            with pytest.raises(OutsideError):
                ask(path)
        assert not storage.exists(path)
        assert storage.exists("/datasets/two/x.jpg")
        for wrong in ("..", "../two", ".", "a/b", ""):
            with pytest.raises(OutsideError):
                storage.create(wrong)

    def test_a_dataset_can_be_made_twice(self, storage: Storage) -> None:
        """Making a dataset's place again keeps the files that are there."""
        self.kept(storage, "one", "x.jpg")
        storage.create("one")
        assert storage.exists("/datasets/one/x.jpg")

    def test_a_retired_dataset_leaves_its_name(self, storage: Storage) -> None:
        """A dataset that is put aside takes its files along: the next one begins empty."""
        self.kept(storage, "one", "x.jpg")
        storage.retire("one", 1)
        storage.create("one")
        assert list(storage.walk("one")) == []
        self.kept(storage, "one", "x.jpg")
        storage.retire("one", 2)
        storage.retire("one", 3)  # what is not there is no mistake
        storage.reinstate("one", 3)
        storage.reinstate("one", 2)
        assert storage.exists("/datasets/one/x.jpg")
        storage.reinstate("one", 1)  # nothing is replaced
        storage.retire("one", 2)
        storage.reinstate("one", 1)
        assert storage.exists("/datasets/one/x.jpg")

    def test_halves_of_exports_are_swept(self, storage: Storage) -> None:
        """What an export that was killed had written is removed, whole ones stay."""
        storage.sweep_exports("one")
        self.kept(storage, "one", f"{EXPORTS}/1.json")
        storage.reserve("one", [EXPORTS, "2.json"]).write(io.BytesIO(b"half"))
        storage.sweep_exports("one")
        storage.sweep_exports("none")
        assert storage.exists(f"/datasets/one/{EXPORTS}/1.json")


class TestDirectories(StorageContract):
    """`Directories` is a `Storage`."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        made = Directories(tmp_path)
        made.create("one")
        made.create("two")
        return made

    def test_nothing_is_left_on_the_disk(self, storage: Storage, tmp_path: Path) -> None:
        """Discarded and swept files have no hidden names left."""
        incoming = storage.reserve("one", ["x.jpg"])
        incoming.write(io.BytesIO(b"x"))
        incoming.discard()
        storage.reserve("one", [EXPORTS, "2.json"]).write(io.BytesIO(b"half"))
        storage.sweep_exports("one")
        assert list(tmp_path.rglob(f"{HIDDEN}*")) == []
