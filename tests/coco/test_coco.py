"""COCO files: written in pieces, read, matched to images, and their shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.coco import (
    PIECE_BYTES,
    CocoError,
    Content,
    Match,
    Picture,
    Place,
    content,
    digest,
    match,
    read,
    written,
)

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


RING = [10, 10, 40, 10, 40, 40, 10, 40]


def of(**annotation: Any) -> Content:
    """The shape of one annotation on an image of 96 x 64."""
    file = {"annotations": [{"image_id": 1} | annotation]}
    (marked,) = read(json.dumps(file).encode()).annotations()
    return content(marked, 96, 64)


def test_file_is_read_with_what_belongs_to_it() -> None:
    """Images, categories and annotations are there; what is not known is passed over."""
    file = {
        "info": {"year": 2017},
        "licenses": [],
        "images": [{"id": 7, "file_name": "a/x.jpg", "width": 96, "height": 64, "license": 3}],
        "categories": [{"id": 2, "name": "cat", "keypoints": ["head"], "extra": None}],
        "annotations": [{"id": "x", "image_id": 7, "category_id": 2, "iscrowd": 1}],
    }
    document = read(b"\xef\xbb\xbf" + json.dumps(file).encode())
    assert [(one.id, one.name) for one in document.images] == [(7, "a/x.jpg")]
    assert [(one.id, one.keypoints) for one in document.categories] == [(2, ["head"])]
    assert [(one.id, one.iscrowd) for one in document.annotations()] == [("x", 1)]
    assert len(document) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "no COCO file"),
        (b"{", "no COCO file"),
        (b"[]", "no COCO file"),
        (b"\xff\xfe", "no COCO file"),
        (b"[" * 100_000, "no COCO file"),
        (b'{"images": 3}', "images"),
        (b'{"images": [{"id": 1}]}', "file_name"),
        (b'{"images": [{"id": "1", "file_name": "x"}]}', "id"),
        (b'{"images": [{"id": 1, "file_name": "x"}, {"id": 1, "file_name": "y"}]}', "two images"),
        (b'{"categories": [{"id": 1, "name": "x"}, {"id": 1, "name": "y"}]}', "two categories"),
        (b'{"annotations": [{"id": 1}]}', "image_id"),
        (b'{"annotations": [{"image_id": 1}, {"image_id": 1, "bbox": "x"}]}', "annotations[1]"),
        (b'{"annotations": [{"image_id": 1, "area": NaN}]}', "no COCO file"),
        (b'{"annotations": [{"image_id": 1, "area": 1e999}]}', "annotations[0]"),
    ],
)
def test_what_is_no_file_is_refused(text: bytes, word: str) -> None:
    """A text that is no COCO file is a CocoError that says where."""
    with pytest.raises(CocoError, match=word.replace("[", r"\[")):
        read(text)


PLACES = {
    "x.jpg": Place(1, 96, 64),
    "a/x.jpg": Place(2, 96, 64),
    "b/y.jpg": Place(3, 96, 64),
    "c/z.jpg": Place(4, 96, 64),
}


def matched(*pictures: Picture) -> tuple[dict[int, int], Match]:
    made = match(pictures, PLACES)
    return {number: place.id for number, place in made.found.items()}, made


@pytest.mark.parametrize(
    ("picture", "place"),
    [
        (Picture(1, "x.jpg", path="/datasets/elsewhere/a/x.jpg"), 2),
        (Picture(1, "x.jpg", path="a/x.jpg"), 2),
        (Picture(1, "a/x.jpg"), 2),
        (Picture(1, "./a/x.jpg"), 2),
        (Picture(1, "a\\x.jpg"), 2),
        (Picture(1, "x.jpg"), 1),
        (Picture(1, "y.jpg"), 3),
        (Picture(1, "y.jpg", width=96, height=64), 3),
        (Picture(1, "y.jpg", width=0, height=0), 3),
        (Picture(1, "/home/me/pictures/y.jpg"), 3),
        (Picture(1, "y.jpg", path="/datasets/d/moved/y.jpg"), 3),
    ],
)
def test_image_is_found(picture: Picture, place: int) -> None:
    """By its path inside the dataset; without one that is there, by a name that is there once."""
    assert matched(picture)[0] == {1: place}


@pytest.mark.parametrize(
    ("picture", "missing", "ambiguous"),
    [
        (Picture(1, "nowhere.jpg"), 1, 0),
        (Picture(1, "moved/x.jpg"), 0, 1),
        (Picture(1, "x.jpg", path="/datasets/d/moved/x.jpg"), 0, 1),
        (Picture(1, "y.jpg", width=640, height=480), 1, 0),
        (Picture(1, "b/y.jpg", width=64, height=96), 1, 0),
    ],
)
def test_image_is_not_guessed(picture: Picture, missing: int, ambiguous: int) -> None:
    """A name that is there twice, or a picture of another size, is no image: it is told."""
    found, made = matched(picture)
    assert found == {}
    assert (len(made.missing), len(made.ambiguous)) == (missing, ambiguous)
    assert picture.name in (made.missing + made.ambiguous)[0]


def test_two_images_are_not_one() -> None:
    """Of two images of the file that could be the same one, neither is; paths keep their own."""
    assert matched(Picture(1, "p/y.jpg"), Picture(2, "q/y.jpg"))[0] == {}
    assert matched(Picture(1, "b/y.jpg"), Picture(2, "q/y.jpg"))[0] == {1: 3}
    assert matched(Picture(1, "x.jpg"), Picture(2, "x.jpg"))[0] == {}
    assert matched(Picture(1, "b/y.jpg"), Picture(2, "b/y.jpg"))[0] == {1: 3, 2: 3}
    _, made = matched(Picture(1, "a/x.jpg"), Picture(2, "z.jpg"))
    assert (len(made.found), made.by_name) == (2, 1)


@given(st.lists(st.sampled_from(sorted(PLACES)), unique=True))
def test_paths_find_themselves(paths: list[str]) -> None:
    """Images that are named as the dataset has them are found, each its own."""
    pictures = [
        Picture(number, path.rpartition("/")[2], path=f"/datasets/d/{path}")
        for number, path in enumerate(paths)
    ]
    found, made = matched(*pictures)
    assert found == {number: PLACES[path].id for number, path in enumerate(paths)}
    assert (made.by_name, made.missing, made.ambiguous) == (0, [], [])


def test_values_of_the_file_are_kept() -> None:
    """Area and box that the file has are not measured again, and numbers stay as written."""
    made = of(segmentation=[RING], area=899.5, bbox=[9, 9, 31, 31.5], isbbox=True)
    assert made == ([RING], 899.5, [9, 9, 31, 31.5], True, [])


def test_what_is_missing_is_measured() -> None:
    """Area and box follow from the outline or the mask where the file has none."""
    assert of(segmentation=[RING]) == ([RING], 900, [10, 10, 30, 30], False, [])
    assert of(segmentation=RING, area=0, bbox=[])[:3] == ([RING], 900, [10, 10, 30, 30])
    mask = {"size": [64, 96], "counts": [64 * 10 + 10, 30, 64 * 95 - 64 * 10 - 40 + 64]}
    assert of(segmentation=mask) == (mask, 30, [10, 10, 1, 30], False, [])
    assert of(segmentation=mask, area=29, bbox=[1, 2, 3, 4])[1:3] == (29, [1, 2, 3, 4])


def test_box_alone_becomes_its_outline() -> None:
    """A box without outline is kept as the outline of the box; beside keypoints it stays a box."""
    ring = [1, 2, 4, 2, 4, 6, 1, 6]
    for empty in ({}, {"segmentation": []}, {"segmentation": None}, {"segmentation": [[]]}):
        assert of(bbox=[1, 2, 3, 4], **empty) == ([ring], 12, [1, 2, 3, 4], True, [])
    made = of(bbox=[1, 2, 3, 4], keypoints=[1, 2, 2], area=5)
    assert made == ([], 5, [1, 2, 3, 4], False, [1, 2, 2])


@pytest.mark.parametrize(
    ("annotation", "word"),
    [
        ({}, "neither"),
        ({"bbox": [1, 2, 0, 4]}, "neither"),
        ({"bbox": [1, 2, 3]}, "neither"),
        ({"segmentation": [[1, 2, 3, 4]]}, "three points"),
        ({"segmentation": [1, 2, 3]}, "odd"),
        ({"segmentation": "abc"}, "neither polygons"),
        ({"segmentation": ["a", "b"]}, "neither polygons"),
        ({"segmentation": [[1, None]]}, "neither polygons"),
        ({"segmentation": {"size": [64, 96], "counts": [1]}}, "mask"),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, "not of the image"),
        ({"segmentation": {"size": [64, 96]}}, "mask"),
        ({"keypoints": [1, 2]}, "keypoints"),
    ],
)
def test_shape_that_is_none_is_refused(annotation: dict[str, Any], word: str) -> None:
    """What cannot be used says why."""
    with pytest.raises(CocoError, match=word):
        of(**annotation)


def test_digest_is_of_the_numbers() -> None:
    """Shapes are the same however their numbers are written, and differ when one does."""
    assert digest(1, [[1, 2.0]], []) == digest(1, [[1.0, 2]], [])
    others = [digest(2, [[1, 2]], []), digest(1, [[1, 2.5]], []), digest(1, [[1], [2]], [])]
    others += [digest(1, [], [1, 2]), digest(1, {"counts": "a", "size": [1, 2]}, [])]
    assert len({digest(1, [[1, 2]], []), *others}) == 6
    assert digest(1, {"a": 1, "b": 2}, None) == digest(1, {"b": 2, "a": 1}, None)
