"""Where files lie: it follows from which images there are, and not from how a mirror came there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coir.mirror import holdings
from coir.mirror.counts import Counts
from coir.mirror.database import Database
from coir.mirror.holdings import Holdings
from coir.mirror.plan import Add, Change, Remove
from coir.mirror.record import FileRecord, ImageRecord
from coir.mirror.settling import Places, Settling
from coir.mirror.store import Store
from coir.mirror.trash import Trash
from coir.mirror.tree import Tree

HOME = "/datasets/birds"
# Few at a time, so that what is in the way is often an image whose turn comes later.
PAGE = 2
EVER = 1_000
# Of images 1 to 6: names that differ in case only, files that are others' folders, and what
# numbered ones are called.
NAMES = ["a", "A", "b", "a~2", "a~3", "A~2~4", "b~3"]


class Killed(BaseException):
    """The end of a process."""


class Disk(Tree):
    """A folder in which a process ends before it moves one more file."""

    moves = EVER

    def move(self, source: str, target: str) -> None:
        if not self.moves:
            raise Killed
        self.moves -= 1
        super().move(source, target)


class Shelf:
    """The files of a mirror, and a server that has any path for any image."""

    def __init__(self, folder: Path) -> None:
        self.tree = Disk(folder)
        self.database = Database(folder / "coir.db", create=True)
        self.trash = Trash(self.tree)
        self.store = Store(self.database, self.trash.take)
        self.holdings = Holdings(self.store)

    def put(self, image_id: int, path: str) -> None:
        """Add an image, or give it another path."""
        held = self.store.image(image_id)
        image = ImageRecord(image_id, path.rpartition("/")[2], f"{HOME}/{path}")
        self.store.act(1, Counts(), [Add(image) if held is None else Change(image)])

    def remove(self, image_id: int) -> None:
        """Take an image away."""
        self.store.act(1, Counts(), [Remove(image_id)])

    def sync(
        self, *, most: int = EVER, moves: int = EVER, broken: frozenset[int] = frozenset()
    ) -> None:
        """Fetch what is due, until so many came, or were moved; a few rows are written at once."""
        self.tree.moves = moves
        places = Places(self.holdings, HOME)
        settling = Settling(self.tree, self.holdings, self.trash, places, 1)
        came: list[FileRecord] = []
        with suppress(Killed):
            settling.finish()
            for number, (image, place) in enumerate(settling.due()):
                if number == most:
                    break
                at = f"images/{place}"
                if image.file is not None:
                    assert self.tree.at(at).read_text() == str(image.image_id)
                elif image.image_id in broken:
                    continue
                else:
                    assert not self.tree.is_taken(at)
                    self.tree.made(at).write_text(str(image.image_id))
                came.append(FileRecord(image.image_id, place, 1, ""))
                if len(came) == 3:
                    self._hold(places, came)
        self.tree.moves = EVER
        self._hold(places, came)

    def _hold(self, places: Places, came: list[FileRecord]) -> None:
        self.holdings.put(1, Counts(), came, due=False)
        for one in came:
            places.stored(one.image_id)
        came.clear()

    @property
    def places(self) -> dict[int, str]:
        """Where the files are, which is where the rows say."""
        rows = self.database.rows("SELECT id, place FROM images WHERE place IS NOT NULL")
        told: dict[int, str] = dict(rows)
        home = self.tree.at("images")
        found = {
            int(one.read_text()): str(one.relative_to(home))
            for one in home.rglob("*")
            if one.is_file()
        }
        assert found == told
        return told


@contextmanager
def shelf() -> Iterator[Shelf]:
    """A mirror without images."""
    with tempfile.TemporaryDirectory() as folder:
        made = Shelf(Path(folder))
        try:
            yield made
        finally:
            made.database.close()


def at_once(paths: dict[int, str]) -> dict[int, str]:
    """The places in a mirror that is made now."""
    with shelf() as fresh:
        for image_id, path in paths.items():
            fresh.put(image_id, path)
        fresh.sync()
        return fresh.places


@pytest.fixture(autouse=True, scope="module")
def few() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(holdings, "PAGE", PAGE)
        yield


ids = st.integers(1, 6)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
few_or_all = st.one_of(st.just(EVER), st.integers(0, 5))
steps = st.one_of(
    st.tuples(ids, paths),
    st.tuples(ids, st.none()),
    st.builds(dict, most=few_or_all, moves=few_or_all),
)


@pytest.mark.slow
@given(st.lists(steps, max_size=25), st.frozensets(ids, max_size=2))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@example([(2, "a"), (5, "A"), {}, (1, "A")], frozenset())
@example([(3, "a~2"), {}, (1, "a"), (2, "A")], frozenset())
@example([(2, "a/b"), (3, "A/c"), {}, (1, "a")], frozenset())
@example([(1, "a"), (4, "b"), {}, (1, "b"), (4, "a"), {"moves": 3}], frozenset({1}))
def test_any_history_leads_to_the_same_places(
    history: list[tuple[int, str | None] | dict[str, int]], broken: frozenset[int]
) -> None:
    """Images that come, go and are renamed, in syncs that are killed: as if made in one go.

    An image whose file does not come keeps its place from others.
    """
    images: dict[int, str] = {}
    with shelf() as kept:
        for step in history:
            match step:
                case (int(image_id), str(path)):
                    kept.put(image_id, path)
                    images[image_id] = path
                case (int(image_id), None):
                    kept.remove(image_id)
                    images.pop(image_id, None)
                case dict():
                    kept.sync(broken=broken, **step)
        kept.sync(broken=broken)
        places = kept.places
        assert places.keys() | broken >= images.keys()
        expected = at_once(images)
        assert places == {image_id: expected[image_id] for image_id in places}


@pytest.mark.parametrize(
    ("images", "places"),
    [
        (["a", "A"], ["a", "A~2"]),
        (["a", "A", "a~2"], ["a", "A~2", "a~2~3"]),
        (["b/a.jpg", "B/a.jpg", "b/A.jpg"], ["b/a.jpg", "B/a~2.jpg", "b/A~3.jpg"]),
        (["a.jpg", "A.jpg/b.jpg"], ["a.jpg", "A~2.jpg/b.jpg"]),
        (["A.jpg/b.jpg", "a.jpg"], ["A.jpg/b.jpg", "a~2.jpg"]),
        (["a", "a/b", "a/b/c"], ["a", "a~2/b", "a~3/b/c"]),
        (["a/b/c", "a/b", "a"], ["a/b/c", "a/b~2", "a~3"]),
        (["a/b", "a/B/c", "a/b/d", "A"], ["a/b", "a/B~2/c", "a/b~3/d", "A~4"]),
    ],
)
def test_the_smallest_id_has_the_name(images: list[str], places: list[str]) -> None:
    """Whichever came first, those of larger ids are numbered; and no longer, once it is gone."""
    expected = dict(enumerate(places, 1))
    wanted = dict(enumerate(images, 1))
    for order in (sorted(wanted), sorted(wanted, reverse=True)):
        with shelf() as kept:
            for image_id in order:
                kept.put(image_id, wanted[image_id])
                kept.sync()
            assert kept.places == expected
            kept.put(1, "elsewhere")
            kept.sync()
            assert kept.places == at_once(wanted | {1: "elsewhere"})
            kept.put(1, wanted[1])
            kept.sync()
            assert kept.places == expected
            for image_id in order:
                if image_id > 1:
                    kept.remove(image_id - 1)
                    kept.sync()
                    rest = {one: wanted[one] for one in wanted if one in kept.places}
                    assert kept.places == at_once(rest)


def test_the_first_file_does_not_wait_for_the_places_of_all() -> None:
    """Of images that are due few are looked at before the first is given, and none is kept."""
    with shelf() as kept:
        for image_id in range(1, 10 * PAGE):
            kept.put(image_id, f"{image_id}.jpg")
        kept.sync(most=1)
        places = Places(kept.holdings, HOME)
        settling = Settling(kept.tree, kept.holdings, kept.trash, places, 1)
        for image, place in settling.due():
            assert len(places._chosen) <= PAGE
            kept._hold(places, [FileRecord(image.image_id, place, 1, "")])
        assert not any((places._chosen, places._reserved, places._folders, places._waiting))
