"""Polygons in pixels: rings as flat lists ``[x0, y0, x1, y1, …]``, the first point not repeated.

Area and box are those of the exact shape, not of the pixels that it covers. A ring inside
another is a hole, one inside a hole an island (even-odd). Rings that cross each other, or
themselves, are taken as if they did not: each counts with its signed shoelace area.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

__all__ = ["Box", "Outline", "area", "bounds", "clipped", "outline", "problem", "signs"]

Ring = Sequence[float]
Point = tuple[float, float]
# As the record has points of drawn shapes: a hundredth of a pixel.
DIGITS = 2
# Which ring lies in which takes a comparison of each two; beyond this many all count as outer.
MOST_NESTED = 1000
NUDGE = 1e-6  # pixels


class Box(NamedTuple):
    """A box as COCO writes it: the least x and y, then width and height."""

    x: float
    y: float
    width: float
    height: float


class Outline(NamedTuple):
    """What an annotation says of its shape; without rings all is 0."""

    rings: list[list[float]]
    area: float
    box: Box


NOWHERE = Box(0, 0, 0, 0)


def problem(ring: Ring) -> str:
    """What keeps the numbers from being a ring, or nothing."""
    if len(ring) % 2:
        return "an odd number of coordinates"
    if len(ring) < 6:
        return "fewer than three points"
    if not all(map(math.isfinite, ring)):
        return "a coordinate that is no finite number"
    return ""


def area(rings: Sequence[Ring]) -> float:
    """The area of a shape in square pixels; holes are left out."""
    known = signs(rings)
    return abs(sum(sign * abs(_signed(ring)) for sign, ring in zip(known, rings, strict=True)))


def bounds(rings: Sequence[Ring]) -> Box:
    """The least box that contains all points."""
    xs = [x for ring in rings for x in ring[::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    if not xs:
        return NOWHERE
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def clipped(ring: Ring, width: float, height: float) -> list[float]:
    """The part of a ring inside an image, as one ring (Sutherland and Hodgman).

    Parts that the border separates stay joined along it by edges without area. A ring that lies
    inside is returned as it is; one without area inside, as an empty list.
    """
    if _inside(ring, width, height):
        return list(ring)
    points = list(_points(ring))
    for axis, limit, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        points = list(_half(points, axis, limit, sign))
    kept = [number for point in points for number in point]
    return kept if len(kept) >= 6 and _signed(kept) else []


def outline(rings: Sequence[Ring], width: float, height: float) -> Outline:
    """A shape inside an image: its rings clipped, without those that have no area there."""
    known = signs(rings)
    kept, total = [], 0.0
    for sign, ring in zip(known, rings, strict=True):
        inside = clipped(ring, width, height)
        size = abs(_signed(inside))
        if size:
            kept.append([n if isinstance(n, int) else round(n, DIGITS) for n in inside])
            total += sign * size
    if not kept:
        return Outline([], 0, NOWHERE)
    if all(_inside(ring, width, height) for ring in rings):
        box = bounds(kept)
    else:
        box = _box_inside(rings, width, height)
    return Outline(kept, round(abs(total), DIGITS), Box(*(_rounded(n) for n in box)))


def _rounded(number: float) -> float:
    return number if isinstance(number, int) else round(number, DIGITS)


def _points(ring: Ring) -> Iterator[Point]:
    return zip(ring[::2], ring[1::2], strict=True)


def _edges(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Each point with the one before it; the first with the last."""
    return ((points[number - 1], point) for number, point in enumerate(points))


def _signed(ring: Ring) -> float:
    """The shoelace area: positive where the ring runs clockwise, as y grows downwards."""
    if not ring:
        return 0.0
    # Around the first point: far from the origin the products would lose what they differ by.
    ox, oy = ring[0], ring[1]
    ax, ay = ring[-2] - ox, ring[-1] - oy
    total = 0.0
    for x, y in _points(ring):
        bx, by = x - ox, y - oy
        total += ax * by - bx * ay
        ax, ay = bx, by
    return total / 2


