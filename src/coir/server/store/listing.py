"""Pages of images: how many match, and the rows in a total order."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, false, func, select

from coir.server.filters import ALIASES, DATES, FLAGS, INTEGERS, TEXTS
from coir.server.store.tables import images

# Lists and objects have no order: images are then in the order of their ids.
ORDERED = INTEGERS | TEXTS | FLAGS | DATES


class ListedImage(msgspec.Struct, gc=False, frozen=True):
    """An image as a page of a dataset shows it: these fields and no others."""

    id: int
    file_name: str
    annotated: bool
    annotating: tuple[()]
    num_annotations: int


_encoder = msgspec.json.Encoder()


def living(dataset_id: int, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The images of a dataset that are not deleted and meet the condition."""
    return and_(images.c.dataset_id == dataset_id, images.c.deleted == false(), condition)


def count_query(condition: ColumnElement[bool]) -> Select[int]:
    """How many images meet the condition, as a query."""
    return select(func.count()).select_from(images).where(condition)


def count(connection: Connection, condition: ColumnElement[bool]) -> int:
    """How many images meet the condition."""
    return connection.execute(count_query(condition)).scalar_one()


def ordering(order: str) -> tuple[ColumnElement[Any], ...]:
    """The total order that the parameter ``order`` names: ties are broken by id.

    A field that does not exist, or has no order, means the id (the original: any order).
    """
    descending = order.startswith("-")
    name = order[1:] if order[:1] in ("-", "+") else order
    name = ALIASES.get(name, name)
    if name not in ORDERED or name == "id":
        columns: tuple[ColumnElement[Any], ...] = (images.c.id,)
        descending = descending and name == "id"
    else:
        columns = (images.c[name], images.c.id)
    return tuple(column.desc() for column in columns) if descending else columns


def page_query(
    condition: ColumnElement[bool], order: str, limit: int, offset: int
) -> Select[int, str, bool, int]:
    """The columns of one page's images, as a query."""
    return (
        select(images.c.id, images.c.file_name, images.c.annotated, images.c.num_annotations)
        .where(condition)
        .order_by(*ordering(order))
        .limit(limit)
        .offset(offset)
    )


def page(
    connection: Connection, condition: ColumnElement[bool], order: str, limit: int, offset: int
) -> msgspec.Raw:
    """The images of one page as a JSON array."""
    rows = [
        ListedImage(id_, file_name, annotated, (), number)
        for id_, file_name, annotated, number in connection.execute(
            page_query(condition, order, limit, offset)
        )
    ]
    return msgspec.Raw(_encoder.encode(rows))
