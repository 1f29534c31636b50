"""Polygons: area, box, clipping and holes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.geometry import Box, area, bounds, clipped, outline, problem

SQUARE = [10, 10, 40, 10, 40, 40, 10, 40]
HOLE = [20, 20, 20, 30, 30, 30, 30, 20]
ISLAND = [22, 22, 28, 22, 28, 28, 22, 28]

numbers = st.floats(-200, 300).map(lambda n: round(n, 2))


@st.composite
def stars(draw: st.DrawFn) -> list[float]:
    """A ring that does not cross itself: points in the order of their angles around a centre."""
    cx, cy = draw(numbers), draw(numbers)
    number = draw(st.integers(3, 12))
    ring = []
    for step in range(number):  # less than half a turn between two
        turn = math.tau * (step + draw(st.floats(0, 0.49))) / number
        radius = draw(st.floats(5, 150))
        ring += [cx + radius * math.cos(turn), cy + radius * math.sin(turn)]
    return ring


def around(ring: list[float], steps: int) -> list[float]:
    """The ring from another of its points on."""
    cut = 2 * (steps % (len(ring) // 2))
    return ring[cut:] + ring[:cut]


def backwards(ring: list[float]) -> list[float]:
    return [n for x, y in zip(ring[-2::-2], ring[-1::-2], strict=True) for n in (x, y)]


@given(stars(), st.integers(0, 11), numbers, numbers)
def test_area_is_the_shapes_own(ring: list[float], steps: int, dx: float, dy: float) -> None:
    """Neither the first point, nor the direction, nor the place changes a ring's area."""
    size = area([ring])
    moved = [n + (dy if number % 2 else dx) for number, n in enumerate(ring)]
    for other in (around(ring, steps), backwards(ring), moved):
        assert area([other]) == pytest.approx(size, abs=1e-6)


