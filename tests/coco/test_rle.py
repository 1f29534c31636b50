"""Run-length encodings: round trips, area and box against the pixels, and what is none."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as pycocotools

from coir.rle import RleError, area, bounds, compressed, decompressed, drawn, runs


@st.composite
def masks(draw: st.DrawFn) -> tuple[int, list[int]]:
    """A height, and the pixels of a mask down its columns."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    size = height * width
    return height, draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))


def encoded(pixels: list[int]) -> list[int]:
    counts = [len(list(run)) for _, run in groupby(pixels)]
    return [0, *counts] if pixels[0] else counts


@given(masks())
def test_area_and_box_are_the_pixels(mask: tuple[int, list[int]]) -> None:
    """The area counts the pixels, and the box is the least around them."""
    height, pixels = mask
    counts = encoded(pixels)
    assert area(counts) == sum(pixels)
    places = [divmod(number, height) for number, pixel in enumerate(pixels) if pixel]
    if not places:
        assert bounds(counts, height) == (0, 0, 0, 0)
        return
    xs, ys = zip(*places, strict=True)
    width_and_height = (max(xs) - min(xs) + 1, max(ys) - min(ys) + 1)
    assert bounds(counts, height) == (min(xs), min(ys), *width_and_height)


@given(st.lists(st.integers(0, 2**40), max_size=40))
def test_text_is_read_back(counts: list[int]) -> None:
    """Runs survive being written as a text, and the text has no character that JSON escapes
    but the backslash."""
    text = compressed(counts)
    assert decompressed(text) == counts
    assert all(48 <= ord(character) < 112 for character in text)


@pytest.mark.parametrize(
    ("counts", "text"),
    # Written by pycocotools 2.0.
    [([6, 1, 40, 4, 5, 4, 5, 4, 21], "61X13mN000`0"), ([0, 5], "05"), ([100], "T3")],
)
def test_text_is_as_pycocotools_writes_it(counts: list[int], text: str) -> None:
    """The compressed form is the one that others write and read."""
    assert compressed(counts) == text
    assert runs({"size": [1, sum(counts)], "counts": text}) == counts


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"size": [2, 2]},
        {"size": [2], "counts": [4]},
        {"size": "22", "counts": [4]},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [5, -1]},
        {"size": [2, 2], "counts": [2.0, 2]},
        {"size": [-2, -2], "counts": [4]},
        {"size": [2, 2], "counts": None},
        {"size": [2, 2], "counts": "é"},
        {"size": [2, 2], "counts": "T"},
        {"size": [2, 2], "counts": "~" * 1000},
        {"size": [2, 2], "counts": "O4"},
    ],
)
def test_what_is_no_mask_is_refused(wrong: dict[str, Any]) -> None:
    """Runs that do not fill the image, and what are no runs, are RleErrors."""
    with pytest.raises(RleError, match=r"\w"):
        runs(wrong)


COORDINATES = st.one_of(st.integers(-5, 30), st.floats(-20, 45))


# pycocotools' own use of NumPy.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(
    st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=8),
    st.integers(1, 25),
    st.integers(1, 25),
)
def test_a_ring_covers_the_pixels_that_pycocotools_says(
    points: list[tuple[float, float]], height: int, width: int
) -> None:
    """A ring, also one that crosses itself or the border, has pycocotools' very pixels."""
    ring = [number for point in points for number in point]
    counts = drawn([ring], height, width)
    assert sum(counts) == height * width
    (theirs,) = pycocotools.frPyObjects([ring], height, width)
    ours = pycocotools.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    assert pycocotools.decode(ours).tolist() == pycocotools.decode(theirs).tolist()


def test_holes_stay_open_and_islands_are_drawn() -> None:
    """A ring in another is taken away, one in the hole is there again, overlaps count once."""

    def square(start: int, end: int) -> list[float]:
        return [start, start, end, start, end, end, start, end]

    counts = drawn([square(8, 12), square(0, 20), square(5, 15)], 20, 20)
    assert area(counts) == 400 - 100 + 16
    assert area(drawn([square(0, 10), square(5, 15)], 20, 20)) == 100 + 100 - 25
