"""What a verification finds: every way in which a mirror and its server can differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.mirror.finding import Evidence, Sign, Tally, judged, paired
from coir.mirror.record import ImageRecord

from .library import Library, painted

records = st.dictionaries(st.integers(1, 30), st.integers(0, 2)).map(
    lambda found: [ImageRecord(one, "a.jpg", width=width) for one, width in sorted(found.items())]
)
SQUARE = [[1, 1, 20, 1, 20, 20, 1, 20]]


@given(records, records)
def test_every_image_is_judged_once(here: list[ImageRecord], there: list[ImageRecord]) -> None:
    """Ascending by id, with the sign that the two sides give it."""
    tally = Tally()
    found = [judged(Evidence(*pair)) for pair in paired(here, there)]
    ours, theirs = {one.id: one for one in here}, {one.id: one for one in there}
    assert [one.id for one in found] == sorted(ours.keys() | theirs.keys())
    for one in found:
        tally.count(one.sign)
        if one.id not in ours:
            assert one.sign is Sign.THERE
        elif one.id not in theirs:
            assert one.sign is Sign.HERE
    same = tally.there == tally.here == tally.differs == 0
    assert tally.verdict == ("same" if same else "differs")
    assert tally.errors == 0


def test_what_could_not_be_found_out_is_neither() -> None:
    """An error is told, whatever else is known of the image."""
    record = ImageRecord(1, "a.jpg")
    finding = judged(Evidence(record, record, flaws=("file due",), error="The file has vanished."))
    assert (finding.sign, finding.message) == (Sign.ERROR, "The file has vanished.")
    tally = Tally()
    tally.count(Sign.DIFFERS)
    tally.count(finding.sign)
    assert tally.verdict == "error"


@pytest.mark.parametrize("plain", [False, True], ids=["coir", "as the original"])
def test_every_difference_is_found(library: Library, plain: bool) -> None:
    """Rows and sizes without `deep`; with it what is in files and annotations, on both sides."""
    library.plain = plain
    names = ["same", "gone", "size", "hash", "lost", "note", "there", "row"]
    ids = {name: library.upload(f"{name}.jpg", painted(at)) for at, name in enumerate(names)}
    category = int(library.admin.post("/api/category/", json={"name": library.name}).json()["id"])
    note = _annotated(library, ids["note"], category)
    with library.mirror() as mirror:
        library.sync(mirror)
        assert _found(library, mirror, deep=True) == ({}, "same")
        assert _found(None, mirror, deep=True) == ({}, "same")
        images = mirror.path / "images"
        library.delete(ids["gone"])
        new = library.upload("new.jpg", painted(20))
        (images / "size.jpg").write_bytes(b"short")
        scribbled = bytearray(painted(3))
        scribbled[-1] ^= 1
        (images / "hash.jpg").write_bytes(scribbled)
        (images / "lost.jpg").unlink()
        assert library.admin.put(f"/api/annotation/{note}", json={"color": "#123456"}).is_success
        (library.home / "there.jpg").write_bytes(painted(6) + b"more")
        _annotated(library, ids["row"], category)
        quick = {
            ids["gone"]: "-",
            ids["size"]: "* file size",
            ids["lost"]: "* file missing",
            ids["row"]: "* row",
            new: "+",
        }
        deep = quick | {
            ids["hash"]: "* file hash",
            ids["note"]: "* annotations",
            ids["there"]: "* file on the server",
            ids["row"]: "* row, annotations",
        }
        assert _found(library, mirror) == (quick, "differs")
        assert _found(library, mirror, deep=True) == (deep, "differs")
        offline = {one: deep[one] for one in (ids["size"], ids["hash"], ids["lost"])}
        assert _found(None, mirror, deep=True) == (offline, "differs")
        del offline[ids["hash"]]
        assert _found(None, mirror) == (offline, "differs")


def test_what_cannot_be_asked_is_an_error(library: Library) -> None:
    """A file that the server lost, and one that could not be fetched; the others are told."""
    ids = [library.upload(f"{number}.jpg", painted(number)) for number in range(3)]
    (library.home / "2.jpg").unlink()
    with library.mirror() as mirror:
        library.sync(mirror)
        found, verdict = _found(library, mirror)
        assert (list(found), verdict) == ([ids[2]], "error")
        assert found[ids[2]].startswith("! file due: ")
        (library.home / "1.jpg").unlink()
        found, verdict = _found(library, mirror, deep=True)
        assert (list(found), verdict) == ([ids[1], ids[2]], "error")
        assert "not there any more" in found[ids[1]] or "status" in found[ids[1]]


def _annotated(library: Library, image_id: int, category_id: int) -> int:
    given = {"image_id": image_id, "category_id": category_id, "segmentation": SQUARE}
    answer = library.admin.post("/api/annotation/", json=given)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def _found(library: Library | None, mirror: object, *, deep: bool = False) -> object:
    """What is not the same, in a line for each image, and the verdict."""
    if library is None:
        return _told(mirror.verify(deep=deep))  # type: ignore[attr-defined]
    with library.reached() as dataset:
        return _told(mirror.verify(dataset, deep=deep))  # type: ignore[attr-defined]


def _told(verification: object) -> tuple[dict[int, str], str]:
    found = {}
    last = 0
    for one in verification:  # type: ignore[attr-defined]
        assert one.id > last
        last = one.id
        if one.sign is not Sign.SAME:
            words = ", ".join(one.what) + (f": {one.message}" if one.message else "")
            found[one.id] = f"{one.sign.value} {words}".rstrip()
    return found, verification.verdict  # type: ignore[attr-defined]


def test_a_link_in_the_place_of_a_file_is_no_file(library: Library, tmp_path: Path) -> None:
    """It is not followed: the file is missing."""
    image_id = library.upload("a.jpg", painted(1))
    with library.mirror() as mirror:
        library.sync(mirror)
        (tmp_path / "copy").write_bytes(painted(1))
        file = mirror.path / "images/a.jpg"
        file.unlink()
        file.symlink_to(tmp_path / "copy")
        assert _found(library, mirror, deep=True) == ({image_id: "* file missing"}, "differs")