def _inside(ring: Ring, width: float, height: float) -> bool:
    xs, ys = ring[::2], ring[1::2]
    return not xs or (min(xs) >= 0 and max(xs) <= width and min(ys) >= 0 and max(ys) <= height)


def _half(points: Sequence[Point], axis: int, limit: float, sign: int) -> Iterator[Point]:
    """The part of a ring on one side of a line along an axis."""
    for before, point in _edges(points):
        was, now = (sign * (p[axis] - limit) for p in (before, point))
        if (was < 0) != (now < 0):
            share = was / (was - now)
            other = 1 - axis
            crossing = before[other] + share * (point[other] - before[other])
            yield (limit, crossing) if axis == 0 else (crossing, limit)
        if now >= 0:
            yield point


def _box_inside(rings: Sequence[Ring], width: float, height: float) -> Box:
    """The box of a shape's part inside an image.

    Not that of the clipped rings: the edges that join their parts may run where nothing is.
    """
    found: list[float] = []
    for ring in rings:
        for before, point in _edges(list(_points(ring))):
            found += _edge_inside(before, point, width, height)
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        # A little inside: a side that runs along the border has nothing in the image on one side.
        corner = (width * right + NUDGE * (1 - 2 * right), height * below + NUDGE * (1 - 2 * below))
        if sum(_contains(ring, corner) for ring in rings) % 2:
            found += (width * right, height * below)
    return bounds([found])


def _edge_inside(start: Point, end: Point, width: float, height: float) -> list[float]:
    """The ends of an edge's part inside an image (Liang and Barsky); empty when there is none."""
    first, last = 0.0, 1.0
    steps = (end[0] - start[0], end[1] - start[1])
    for axis, limit in ((0, width), (1, height)):
        step, at = steps[axis], start[axis]
        if step == 0:
            # Along the border: where the shape lies inside, its other edges or a corner tell so.
            if not 0 < at < limit:
                return []
            continue
        low, high = sorted(((0 - at) / step, (limit - at) / step))
        first, last = max(first, low), min(last, high)
    if first >= last:  # nothing, or a mere touch
        return []
    ends = [(start[0] + t * steps[0], start[1] + t * steps[1]) for t in (first, last)]
    return [n for x, y in ends for n in (min(max(x, 0.0), width), min(max(y, 0.0), height))]


def signs(rings: Sequence[Ring]) -> list[int]:
    """Give for each ring 1 where it adds to the shape, -1 where it is a hole."""
    if not 1 < len(rings) <= MOST_NESTED:
        return [1] * len(rings)
    sizes = [abs(_signed(ring)) for ring in rings]
    boxes = [bounds([ring]) for ring in rings]
    found = [1] * len(rings)
    larger: list[int] = []  # from the smallest up, so that the first around a ring is the nearest
    for number in sorted(range(len(rings)), key=sizes.__getitem__, reverse=True):
        for other in larger:
            if (
                sizes[other] > sizes[number]
                and _box_contains(boxes[other], boxes[number])
                and _lies_in(rings[number], rings[other])
            ):
                found[number] = -found[other]
                break
        larger.insert(0, number)
    return found


def _box_contains(outer: Box, inner: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and outer.x + outer.width >= inner.x + inner.width
        and outer.y + outer.height >= inner.y + inner.height
    )


def _lies_in(ring: Ring, outer: Ring) -> bool:
    """Whether a ring that does not cross the other lies inside it."""
    middles = (((ax + bx) / 2, (ay + by) / 2) for (ax, ay), (bx, by) in _edges(list(_points(ring))))
    for point in chain(_points(ring), middles):
        if not _on_border(outer, point):
            return _contains(outer, point)
    return False


def _on_border(ring: Ring, point: Point) -> bool:
    x, y = point
    for (ax, ay), (bx, by) in _edges(list(_points(ring))):
        between = min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by)
        if between and (bx - ax) * (y - ay) == (by - ay) * (x - ax):
            return True
    return False


def _contains(ring: Ring, point: Point) -> bool:
    """Whether a point lies in a ring: a ray to the right crosses it an odd number of times."""
    x, y = point
    odd = False
    for (ax, ay), (bx, by) in _edges(list(_points(ring))):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            odd = not odd
    return odd
