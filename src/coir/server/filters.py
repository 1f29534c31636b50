"""Query parameters as conditions on images: which fields and operators there are, and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coir.server.parameters import MAX_INTEGER

INTEGERS = frozenset(
    {"id", "dataset_id", "width", "height", "num_annotations", "milliseconds", "license"}
)
TEXTS = frozenset({"path", "file_name", "coco_url", "image_url", "thumbnail_url"})
FLAGS = frozenset({"annotated", "deleted", "regenerate_thumbnail", "vanished"})
DATES = frozenset({"date_captured", "deleted_date"})
LISTS = frozenset({"category_ids"})
FIELDS = INTEGERS | TEXTS | FLAGS | DATES | LISTS
# Fields of an image that say nothing a filter could ask for in one text.
UNFILTERED = frozenset({"annotating", "events", "metadata"})
ALIASES = {"pk": "id", "_id": "id"}

COMPARISONS = frozenset({"eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exact"})
TEXT_OPERATORS = frozenset(
    {"contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "iexact"}
)
OPERATORS: Mapping[frozenset[str], frozenset[str]] = {
    INTEGERS: COMPARISONS,
    DATES: COMPARISONS,
    TEXTS: COMPARISONS | TEXT_OPERATORS,
    FLAGS: frozenset({"eq", "ne", "exact", "in", "nin"}),
    LISTS: frozenset({"eq", "ne", "exact", "in", "nin", "contains"}),
}
EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Condition:
    """``field operator value``; the value of ``in`` and ``nin`` is a tuple."""

    field: str
    operator: str
    value: Any


class FilterError(ValueError):
    """Parameters that are no filters: what is wrong with each, by the name that was given."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


def parse(given: Mapping[str, str]) -> tuple[Condition, ...]:
    """The conditions of the parameters; those with an empty value are ignored, as recorded.

    Raises `FilterError`. The original answers 200 with no images for an unknown field, which
    looks like an empty dataset to every client.
    """
    errors: dict[str, str] = {}
    conditions: list[Condition] = []
    for name, text in given.items():
        if text == "":
            continue
        try:
            conditions.append(_condition(name, text))
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise FilterError(errors)
    return tuple(conditions)


def _condition(name: str, text: str) -> Condition:
    field, operator = _field_and_operator(name)
    allowed = next(names for kind, names in OPERATORS.items() if field in kind)
    if operator == EXISTS:
        return Condition(field, operator, _flag(text))
    if operator not in allowed:
        raise ValueError(
            f"{field} has no operator {operator!r}; there are {', '.join(sorted(allowed))}"
        )
    convert = _converter(field)
    operator = "eq" if operator == "exact" else operator
    if field in FLAGS and operator == "eq" and text.isspace():
        # So the original's page asks for images that are neither annotated nor not.
        return Condition(field, "in", ())
    if operator in ("in", "nin"):
        return Condition(field, operator, _values(field, text, convert))
    return Condition(field, operator, convert(text))


def _field_and_operator(name: str) -> tuple[str, str]:
    """``width__gte`` as width and gte; a name without operator means eq."""
    base, separator, operator = name.rpartition("__")
    # `_id__gt` has its operator behind the last double underscore; `__raw__` has no field.
    field, operator = (base, operator) if separator and base and operator else (name, "eq")
    field = ALIASES.get(field, field)
    if field in UNFILTERED:
        raise ValueError(f"{field} cannot be filtered by")
    if field not in FIELDS:
        raise ValueError(
            f"images have no field {field!r} to filter by; there are {', '.join(sorted(FIELDS))}"
        )
    return field, operator


def _values(field: str, text: str, convert: Callable[[str], Any]) -> tuple[Any, ...]:
    # Only categories come as a list (recorded: `id__in=1` works, `id__in=1,2,3` does not).
    parts = text.split(",") if field in LISTS else [text]
    return tuple(convert(part) for part in parts)


def _converter(field: str) -> Callable[[str], Any]:
    if field in TEXTS:
        return _text
    return _flag if field in FLAGS else _integer


def _integer(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"invalid literal for int() with base 10: {text[:80]!r}") from None
    if abs(number) > MAX_INTEGER:
        raise ValueError(f"the number must be between -{MAX_INTEGER} and {MAX_INTEGER}")
    return number


def _flag(text: str) -> bool:
    # Recorded: true and True work; 0, 1 and xyz matched nothing.
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text[:80]!r} is neither true nor false")
    return text.lower() == "true"


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text cannot contain the character NUL")
    return text
