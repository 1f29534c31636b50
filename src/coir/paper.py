"""Shapes as the annotation page draws them: paper.js objects, exported as JSON.

Coordinates are relative to the image's centre. A curve becomes a chain of points that stays
within `TOLERANCE` of it (the original keeps the ends of curves only). An open path is closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

__all__ = ["PaperError", "rings"]

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]

TOLERANCE = 0.1  # pixels; a tenth is less than anyone draws
# A curve of 1,000 pixels with the sharpest bend needs 87 points.
MOST_POINTS = 100
MOST_RINGS = 1000
MOST_COORDINATES = 400_000  # of the points in all rings; takes a second to measure
MOST_DEPTH = 8  # groups within groups: the page makes one level
DIGITS = 2  # recorded: two decimals
UNMOVED: Matrix = (1, 0, 0, 1, 0, 0)


class PaperError(ValueError):
    """What is no path that paper.js exports; the message says where."""


def rings(paper: Any, width: float, height: float) -> list[list[float]]:
    """The outlines of a Path or a CompoundPath, relative to the image's upper left corner.

    Those with fewer than three points are left out. Raises `PaperError`.
    """
    found = []
    coordinates = 0
    right, down = width / 2, height / 2
    for path in _paths(paper, UNMOVED, 0):
        ring = [round(n, DIGITS) for x, y in path for n in (x + right, y + down)]
        coordinates += len(ring)
        if len(ring) >= 6:
            found.append(ring)
        if len(found) > MOST_RINGS or coordinates > MOST_COORDINATES:
            raise PaperError("a shape of too many points; draw it as several annotations")
    return found


def _paths(item: Any, above: Matrix, depth: int) -> Iterator[list[Point]]:
    if not (isinstance(item, list) and len(item) == 2 and isinstance(item[1], dict)):
        raise PaperError('a shape is ["Path", {…}] or ["CompoundPath", {…}]')
    kind, fields = item
    matrix = _under(above, fields.get("matrix"))
    if kind == "Path":
        yield list(_path(fields, matrix))
    elif kind == "CompoundPath" and depth < MOST_DEPTH:
        children = fields.get("children", [])
        if not isinstance(children, list):
            raise PaperError("the children of a CompoundPath are a list")
        for child in children:
            yield from _paths(child, matrix, depth + 1)
    else:
        raise PaperError(f"{kind!r} is neither a Path nor a CompoundPath")


def _path(fields: dict[str, Any], matrix: Matrix) -> Iterator[Point]:
    """The points of a path, curves included, the first not repeated."""
    given = fields.get("segments", [])
    if not isinstance(given, list):
        raise PaperError("the segments of a Path are a list")
    segments = [_segment(one, matrix) for one in given]
    for number, (before, _, handle_out) in enumerate(segments):
        yield before
        # The last side of an open path is a straight one.
        if number + 1 < len(segments) or fields.get("closed"):
            point, handle_in, _ = segments[(number + 1) % len(segments)]
            yield from _between(before, handle_out, handle_in, point)


def _segment(given: Any, matrix: Matrix) -> tuple[Point, Point, Point]:
    """A point with the ends of its two handles, all in the coordinates of the whole.

    Written as [x, y], or as [[x, y], [in], [out]] with handles relative to the point; a fourth
    element says what is selected.
    """
    if not isinstance(given, list):
        raise PaperError("a segment is a list")
    if len(given) not in (3, 4) or not isinstance(given[0], list):
        corner = _moved(_pair(given), matrix)
        return corner, corner, corner
    (x, y), (ix, iy), (ox, oy) = _pair(given[0]), _pair(given[1]), _pair(given[2])
    handle_in, handle_out = (x + ix, y + iy), (x + ox, y + oy)
    return _moved((x, y), matrix), _moved(handle_in, matrix), _moved(handle_out, matrix)


def _pair(given: Any) -> Point:
    if isinstance(given, list) and len(given) == 2:
        return _number(given[0]), _number(given[1])
    raise PaperError("a point is a pair of numbers")


def _number(given: Any) -> float:
    # Beyond this no picture reaches, and no product of two is infinite.
    if isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < 1e9:
        return float(given)
    raise PaperError("a coordinate is a number of pixels")


def _under(above: Matrix, given: Any) -> Matrix:
    """The matrix of an item inside another; paper.js applies it at once unless told not to."""
    if given is None:
        return above
    if not isinstance(given, list) or len(given) != 6:
        raise PaperError("a matrix has six numbers")
    a, b, c, d, tx, ty = (_number(part) for part in given)
    (ox, oy), (xx, xy), (yx, yy) = (_moved(p, above) for p in ((tx, ty), (a, b), (c, d)))
    zero_x, zero_y = above[4], above[5]
    return (xx - zero_x, xy - zero_y, yx - zero_x, yy - zero_y, ox, oy)


def _moved(point: Point, matrix: Matrix) -> Point:
    if matrix is UNMOVED:  # nearly always: paper.js applies matrices before it exports
        return point
    (x, y), (a, b, c, d, tx, ty) = point, matrix
    return a * x + c * y + tx, b * x + d * y + ty


def _between(start: Point, out: Point, into: Point, end: Point) -> Iterator[Point]:
    """The points between the ends of a cubic curve; none where it is straight."""
    if out == start and into == end:
        return
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = start, out, into, end
    first = math.hypot(x0 - 2 * x1 + x2, y0 - 2 * y1 + y2)
    second = math.hypot(x1 - 2 * x2 + x3, y1 - 2 * y2 + y3)
    # A chain of n sides strays from the curve by at most 6/8 of the larger bend over n squared.
    sides = min(math.ceil(math.sqrt(0.75 * max(first, second) / TOLERANCE)), MOST_POINTS)
    # Written out: with loops over the four points it took three times as long (measured).
    for number in range(1, sides):
        t = number / sides
        s = 1 - t
        a, b, c, d = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
        yield a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3
