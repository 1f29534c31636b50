"""Which images are wanted: typed, and refused where a server would misunderstand it.

The original takes any query parameter for a database field: an unknown one matches
nothing, without a word; ``annotated=1`` too; ``category_ids__in`` alone also matches what
is not annotated. A `Filter` only sends what the recorded answers show to be understood,
and does the rest itself, on the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from coir.errors import InvalidRequest
from coir.model import CategoryInfo
from coir.scan.ledger import NEWEST

__all__ = ["NUMBERS", "TESTS", "Compiled", "Filter", "category_id"]

Check = Callable[[Any], bool]


class Named(Protocol):
    """A category, as far as it matters here."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name."""


NUMBERS = frozenset({"id", "width", "height", "num_annotations", "milliseconds"})
TEXTS = frozenset({"file_name", "path"})
NUMBER_OPERATORS = frozenset({"", "ne", "gt", "gte", "lt", "lte"})
TEXT_OPERATORS = frozenset(
    {"", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}
)
# What a row of the listing shows, and so what can be checked without asking the server.
IN_ROWS = frozenset({"id", "file_name", "num_annotations"})
TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "": lambda have, want: have == want,
    "ne": lambda have, want: have != want,
    "gt": lambda have, want: have > want,
    "gte": lambda have, want: have >= want,
    "lt": lambda have, want: have < want,
    "lte": lambda have, want: have <= want,
    "contains": lambda have, want: want in have,
    "icontains": lambda have, want: want.lower() in have.lower(),
    "startswith": lambda have, want: have.startswith(want),
    "istartswith": lambda have, want: have.lower().startswith(want.lower()),
    "endswith": lambda have, want: have.endswith(want),
    "iendswith": lambda have, want: have.lower().endswith(want.lower()),
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A filter in the terms of a server.

    ``params`` go into each request; ``checks`` are done on the rows, by the name that the
    certificate gives them; ``after_id`` is where the ids begin.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    after_id: int = 0

    @property
    def shows(self) -> Check | None:
        """What each row must show of the parameters; None when rows show none of them.

        A server that does not know a filter is noticed by that.
        """
        known = [
            _row_check(name, value)
            for name, value in self.params.items()
            if name.partition("__")[0] in IN_ROWS
            or (name == "annotated" and "category_ids__in" not in self.params)
        ]
        return (lambda row: all(check(row) for check in known)) if known else None

    def passes(self, row: Any) -> bool:
        """Whether a row is wanted, as far as rows show it."""
        return all(check(row) for check in self.checks.values())

    def telling(self, fields: Sequence[str]) -> Compiled:
        """Give the same filter, with rows that tell more."""
        return replace(self, params={**self.params, "fields": ",".join(fields)})

    def since(self, known: Sequence[int]) -> Compiled:
        """Give the same filter for what is new; ``known`` are the newest ids of before.

        The ids just below the high-water mark are looked at again, because an id is taken
        before its row is inserted, and a row may appear late. Fewer than `NEWEST` known ids
        are all there were.
        """
        older = known[0] - 1 if len(known) >= NEWEST else 0
        seen = frozenset(known)
        checks = {**self.checks, "new": lambda row: row.id not in seen}
        return Compiled(self.params, checks, max(self.after_id, older))

    def by_rows_alone(self) -> Compiled:
        """Give the same filter for a server that takes no filters but the folder.

        Raises:
            InvalidRequest: a part of it is about what rows do not show.

        """
        checks = dict(self.checks)
        for name, value in self.params.items():
            if name in {"folder", "fields"}:
                continue
            checks[f"{name}={value}"] = _row_check(name, value)
        if self.after_id:
            checks[f"id__gt={self.after_id}"] = _row_check("id__gt", str(self.after_id))
        params = {name: value for name, value in self.params.items() if name == "folder"}
        return Compiled(params, checks, self.after_id)


