"""COCO files as text: written in pieces."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coir.coco import PIECE_BYTES, written

objects = st.lists(st.dictionaries(st.text(max_size=5), st.integers()), max_size=5)


@given(objects, objects, objects)
def test_pieces_are_one_document(images: Any, categories: Any, annotations: Any) -> None:
    """The pieces together are the JSON of the three lists."""
    texts = [
        [json.dumps(one).encode() for one in part] for part in (images, categories, annotations)
    ]
    document = json.loads(b"".join(written(*texts)))
    assert document == {"images": images, "categories": categories, "annotations": annotations}


def test_pieces_are_small() -> None:
    """No piece holds more than it must, however many objects there are."""
    text = json.dumps({"x": "y" * 1000}).encode()
    pieces = list(written((text for _ in range(1000)), [], [text]))
    assert len(json.loads(b"".join(pieces))["images"]) == 1000
    assert max(map(len, pieces)) < PIECE_BYTES + 2 * len(text)