@given(st.lists(stars(), min_size=1, max_size=4))
def test_box_is_the_least_that_contains_all_points(rings: list[list[float]]) -> None:
    """Every point lies in the box, and each of its sides touches one."""
    box = bounds(rings)
    xs = [x for ring in rings for x in ring[::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    assert (box.x, box.y) == (min(xs), min(ys))
    assert box.x + box.width == pytest.approx(max(xs))
    assert box.y + box.height == pytest.approx(max(ys))
    assert area(rings[:1]) <= box.width * box.height + 1e-6


@given(stars(), st.integers(1, 200), st.integers(1, 150))
def test_clipped_is_inside_and_nothing_is_lost(ring: list[float], width: int, height: int) -> None:
    """What an image and the space around it hold of a ring are together the whole ring."""
    inside = clipped(ring, width, height)
    assert all(0 <= x <= width for x in inside[::2])
    assert all(0 <= y <= height for y in inside[1::2])
    assert clipped(inside, width, height) == inside
    # The plane in four strips around the image; -1000 and 2000 are beyond every star.
    far = 2000
    strips = [(-1000, -1000, 0, far), (width, -1000, far, far)]
    strips += [(0, -1000, width, 0), (0, height, width, far)]
    outside = 0.0
    for left, top, right, bottom in strips:
        shifted = [n - (top if number % 2 else left) for number, n in enumerate(ring)]
        outside += area([clipped(shifted, right - left, bottom - top)])
    assert area([inside]) + outside == pytest.approx(area([ring]), abs=1e-4)


@given(stars(), st.integers(1, 200), st.integers(1, 150))
def test_outline_agrees_with_the_pixels(ring: list[float], width: int, height: int) -> None:
    """No point of a ring inside the image lies outside its box, and none of the box's sides is
    far from such a point."""
    made = outline([ring], width, height)
    dense = []  # points on the ring's sides, a hundredth of a side apart
    for number in range(0, len(ring), 2):
        ax, ay, bx, by = ring[number - 2], ring[number - 1], ring[number], ring[number + 1]
        dense += [(ax + t / 100 * (bx - ax), ay + t / 100 * (by - ay)) for t in range(101)]
    seen = [(x, y) for x, y in dense if 0 < x < width and 0 < y < height]
    if not made.rings:
        return
    x, y, w, h = made.box
    assert all(x - 0.011 <= px <= x + w + 0.011 for px, _ in seen)
    assert all(y - 0.011 <= py <= y + h + 0.011 for _, py in seen)
    assert 0 <= x <= x + w <= width + 0.011
    assert 0 <= y <= y + h <= height + 0.011
    assert made.area <= w * h + 0.011 * (w + h) + 0.01


def test_square_is_measured_as_recorded() -> None:
    """The recorded shape has the recorded area and box (annotator: load.after_save)."""
    assert outline([SQUARE], 96, 64) == ([SQUARE], 900, Box(10, 10, 30, 30))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("turned", [False, True])
def test_ring_within_a_ring_is_a_hole(order: tuple[int, ...], turned: bool) -> None:
    """Holes are left out and islands in them count, in whatever order and direction they come."""
    rings = [SQUARE, backwards(HOLE) if turned else HOLE, ISLAND]
    assert area([rings[number] for number in order]) == 900 - 100 + 36
    assert outline(rings, 96, 64).area == 836


def test_hole_that_touches_the_outline() -> None:
    """A hole may share points and sides with what it lies in."""
    assert area([SQUARE, [10, 10, 20, 10, 20, 20]]) == 850
    assert area([SQUARE, [10, 10, 40, 40, 40, 10]]) == 450


def test_parts_side_by_side_add_up() -> None:
    """Two parts count both, also where they run in opposite directions."""
    other = [50, 10, 50, 40, 80, 40, 80, 10]
    assert outline([SQUARE, other], 96, 64) == ([SQUARE, other], 1800, Box(10, 10, 70, 30))


def test_hole_is_clipped_with_its_outline() -> None:
    """A hole that reaches over the border leaves out only what lies inside the image."""
    made = outline([[-20, 0, 40, 0, 40, 40, -20, 40], [-10, 10, 10, 10, 10, 20, -10, 20]], 96, 64)
    assert made.area == 40 * 40 - 10 * 10
    assert made.box == (0, 0, 40, 40)


@pytest.mark.parametrize("inner", [100, 105])
def test_box_of_parts_that_meet_outside_the_image(inner: int) -> None:
    """An arch over the image's upper border leaves two legs: the box does not reach the border."""
    arch = [-10, 60, -10, -20, 110, -20, 110, 60, 90, 60, 90, 50, inner, 50]
    arch += [inner, -10, 100 - inner, -10, 100 - inner, 50, 10, 50, 10, 60]
    made = outline([arch], 100, 100)
    assert made.area == 200
    assert made.box == (0, 50, 100, 10)


def test_box_over_the_whole_image() -> None:
    """A shape around the image covers it, though none of its points lies inside."""
    for start in (-9, 0):
        around = [start, start, 200, start, 200, 99, start, 99]
        assert outline([around], 96, 64)[1:] == (96 * 64, (0, 0, 96, 64))


@pytest.mark.parametrize(
    "ring", [[100, 0, 120, 0, 110, 9], [5, 5, 5, 5, 5, 5], [-9, 0, 0, 0, 0, 9]]
)
def test_nothing_inside_is_no_outline(ring: list[float]) -> None:
    """A ring outside the image, beside it or without area leaves nothing, and no box."""
    assert outline([ring], 96, 64) == ([], 0, (0, 0, 0, 0))
    assert outline([], 96, 64) == ([], 0, (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("ring", "word"),
    [
        ([1, 2, 3], "odd"),
        ([1, 2, 3, 4], "three points"),
        ([], "three points"),
        ([0, 0, 1, 1, math.inf, 2], "finite"),
        ([0, 0, 1, 1, math.nan, 2], "finite"),
        (SQUARE, ""),
    ],
)
def test_problem_says_what_is_wrong(ring: list[float], word: str) -> None:
    """What is no ring is told in words; a ring has no problem."""
    assert word in problem(ring)
    assert bool(word) == bool(problem(ring))