@dataclass(frozen=True, slots=True)
class Filter:
    """The images that are wanted: those for which everything given holds.

    Args:
        annotated: whether the image is marked as annotated.
        categories: it has an annotation of one of these, by name or id.
        folder: it lies in this folder of the dataset, or below.
        name_contains: its file name contains this; upper and lower case differ.
        name_startswith: its file name starts with this; upper and lower case differ.
        min_width, max_width, min_height, max_height: its size in pixels, inclusive.
        min_annotations, max_annotations: how many annotations it has, inclusive.
        after_id: its id is larger than this.
        conditions: further conditions; see `where`.

    """

    annotated: bool | None = None
    categories: Sequence[str | int] = ()
    folder: str | None = None
    name_contains: str | None = None
    name_startswith: str | None = None
    min_width: int | None = None
    max_width: int | None = None
    min_height: int | None = None
    max_height: int | None = None
    min_annotations: int | None = None
    max_annotations: int | None = None
    after_id: int = 0
    conditions: tuple[tuple[str, str | int], ...] = ()

    def __post_init__(self) -> None:
        if self.annotated is False and self.categories:
            raise InvalidRequest(
                "An image that is not annotated has no category.",
                hint="Leave out the categories, or ask for annotated images.",
            )
        if isinstance(self.categories, str):
            raise InvalidRequest("The categories must be a list.", hint="Write ['cat'].")
        if self.folder is not None and ".." in self.folder.split("/"):
            raise InvalidRequest("The folder must lie inside the dataset.")
        for name, value in self.spelled_out():
            _validated(name, value)

    def where(self, condition: str, value: str | int) -> Filter:
        """Give this filter with one more condition, such as ``where("width__gte", 800)``.

        The condition is a field, and after two underscores an operator: numbers (id, width,
        height, num_annotations, milliseconds) with ne, gt, gte, lt, lte; texts (file_name,
        path) with contains, startswith, endswith and, ignoring case, icontains,
        istartswith, iendswith. Without an operator it means equality.

        Raises:
            InvalidRequest: the server would silently misunderstand it.

        """
        return replace(self, conditions=(*self.conditions, (condition, value)))

    @property
    def is_stable(self) -> bool:
        """Whether an image that matches goes on matching while it exists.

        Names, folders and sizes stay; annotations come and go.
        """
        work = (self.annotated, self.min_annotations, self.max_annotations)
        shifting = {"num_annotations", "milliseconds"}
        conditions = {name.partition("__")[0] for name, _ in self.conditions}
        return (
            all(one is None for one in work) and not self.categories and not (conditions & shifting)
        )

    def describe(self) -> dict[str, Any]:
        """Give what was asked for, as the certificate shows it."""
        plain = Filter()
        names = (name for name in self.__slots__ if getattr(self, name) != getattr(plain, name))
        return {name: getattr(self, name) for name in names}

    def compiled(self, known: Sequence[CategoryInfo] = ()) -> Compiled:
        """Give the filter in a server's terms; ``known`` are the dataset's categories.

        Raises:
            InvalidRequest: the dataset has no category of that name.

        """
        params: dict[str, str] = {}
        checks: dict[str, Check] = {}
        if self.folder and self.folder.strip("/"):
            params["folder"] = self.folder.strip("/")
        if self.categories:
            # Alone it would also match what is not annotated; with annotated=true the
            # categories decide, and only they (contract, category_ids__in).
            ids = sorted({category_id(wanted, known) for wanted in self.categories})
            params |= {"category_ids__in": ",".join(map(str, ids)), "annotated": "true"}
            if self.annotated:
                checks["annotated"] = lambda row: bool(row.annotated)
        elif self.annotated is not None:
            params["annotated"] = "true" if self.annotated else "false"
        for name, value in self.spelled_out():
            # Of the same condition twice only the first would count, a text may be taken
            # for a boolean, and ids are what windows are made of: there, check the rows.
            if name in params or name.startswith("id") or str(value).lower() in {"true", "false"}:
                checks[f"{name}={value}"] = _row_check(name, str(value))
            else:
                params[name] = str(value)
        return Compiled(params, checks, self.after_id)

    def spelled_out(self) -> list[tuple[str, str | int]]:
        """Give the conditions on fields, those with a name of their own too."""
        named = {
            "file_name__contains": self.name_contains,
            "file_name__startswith": self.name_startswith,
            "width__gte": self.min_width,
            "width__lte": self.max_width,
            "height__gte": self.min_height,
            "height__lte": self.max_height,
            "num_annotations__gte": self.min_annotations,
            "num_annotations__lte": self.max_annotations,
        }
        given = [(name, value) for name, value in named.items() if value is not None]
        return [*given, *self.conditions]


def _validated(condition: str, value: str | int) -> None:
    name, _, operator = condition.partition("__")
    if name not in NUMBERS | TEXTS:
        raise InvalidRequest(
            f"There is no field '{name}' to filter by.",
            hint=f"The fields are {', '.join(sorted(NUMBERS | TEXTS))}; for annotated, "
            "categories and folder use their own options.",
        )
    operators = NUMBER_OPERATORS if name in NUMBERS else TEXT_OPERATORS
    if operator not in operators:
        names = ", ".join(sorted(filter(None, operators)))
        raise InvalidRequest(
            f"'{condition}' has no operator '{operator}'.",
            hint=f"The operators of {name} are {names}.",
        )
    if value == "":
        raise InvalidRequest(
            f"'{condition}' has no value.", hint="The server would ignore it; leave it out."
        )
    if name in NUMBERS:
        _number(condition, value)


def _number(condition: str, value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidRequest(f"'{condition}' needs a whole number, not '{value}'.") from None


def _row_check(condition: str, value: str) -> Check:
    """Give the test of a condition on a row of the listing.

    Raises:
        InvalidRequest: rows do not show that field.

    """
    if condition == "annotated":
        return lambda row: bool(row.annotated) is (value == "true")
    name, _, operator = condition.partition("__")
    if name not in IN_ROWS:
        raise InvalidRequest(
            f"'{condition}={value}' cannot be answered by this server.",
            hint="A proxy in between ignores filters, or the condition is given twice; "
            "ask the server directly, or leave it out.",
        )
    wanted: str | int = _number(condition, value) if name in NUMBERS else value
    test = TESTS[operator]
    return lambda row: test(getattr(row, name), wanted)


def category_id(wanted: str | int, known: Sequence[Named]) -> int:
    """Give the id of the category that a name or an id stands for.

    Raises:
        InvalidRequest: none of those known, or several.

    """
    found = {one.id for one in known if str(one.id) == str(wanted) or one.name == wanted}
    if len(found) == 1:
        return found.pop()
    if found:
        raise InvalidRequest(
            f"'{wanted}' stands for several categories.",
            hint=f"Give one of the ids {', '.join(map(str, sorted(found)))}.",
        )
    names = ", ".join(f"'{one.name}' ({one.id})" for one in known) or "none"
    raise InvalidRequest(
        f"The dataset has no category '{wanted}'.", hint=f"Its categories are {names}."
    )
