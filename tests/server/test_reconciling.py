"""What a scan decides, without files and rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coir.server.reconciling import Content, Known, difference, moves
from coir.server.storage import Found, Passed, Stamp

NAMES = st.sampled_from([*"abc", "a/1", "a b/1", "a-b/1", "ä/1", "a/b/1", "\U0001f600"])
ONE, OTHER = Stamp(1, 1), Stamp(1, 2)


def row(name: str, number: int = 1, stamp: Stamp | None = ONE, **more: bool) -> Known:
    return Known(number, name, stamp, "sample", more.get("vanished", False))


@given(rows=st.sets(NAMES), files=st.permutations(sorted({*"abc", "a/1", "a b/1", "ä/1"})))
def test_every_file_and_row_is_in_one_place(rows: set[str], files: list[str]) -> None:
    """Files without rows are new, in the walk's order; rows without files are missing."""
    known = [row(name) for name in sorted(rows)]
    found = [Found(name, ONE) for name in files]
    different = difference(known, found, [])
    assert [file.name for file in different.fresh] == [name for name in files if name not in rows]
    assert [one.name for one in different.missing] == sorted(rows - set(files))
    assert (different.suspects, different.back) == ([], [])


def test_stamps_decide() -> None:
    """Another stamp, or none so far, is looked at again; a vanished row is back."""
    known = [row("a"), row("b", stamp=OTHER), row("c", stamp=None), row("d", vanished=True)]
    different = difference(known, [Found(name, ONE) for name in "abcd"], [])
    assert [one.name for one, _ in different.suspects] == ["b", "c"]
    assert [one.name for one in different.back] == ["d"]


def test_where_the_walk_could_not_look_nothing_is_missing() -> None:
    """Below a folder that cannot be read, and at a file that cannot, nobody knows."""
    known = [row(name) for name in sorted(["dark/1", "dark/deep/2", "dark2/3", "file", "other"])]
    passed = [Passed("dark/", "why", unknown=True), Passed("file", "why", unknown=True)]
    passed.append(Passed("other", "a link that leads out"))
    missing = difference(known, [], passed).missing
    assert [one.name for one in missing] == ["dark2/3", "other"]
    assert difference(known, [], [Passed("", "why", unknown=True)]).missing == []


def test_most_of_the_path_decides_among_equal_contents() -> None:
    """Of equal pictures each goes where its path says, and each row moves once."""
    rows = [row("a/x/1", 1), row("a/y/1", 2)]
    contents = [Content(Found(name, OTHER), "sample") for name in ("b/y/1", "b/x/1", "c/1")]
    found = moves(contents, rows)
    assert {name: one.id for name, one in found.items()} == {"b/y/1": 2, "b/x/1": 1}


def test_neither_name_nor_time_is_no_move() -> None:
    """The sample alone moves nothing."""
    content = Content(Found("new", OTHER), "sample")
    assert moves([content], [row("old")]) == {}
    assert moves([Content(Found("new", ONE), "sample")], [row("old")]) != {}
