"""paper.js objects as outlines."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.geometry import area, outline
from coir.paper import MOST_COORDINATES, MOST_RINGS, TOLERANCE, PaperError, rings

RECORD = Path(__file__).parents[1] / "contract" / "transcripts.jsonl"
SQUARE = [[-38.0, -22.0], [-8.0, -22.0], [-8.0, 8.0], [-38.0, 8.0]]
KAPPA = 0.5522847498  # the handle that makes four cubic curves a circle


def path(segments: list[Any], **more: Any) -> list[Any]:
    return ["Path", {"applyMatrix": True, "segments": segments, "closed": True} | more]


def compound(*children: list[Any], **more: Any) -> list[Any]:
    return ["CompoundPath", {"applyMatrix": True, "children": list(children)} | more]


def test_recorded_shape_becomes_the_recorded_outline() -> None:
    """The shape that was saved is the segmentation that was loaded again."""
    made = rings(compound(path(SQUARE)), 96, 64)
    assert json.dumps(made) == "[[10.0, 10.0, 40.0, 10.0, 40.0, 40.0, 10.0, 40.0]]"
    assert rings(path(SQUARE), 96, 64) == made


@given(st.lists(st.tuples(st.integers(-480, 480), st.integers(-320, 320)), min_size=3, max_size=9))
def test_points_are_read_back(points: list[tuple[int, int]]) -> None:
    """Every point lies where it was drawn, in order, measured from the upper left corner."""
    drawn = [[x / 10, y / 10] for x, y in points]
    made = rings(path(drawn), 96, 64)[0]
    assert [(x - 48, y - 32) for x, y in zip(made[::2], made[1::2], strict=True)] == [
        pytest.approx(point) for point in drawn
    ]


def test_handles_without_length_are_straight() -> None:
    """A point with handles of no length, selected or not, is a point."""
    long = [[point, [0, 0], [0, 0]] for point in SQUARE[:2]]
    long += [[point, [0, 0], [0, 0], 7] for point in SQUARE[2:]]
    assert rings(path(long), 96, 64) == rings(path(SQUARE), 96, 64)


def test_curves_are_followed() -> None:
    """A circle of four curves has the area of a circle, and its points lie on it."""
    r, k = 20, 20 * KAPPA
    circle = [
        [[r, 0], [0, -k], [0, k]],
        [[0, r], [k, 0], [-k, 0]],
        [[-r, 0], [0, k], [0, -k]],
        [[0, -r], [-k, 0], [k, 0]],
    ]
    made = rings(path(circle), 96, 64)
    assert area(made) == pytest.approx(math.pi * r * r, rel=0.01)
    points = zip(made[0][::2], made[0][1::2], strict=True)
    assert all(abs(math.hypot(x - 48, y - 32) - r) < TOLERANCE for x, y in points)
    assert 8 < len(made[0]) / 2 < 50


def test_open_path_is_closed_straight() -> None:
    """An open path counts as closed; handles at its open ends draw nothing."""
    wild = [[SQUARE[0], [-90, -90], [0, 0]], *SQUARE[1:3], [SQUARE[3], [0, 0], [90, 90]]]
    assert rings(path(wild, closed=False), 96, 64) == rings(path(SQUARE), 96, 64)
    assert rings(path(wild), 96, 64) != rings(path(SQUARE), 96, 64)


def test_holes_and_parts_are_children() -> None:
    """The children of a compound path are its rings; one within another is a hole."""
    hole = path([[-28, -12], [-18, -12], [-18, -2], [-28, -2]])
    made = rings(compound(path(SQUARE), compound(hole)), 96, 64)
    assert len(made) == 2
    assert outline(made, 96, 64).area == 800


def test_matrix_moves_what_is_inside() -> None:
    """Matrices that were not applied are: the inner first, then the outer."""
    inner = path([[0, 0], [1, 0], [1, 1]], matrix=[2, 0, 0, 2, 5, 0])
    made = rings(compound(inner, matrix=[0, 1, -1, 0, 10, 0]), 0, 0)
    assert made == [[10.0, 5.0, 10.0, 7.0, 8.0, 7.0]]


@pytest.mark.parametrize("empty", [compound(), ["CompoundPath", {}], path([]), path(SQUARE[:2])])
def test_too_few_points_are_no_ring(empty: list[Any]) -> None:
    """Nothing, a point and a line leave no ring."""
    assert rings(empty, 96, 64) == []


def nested(depth: int) -> list[Any]:
    item = path(SQUARE)
    for _ in range(depth):
        item = compound(item)
    return item


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        "Path",
        [],
        ["Path"],
        ["Path", []],
        ["Raster", {}],
        ["Group", {"children": [path(SQUARE)]}],
        ["CompoundPath", {"children": 3}],
        compound(["Path"]),
        path([[1]]),
        path([1, 2]),
        path([[1, "2"]]),
        path([[True, 2]]),
        path([[[1, 2], [3, 4]]]),
        path([[[1, 2], [3], [4, 5]]]),
        path([[1e308, 1]]),
        path([[math.inf, 1]]),
        path([[math.nan, 1]]),
        path(SQUARE, matrix=[1, 2]),
        path(SQUARE, matrix=[1, 0, 0, 1, 0, None]),
        ["Path", {"segments": {}}],
        nested(100),
        compound(*[path(SQUARE)] * (MOST_RINGS + 1)),
        compound(*[path([[0, 0]] * 1000)] * (MOST_COORDINATES // 2000 + 1)),
    ],
)
def test_what_is_no_path_is_refused(wrong: Any) -> None:
    """Anything else is a PaperError with a sentence, never another exception."""
    with pytest.raises(PaperError, match=r"\w"):
        rings(wrong, 96, 64)
