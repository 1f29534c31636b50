"""What a dataset holds, in numbers, under the recorded names."""

from collections import Counter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    Row,
    and_,
    cast,
    distinct,
    false,
    func,
    or_,
    select,
)

from coir.server.store.tables import annotations, categories, images, shares, users


def of(connection: Connection, dataset: Row[Any]) -> dict[str, Any]:
    """The statistics of a dataset: living images, and living annotations on them."""
    members = _members(connection, dataset)
    on_images = and_(images.c.dataset_id == dataset.id, images.c.deleted == false())
    there = and_(
        annotations.c.dataset_id == dataset.id,
        annotations.c.deleted == false(),
        annotations.c.image_id.in_(select(images.c.id).where(on_images)),
    )
    width, height, spent, average = connection.execute(
        select(
            _average(images.c.width),
            _average(images.c.height),
            cast(func.sum(images.c.milliseconds), BigInteger),
            _average(images.c.milliseconds),
        ).where(on_images)
    ).one()
    number, area, time = connection.execute(
        select(
            func.count(), _average(annotations.c.area), _average(annotations.c.milliseconds)
        ).where(there)
    ).one()
    of_each, images_of_each = _categories(connection, dataset, there)
    return {
        "total": {
            "Users": len(members),
            "Images": dataset.num_images,
            "Annotated Images": dataset.num_annotated,
            "Annotations": number,
            "Categories": len(dataset.categories),
            "Time Annotating (s)": (spent or 0) / 1000,
        },
        "average": {
            "Image Size (px)": width or 0,
            "Image Height (px)": height or 0,
            "Annotation Area (px)": area or 0,
            "Time (ms) per Image": average or 0,
            "Time (ms) per Annotation": time or 0,
        },
        "categories": of_each,
        "images_per_category": images_of_each,
        "users": _users(connection, members, there),
    }


def _average(column: ColumnElement[Any]) -> ColumnElement[float]:
    """PostgreSQL's of integers is a decimal number, which JSON has no form for."""
    return cast(func.avg(column), Float)


def _members(connection: Connection, dataset: Row[Any]) -> dict[int, str]:
    shared = select(shares.c.user_id).where(shares.c.dataset_id == dataset.id)
    asked = select(users.c.id, users.c.username).where(
        or_(users.c.id == dataset.owner_id, users.c.id.in_(shared))
    )
    rows = connection.execute(asked.order_by(users.c.id))
    return {row.id: row.username for row in rows}


def _counts(
    connection: Connection, column: ColumnElement[Any], there: ColumnElement[bool]
) -> dict[int, tuple[int, int]]:
    """Annotations, and images with one, for each value of the column."""
    asked = select(column, func.count(), func.count(distinct(annotations.c.image_id)))
    rows = connection.execute(asked.where(there).group_by(column))
    return {value: (number, on) for value, number, on in rows}


def _categories(
    connection: Connection, dataset: Row[Any], there: ColumnElement[bool]
) -> tuple[dict[str, int], dict[str, int]]:
    """By name; what categories of two creators share a name is added up."""
    found = _counts(connection, annotations.c.category_id, there)
    asked = select(categories.c.id, categories.c.name).where(
        categories.c.id.in_(dataset.categories), categories.c.deleted == false()
    )
    of_each: Counter[str] = Counter()
    images_of_each: Counter[str] = Counter()
    for row in connection.execute(asked.order_by(categories.c.id)):
        number, on = found.get(row.id, (0, 0))
        of_each[row.name] += number
        images_of_each[row.name] += on
    return dict(of_each), dict(images_of_each)


def _users(
    connection: Connection, members: dict[int, str], there: ColumnElement[bool]
) -> dict[str, dict[str, int]]:
    found = _counts(connection, annotations.c.creator_id, there)
    shown = {}
    for user_id, name in members.items():
        number, on = found.get(user_id, (0, 0))
        shown[name] = {"annotations": number, "images": on}
    return shown
