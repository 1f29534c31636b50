"""COCO files: written piece by piece, read without holding them, and matched to images.

The form is that of https://cocodataset.org/#format-data: `images`, `categories`, `annotations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["written"]

# A piece of text: large enough that handing it on costs nothing, small enough to hold many.
PIECE_BYTES = 64 * 1024


def written(
    images: Iterable[bytes], categories: Iterable[bytes], annotations: Iterable[bytes]
) -> Iterator[bytes]:
    """The text of a COCO file, in pieces, made of the JSON texts of its objects.

    The three are read one after the other, each when the one before is written.
    """
    opening = b'{"images":['
    for objects, ending in (
        (images, b'],"categories":['),
        (categories, b'],"annotations":['),
        (annotations, b"]}"),
    ):
        piece, size, between = [opening], 0, b""
        for text in objects:
            piece += (between, text)
            between = b","
            size += len(text)
            if size >= PIECE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
        yield b"".join(piece)
        opening = ending
    yield opening
