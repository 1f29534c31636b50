"""Where files lie: any path becomes a place on any disk, and no two paths the same one."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coir.mirror.place import (
    LONGEST,
    LONGEST_PLACE,
    as_jpeg,
    folders,
    key,
    local_place,
    numbered,
    server_path,
)

HOME = "/datasets/birds/"
DEVICES = [
    "CON",
    "prn.jpg",
    "Aux.tar.gz",
    "nul ",
    "com1.png",
    "LPT9",
    "COM¹.jpg",
    "conin$",
    "con .a",
]
NAMES = [
    "a b.jpg", "鳥.jpg", "🐦.jpg", "é.jpg", "e\u0301.jpg", "%41.jpg", "%", "~1.jpg", "a~1.jpg",
    ".hidden", "..", ".", "...", "end.", "end ", " start", "a:b", "a\\b", "a|b?*<>\"", "\x00\n\x7f",
    "\ud83d", "", "x" * 300, "鳥" * 100 + ".jpg", *DEVICES,
]  # fmt: skip
names = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_characters="/"), max_size=12),  # surrogates too
    st.text(st.sampled_from("aA.~% ée\u0301/"), max_size=8).map(lambda one: one.replace("/", "")),
)
paths = st.one_of(
    st.lists(names, min_size=1, max_size=4).map(lambda one: HOME + "/".join(one)),
    st.lists(names, min_size=1, max_size=4).map("/".join),
    st.lists(names, min_size=1, max_size=4).map(lambda one: "/" + "/".join(one)),
)


@given(paths)
@example("/etc/passwd")
@example("../../etc/passwd")
@example(HOME + "../other/a.jpg")
@example(HOME + "C:/windows")
@example("")
def test_it_stays_below_the_folder(path: str) -> None:
    """No path leads out, and none is absolute or of a drive, on any system."""
    place = local_place(path, HOME)
    for kind in (PurePosixPath, PureWindowsPath):
        parts = kind(place).parts
        assert not kind(place).is_absolute()
        assert not kind(place).anchor
        assert ".." not in parts
        assert "/".join(parts) == place


@given(paths)
def test_any_disk_takes_it(path: str) -> None:
    """Each name is valid where Windows, macOS or Linux keep the file, and none is hidden."""
    place = local_place(path, HOME)
    assert len(place.encode()) <= LONGEST_PLACE
    for name in place.split("/"):
        assert name
        assert len(name.encode()) <= LONGEST
        assert not set(name) & set('<>:"\\|?*')
        assert all(char.isprintable() or ord(char) > 127 for char in name)
        assert name[0] not in ". "
        assert name[-1] not in ". "
        assert not PureWindowsPath(name).is_reserved()


@given(paths)
def test_it_is_reversible(path: str) -> None:
    """The path can be told from the place, unless a name was cut."""
    place = local_place(path, HOME)
    if not any(len(one.encode()) >= LONGEST - 4 for one in place.split("/")):
        assert server_path(place, HOME) == path


@given(paths, paths)
def test_two_paths_have_two_places(one: str, other: str) -> None:
    """No two paths share a place; where one disk takes two for the same, their keys say so."""
    first, second = local_place(one, HOME), local_place(other, HOME)
    assert (first == second) == (one == other)


@given(names)
def test_names_that_differ_in_case_or_form_share_a_key(one: str) -> None:
    """What a disk that ignores case, or normalizes, takes for the same name has the same key."""
    here = local_place(HOME + one, HOME)
    for form in ("NFC", "NFD"):
        assert key(unicodedata.normalize(form, here)) == key(here)
    assert key(here.upper()) == key(here.upper().lower())
    assert key(key(here)) == key(here)


@given(paths, st.integers(1, 10**9))
def test_a_numbered_place_is_another_and_keeps_its_ending(path: str, number: int) -> None:
    """What is numbered lies in the same folder, has another key and the same kind."""
    place = local_place(path, HOME)
    other = numbered(place, number)
    assert folders(other) == folders(place)
    assert key(other) != key(place)
    assert as_jpeg(other).endswith(other) == as_jpeg(place).endswith(place)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (HOME + "a b/鳥.jpg", "a b/鳥.jpg"),
        (HOME + "what?.jpg", "what%3F.jpg"),
        (HOME + ".hidden.jpg", "%2Ehidden.jpg"),
        (HOME + "../x.jpg", "%2E%2E/x.jpg"),
        (HOME + "con.jpg", "%63on.jpg"),
        (HOME + "a//b.jpg", "a/%/b.jpg"),
        ("/datasets/cats/a.jpg", "%elsewhere/%/datasets/cats/a.jpg"),
        ("/datasets/birds2/a.jpg", "%elsewhere/%/datasets/birds2/a.jpg"),
        ("a.jpg", "%elsewhere/a.jpg"),
    ],
)
def test_how_it_looks(path: str, place: str) -> None:
    """What a person finds in the folder."""
    assert local_place(path, HOME) == place


def test_a_jpeg_that_was_made_has_a_fitting_ending() -> None:
    """The ending of another kind stays, and `.jpg` follows."""
    made = [as_jpeg(one) for one in ("a.png", "a.jpg", "a.JPEG", "a")]
    assert made == ["a.png.jpg", "a.jpg", "a.JPEG", "a.jpg"]
