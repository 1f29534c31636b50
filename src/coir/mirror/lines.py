"""Files of JSON lines that grow line by line, also where a kill or a full disk cut one.

Each line begins with a newline of its own, so that what was cut spoils no line behind it; readers
pass over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import Any, TypeVar

import msgspec

__all__ = ["append", "lines"]

T = TypeVar("T")


def append(file: RawIOBase, value: Any) -> None:
    """Add a value as a line, whole: a file without a buffer may take a part of it at a time.

    Raises:
        OSError: it cannot be written; a part of it may be.

    """
    rest = memoryview(b"\n" + msgspec.json.encode(value) + b"\n")
    while rest:
        rest = rest[file.write(rest) or 0 :]


def lines(found: Iterable[bytes], kind: type[T]) -> Iterator[T]:
    """Give the values of all lines that are whole."""
    for line in found:
        try:
            yield msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
