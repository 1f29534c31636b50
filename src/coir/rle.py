"""Masks as COCO's run-length encodings: ``{"size": [height, width], "counts": …}``.

The pixels run down the columns, from left to right. ``counts`` holds the lengths of the runs, in
turn outside and inside the mask, beginning outside: as a list, or compressed into a text (as
pycocotools writes it: differences to the run two before, five bits a character).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from coir.geometry import NOWHERE, Box

__all__ = ["RleError", "area", "bounds", "compressed", "decompressed", "runs"]

_FIRST = 48  # the character of five zero bits
_MORE, _SIGN = 0x20, 0x10
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
