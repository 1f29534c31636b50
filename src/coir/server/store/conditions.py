"""Conditions on images as SQL."""

from collections.abc import Callable, Iterable
from operator import eq, ge, gt, le, lt
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, literal, not_, or_, true

from coir.server.filters import Condition
from coir.server.store.functions import ends_with, folded, position
from coir.server.store.tables import annotations, images

Column = ColumnElement[Any]
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": eq,
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "in": lambda column, value: column.in_(value),
}


def where(conditions: Iterable[Condition]) -> ColumnElement[bool]:
    """The conjunction of the conditions, with the contract's rule for categories."""
    conditions = list(conditions)
    annotated = [c.value for c in conditions if (c.field, c.operator) == ("annotated", "eq")]
    clauses = []
    for condition in conditions:
        if (condition.field, condition.operator) == ("category_ids", "in"):
            clauses.append(_in_categories(condition.value, annotated))
        else:
            clauses.append(_clause(condition))
    return and_(true(), *clauses)


def _in_categories(ids: tuple[int, ...], annotated: list[bool]) -> ColumnElement[bool]:
    """Recorded: alone, "one of these or not annotated"; with annotated=false, no condition."""
    if annotated == [True]:
        return _has_category(ids)
    if annotated == [False]:
        return true()
    return or_(images.c.annotated == false(), _has_category(ids))


def _has_category(ids: tuple[int, ...]) -> ColumnElement[bool]:
    return exists().where(
        annotations.c.image_id == images.c.id,
        annotations.c.category_id.in_(ids),
        annotations.c.deleted == false(),
    )


def _clause(condition: Condition) -> ColumnElement[bool]:
    column, operator, value = images.c[condition.field], condition.operator, condition.value
    if condition.field == "category_ids":
        return _category_clause(operator, value)
    if operator == "exists":
        return column.is_not(None) if value else column.is_(None)
    if operator == "ne":  # as the original's database: an absent value differs from any value
        return column.is_distinct_from(value)
    if operator == "nin":
        return or_(column.is_(None), column.not_in(value))
    if operator in _COMPARE:
        clause: ColumnElement[bool] = _COMPARE[operator](column, value)
        return clause
    return _text_clause(column, operator, value)


def _category_clause(operator: str, value: Any) -> ColumnElement[bool]:
    if operator == "exists":
        return true() if value else false()
    has = _has_category(value if isinstance(value, tuple) else (value,))
    return not_(has) if operator in ("ne", "nin") else has


def _text_clause(column: Column, operator: str, value: str) -> ColumnElement[bool]:
    # Not LIKE: SQLite's folds ASCII, and only that, whether wanted or not.
    text: Column = literal(value)
    if operator.startswith("i"):
        column, text, operator = folded(column), folded(text), operator[1:]
    if operator == "exact":
        return column == text
    if operator == "contains":
        return position(column, text) > 0
    if operator == "startswith":
        return func.substr(column, 1, func.length(text)) == text
    return ends_with(column, text)
