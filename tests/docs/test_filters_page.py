"""docs/filters.md says what filters send."""

from __future__ import annotations

import inspect
import re

import pytest
from typer.main import get_command

import coir
from coir.cli.main import app
from coir.model import CategoryInfo
from coir.scan import filter as filters

from .pages import read

PAGE = read("docs/filters.md")
ROWS = re.findall(
    r"^\| `(Filter\(.*)` \| `(-.+)` \| .+ \| (?:`(.+)`|nothing.*) \| (yes|no) \|$",
    PAGE,
    re.MULTILINE,
)
CATEGORIES = [CategoryInfo(1, "cat"), CategoryInfo(2, "dog")]


@pytest.mark.parametrize(("written", "options", "sent", "stable"), ROWS)
def test_what_a_row_says(written: str, options: str, sent: str, stable: str) -> None:
    """What is sent, whether it is stable, and which options do the same, is as the row says."""
    made = eval(written, {"Filter": coir.Filter})
    compiled = made.compiled(CATEGORIES)
    assert "&".join(f"{name}={value}" for name, value in compiled.params.items()) == sent
    assert compiled.checks == {}
    assert made.is_stable is (stable == "yes")
    known = get_command(app).commands["ids"]  # type: ignore[attr-defined]
    given = known.make_context("ids", ["birds", *options.split()]).params
    plain = known.make_context("ids", ["birds"]).params
    same = coir.Filter(
        annotated=given["annotated"],
        categories=given["category"] or (),
        folder=given["folder"],
        name_contains=given["name_contains"],
        name_startswith=given["name_startswith"],
        after_id=given["after_id"],
        conditions=tuple(tuple(one.split("=", 1)) for one in given["where"] or ()),
    )
    assert given != plain
    same_compiled = same.compiled(CATEGORIES)
    assert (same_compiled.params, same_compiled.after_id) == (compiled.params, compiled.after_id)


def test_every_filter_has_a_row() -> None:
    """Each keyword of a filter stands in the table."""
    keywords = {name for row in ROWS for name in re.findall(r"[(,] ?(\w+)=", row[0])}
    assert keywords | {"conditions"} == set(inspect.signature(coir.Filter).parameters)
    assert any(".where(" in row[0] for row in ROWS)


def test_every_field_and_operator_stands_on_the_page() -> None:
    """The second table has the fields and operators that conditions may have, and no other."""
    table = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.+) \|$", PAGE, re.MULTILINE)
    said = [tuple(set(re.findall(r"`(\w+)`", cell)) for cell in row) for row in table]
    numbers = (set(filters.NUMBERS), set(filters.NUMBER_OPERATORS) - {""})
    texts = (set(filters.TEXTS), set(filters.TEXT_OPERATORS) - {""})
    assert said == [numbers, texts]
