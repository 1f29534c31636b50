"""Masks as COCO's run-length encodings: ``{"size": [height, width], "counts": …}``.

The pixels run down the columns, from left to right. ``counts`` holds the lengths of the runs, in
turn outside and inside the mask, beginning outside: as a list, or compressed into a text (as
pycocotools writes it: differences to the run two before, five bits a character).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import accumulate, pairwise
from typing import Any

from coir.geometry import NOWHERE, Box, signs
from coir.geometry import area as area_of

__all__ = ["RleError", "area", "bounds", "compressed", "decompressed", "drawn", "runs"]

_FIRST = 48  # the character of five zero bits
_MORE, _SIGN = 0x20, 0x10
FINER = 5  # steps in a pixel, to which the points of a ring are rounded
_LONGEST = 13  # characters of a number: more bits than a run can need


class RleError(ValueError):
    """What is no encoding of a mask; the message says why."""


def runs(mask: dict[str, Any]) -> list[int]:
    """The lengths of a mask's runs. Raises `RleError`."""
    size, counts = mask.get("size"), mask.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(map(_is_count, size))):
        raise RleError("size is [height, width]")
    if isinstance(counts, str):
        counts = decompressed(counts)
    if not (isinstance(counts, list) and all(map(_is_count, counts))):
        raise RleError("counts are lengths of runs")
    if sum(counts) != size[0] * size[1]:
        raise RleError("the runs are not as long as the image is large")
    return counts


def area(counts: Sequence[int]) -> int:
    """The number of pixels in the mask."""
    return sum(counts[1::2])


def bounds(counts: Sequence[int], height: int) -> Box:
    """The least box around the mask's pixels."""
    left = top = right = bottom = -1
    for number, end in enumerate(accumulate(counts)):
        length = counts[number]
        if number % 2 == 0 or length == 0:
            continue
        (first_x, first_y), (last_x, last_y) = divmod(end - length, height), divmod(end - 1, height)
        if first_x != last_x:  # it goes on in the next column: over the whole height
            first_y, last_y = 0, height - 1
        left, right = first_x if left < 0 else left, last_x
        top = first_y if top < 0 else min(top, first_y)
        bottom = max(bottom, last_y)
    return NOWHERE if left < 0 else Box(left, top, right - left + 1, bottom - top + 1)


def compressed(counts: Sequence[int]) -> str:
    """The runs as a text."""
    return "".join(
        _text(count - counts[number - 2] if number > 2 else count)
        for number, count in enumerate(counts)
    )


def decompressed(text: str) -> list[int]:
    """The runs that a text holds. Raises `RleError`."""
    counts: list[int] = []
    for difference in _numbers(text):
        counts.append(difference + counts[-2] if len(counts) > 2 else difference)
    return counts


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(number: int) -> str:
    written = []
    while True:
        bits = number & 0x1F
        number >>= 5
        more = number != (-1 if bits & _SIGN else 0)
        written.append(chr(_FIRST + (bits | _MORE if more else bits)))
        if not more:
            return "".join(written)


def _numbers(text: str) -> Iterator[int]:
    number = shift = 0
    for character in text:
        bits = ord(character) - _FIRST
        if not 0 <= bits < 64 or shift >= 5 * _LONGEST:
            raise RleError("counts are a text that encodes no runs")
        number |= (bits & 0x1F) << shift
        shift += 5
        if not bits & _MORE:
            yield number - (1 << shift) if bits & _SIGN else number
            number = shift = 0
    if shift:
        raise RleError("counts end within a run")


def drawn(rings: Sequence[Sequence[float]], height: int, width: int) -> list[int]:
    """The runs of the pixels that a shape covers; holes stay open.

    Which pixels a ring covers is decided as pycocotools decides it, so that a mask and its
    polygon have the same pixels there.
    """
    ordered = sorted(zip(rings, signs(rings), strict=True), key=lambda one: -area_of([one[0]]))
    ends: list[int] = []
    for ring, sign in ordered:
        own = _ends(ring, height, width)
        ends = _joined(ends, own, adds=sign > 0) if ends else own
    edges = [0, *ends] if ends[-1:] == [height * width] else [0, *ends, height * width]
    return [end - start for start, end in pairwise(edges)]


def _joined(ends: list[int], others: list[int], *, adds: bool) -> list[int]:
    """Where a mask begins and ends, in turn, when another is added to it, or taken away."""
    inside, in_other, was = False, False, False
    found: list[int] = []
    for place, of_other in merge(
        ((one, False) for one in ends), ((other, True) for other in others)
    ):
        if of_other:
            in_other = not in_other
        else:
            inside = not inside
        now = (inside or in_other) if adds else (inside and not in_other)
        if now != was:
            if found and found[-1] == place:
                found.pop()
            else:
                found.append(place)
            was = now
    return found


def _ends(ring: Sequence[float], height: int, width: int) -> list[int]:
    """Where the runs inside a ring begin and end, in turn, in pixels down the columns."""
    points = [int(FINER * number + 0.5) for number in ring]
    ends: list[int] = []
    xs, ys = points[::2], points[1::2]
    for number in range(len(xs)):
        start, end = (xs[number - 1], ys[number - 1]), (xs[number], ys[number])
        for column, row in _crossings(start, end, width):
            # The first row whose middle lies below.
            ends.append(column * height + min(max(-((2 - row) // FINER), 0), height))
    ends.sort()
    kept: list[int] = []
    for place in ends:  # to end and to begin at the same place is neither
        if kept and kept[-1] == place:
            kept.pop()
        else:
            kept.append(place)
    return kept


def _crossings(
    start: tuple[int, int], end: tuple[int, int], width: int
) -> Iterator[tuple[int, int]]:
    """Where an edge crosses the middles of columns: the column, and how far down, both finer."""
    along = abs(end[0] - start[0])
    down = abs(end[1] - start[1])
    if start[0] > end[0] if along >= down else start[1] > end[1]:
        start, end = end, start
    (x, y), (left, right) = start, sorted((start[0], end[0]))
    columns = range(max(-((2 - left) // FINER), 0), min((right - 3) // FINER, width - 1) + 1)
    if along >= down:
        slope = (end[1] - y) / along if along else 0.0
        for column in columns:
            step = FINER * column + 2 - x
            yield column, min(int(y + slope * step + 0.5), int(y + slope * (step + 1) + 0.5))
        return
    slope = (end[0] - x) / down
    for column in columns:
        middle = FINER * column + 2.5
        step = int((middle - 0.5 - x) / slope)
        # The first step beyond the middle; the division may be one off.
        while step > 0 and (int(x + slope * (step - 1) + 0.5) > middle) == (slope > 0):
            step -= 1
        while (int(x + slope * step + 0.5) > middle) != (slope > 0):
            step += 1
        yield column, y + step - 1
