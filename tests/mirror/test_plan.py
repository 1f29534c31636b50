"""What a sync would do, decided without any server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coir.mirror.plan import Add, Change, Limits, MaxDelete, Remove, Tally, compare, obstacle
from coir.mirror.record import ImageRecord


def record(image_id: int, name: str = "a.jpg", path: str | None = "/d/a.jpg") -> ImageRecord:
    return ImageRecord(image_id, name, path, 4, 3)


rows = st.dictionaries(st.integers(1, 30), st.sampled_from(["a.jpg", "b.jpg"]))


def ascending(held: dict[int, str]) -> list[ImageRecord]:
    return [record(one, held[one]) for one in sorted(held)]


@given(here=rows, there=rows)
def test_a_plan_makes_the_one_like_the_other(here: dict[int, str], there: dict[int, str]) -> None:
    """Carrying out the actions of a comparison gives the server's rows, and no action is idle."""
    held, tally = dict(here), Tally()
    for action in compare(ascending(here), ascending(there), tally):
        match action:
            case Add(image):
                assert image.id not in held
                held[image.id] = image.file_name
            case Change(image):
                assert held[image.id] != image.file_name
                held[image.id] = image.file_name
            case Remove(image_id):
                del held[image_id]
    assert held == there
    assert tally.added + tally.changed + tally.unchanged == len(there)
    assert tally.removed + tally.changed + tally.unchanged == len(here)


def test_what_a_row_does_not_tell_is_no_difference() -> None:
    """The original's listing tells no path and no size: what is known of them stays."""
    there = ImageRecord(1, "a.jpg", num_annotations=2)
    (action,) = compare([record(1)], [there], Tally())
    assert action == Change(ImageRecord(1, "a.jpg", "/d/a.jpg", 4, 3, num_annotations=2))


def test_an_emptied_server_is_an_obstacle() -> None:
    """Of a server that lists nothing any more nothing is believed, whatever may be removed."""
    gone = Tally(removed=3)
    refused = obstacle(gone, 3, Limits(MaxDelete(percent=100)))
    assert refused is not None
    assert "--allow-empty" in refused[1]
    assert obstacle(gone, 3, Limits(allow_empty=True)) is None
    assert obstacle(Tally(), 0, Limits()) is None


def test_a_mass_deletion_is_an_obstacle() -> None:
    """More removals than allowed stop a plan, and the flag that allows it is told."""
    few, many = Tally(removed=200, unchanged=800), Tally(removed=201, unchanged=799)
    assert obstacle(few, 1_000, Limits()) is None
    refused = obstacle(many, 1_000, Limits())
    assert refused is not None
    assert "--max-delete 201" in refused[1]
    assert obstacle(many, 1_000, Limits(MaxDelete(number=201))) is None
    assert obstacle(Tally(removed=1, unchanged=9), 10, Limits(MaxDelete(number=0))) is not None


def test_other_images_under_the_same_ids_are_an_obstacle() -> None:
    """More file names or paths that changed than may be removed stop a plan, but not a feed's."""
    here = [record(one) for one in range(1, 101)]
    tally, renamed = Tally(), [record(one, "b.jpg") for one in range(1, 22)]
    actions = list(compare(here, [*renamed, *here[21:]], tally))
    assert (tally.changed, tally.renamed, tally.unchanged) == (21, 21, 79)
    assert all(isinstance(one, Change) and one.renamed for one in actions)
    refused = obstacle(tally, 100, Limits())
    assert refused is not None
    assert refused[0].startswith("21 of 100 images would have another file name or path")
    assert "--max-delete 21" in refused[1]
    assert obstacle(tally, 100, Limits(MaxDelete(number=21))) is None
    assert obstacle(tally, 100, Limits(), followed=True) is None
    moved = Tally()
    list(compare(here, [record(one, path="/d/b/a.jpg") for one in range(1, 101)], moved))
    assert moved.renamed == 100


def test_what_is_no_other_image() -> None:
    """A path that becomes known, and what people do to an image, rename nothing."""
    tally = Tally()
    first, second = record(1, path=None), record(2)
    there = [record(1), ImageRecord(2, "a.jpg", annotated=True)]
    assert len(list(compare([first, second], there, tally))) == 2
    assert (tally.changed, tally.renamed) == (2, 0)


def test_of_a_small_mirror_a_few_may_always_go() -> None:
    """A part of ten images is no measure."""
    assert obstacle(Tally(removed=5, unchanged=5), 10, Limits()) is None
