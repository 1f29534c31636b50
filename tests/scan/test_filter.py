"""Filters: what is sent, what is done on the rows, and what is refused."""

from __future__ import annotations

import pytest

from coir.errors import InvalidRequest
from coir.model import CategoryInfo, Image
from coir.scan.filter import Filter

KNOWN = [CategoryInfo(1, "cat"), CategoryInfo(2, "dog"), CategoryInfo(3, "3d")]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (Filter(), {}),
        (Filter(annotated=True), {"annotated": "true"}),
        (Filter(annotated=False), {"annotated": "false"}),
        (Filter(categories=["dog", 1]), {"category_ids__in": "1,2", "annotated": "true"}),
        (Filter(folder="/a/b/"), {"folder": "a/b"}),
        (Filter(folder="/"), {}),
        (Filter(name_contains="x"), {"file_name__contains": "x"}),
        (Filter(min_width=8, max_height=9), {"width__gte": "8", "height__lte": "9"}),
        (Filter(min_annotations=1), {"num_annotations__gte": "1"}),
        (Filter().where("path__endswith", ".png"), {"path__endswith": ".png"}),
    ],
)
def test_what_is_sent(given: Filter, sent: dict[str, str]) -> None:
    """The parameters are those that the recorded answers show to be understood."""
    compiled = given.compiled(KNOWN)
    assert compiled.params == sent
    assert not compiled.checks


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Filter(annotated=False, categories=["cat"]),
        lambda: Filter(categories="cat"),
        lambda: Filter(folder="../other"),
        lambda: Filter(name_contains=""),
        lambda: Filter().where("nosuch", 1),
        lambda: Filter().where("width__contains", 1),
        lambda: Filter().where("width__gte", "wide"),
        lambda: Filter().where("annotated", "1"),
        lambda: Filter().where("deleted", "true"),
        lambda: Filter().where("file_name__gt", "a"),
        lambda: Filter().where("__raw__", "{}"),
        lambda: Filter(categories=["bird"]).compiled(KNOWN),
    ],
)
def test_what_is_refused(wrong: object) -> None:
    """What the server would silently misunderstand is refused before anything is sent."""
    with pytest.raises(InvalidRequest):
        wrong()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "row", "passes"),
    [
        (Filter(name_startswith="True"), Image(1, "True.jpg"), True),
        (Filter().where("file_name", "FALSE"), Image(1, "FALSE"), True),
        (Filter().where("id__gt", 5), Image(5, "x"), False),
        (Filter().where("id__gt", 5), Image(6, "x"), True),
        (Filter(name_contains="a").where("file_name__contains", "b"), Image(1, "ab"), True),
        (Filter(name_contains="a").where("file_name__contains", "b"), Image(1, "a"), False),
        (Filter(annotated=True, categories=[1]), Image(1, "x", annotated=False), False),
    ],
)
def test_what_the_server_cannot_do_is_done_on_the_rows(
    given: Filter, row: Image, passes: bool
) -> None:
    """A text that would be taken for a boolean, ids, and a condition given twice."""
    compiled = given.compiled(KNOWN)
    assert compiled.checks
    assert compiled.passes(row) is passes


@pytest.mark.parametrize("text", ["true", "FALSE", "True"])
def test_a_text_that_reads_like_a_boolean_is_not_sent(text: str) -> None:
    """The original turns `true` and `false` of any case into a boolean, and finds nothing."""
    compiled = Filter(name_contains=text).compiled()
    assert not compiled.params
    assert compiled.passes(Image(1, f"x{text}.jpg"))
    assert not compiled.passes(Image(1, "other.jpg"))


def test_where_filters_do_not_pass_rows_are_checked() -> None:
    """[O3] Conditions that rows show are checked on them; the folder always passes."""
    given = Filter(annotated=True, folder="a", name_contains="x", min_annotations=2, after_id=3)
    alone = given.compiled().by_rows_alone()
    assert alone.params == {"folder": "a"}
    assert alone.passes(Image(4, "x", True, (), 2))
    assert not alone.passes(Image(3, "x", True, (), 2))
    assert not alone.passes(Image(4, "y", True, (), 2))
    assert not alone.passes(Image(4, "x", False, (), 2))
    assert not alone.passes(Image(4, "x", True, (), 1))


def test_what_rows_do_not_show_is_refused_there() -> None:
    """[O3] A width cannot be checked on a row of the listing."""
    with pytest.raises(InvalidRequest, match="width__gte=8"):
        Filter(min_width=8).compiled().by_rows_alone()


@pytest.mark.parametrize(
    ("given", "stable"),
    [
        (Filter(), True),
        (Filter(folder="a", name_contains="x", min_width=1, after_id=9), True),
        (Filter().where("path__contains", "x"), True),
        (Filter(annotated=True), False),
        (Filter(categories=["cat"]), False),
        (Filter(max_annotations=1), False),
        (Filter().where("num_annotations__gt", 0), False),
    ],
)
def test_which_filters_are_stable(given: Filter, stable: bool) -> None:
    """[S3] [S5] Names and sizes stay; annotations come and go."""
    assert given.is_stable is stable


def test_the_description_names_what_was_given_and_nothing_else() -> None:
    """The certificate shows the filter as it was asked for."""
    given = Filter(annotated=True).where("width__gte", 800)
    assert given.describe() == {"annotated": True, "conditions": (("width__gte", 800),)}
