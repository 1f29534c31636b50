"""What an image says about its annotations, kept right in the transaction that changes them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Text,
    Update,
    bindparam,
    cast,
    false,
    func,
    select,
    update,
)

from coir.server.store.functions import JSON_TEXT, elements, part
from coir.server.store.tables import annotations, images

# Ids in one query: SQLite takes 32,766 parameters.
CHUNK = 10_000


def refresh(connection: Connection, image_id: int) -> None:
    """Set annotated, num_annotations and category_ids of an image from its annotations.

    The original leaves them as they were after a direct POST.
    """
    refresh_all(connection, [image_id])


def refresh_all(connection: Connection, image_ids: Sequence[int]) -> None:
    """The same for many images."""
    for start in range(0, len(image_ids), CHUNK):
        _refresh(connection, image_ids[start : start + CHUNK])


def _refresh(connection: Connection, image_ids: Sequence[int]) -> None:
    asked = (
        select(annotations.c.image_id, annotations.c.category_id, func.count())
        .where(annotations.c.image_id.in_(image_ids), annotations.c.deleted == false())
        .group_by(annotations.c.image_id, annotations.c.category_id)
        .order_by(annotations.c.image_id, annotations.c.category_id)
    )
    totals = dict.fromkeys(image_ids, 0)
    categories: dict[int, list[int]] = {image_id: [] for image_id in totals}
    for image_id, category_id, number in connection.execute(asked):
        totals[image_id] += number
        if category_id is not None:
            categories[image_id].append(category_id)
    rows = [[one, total > 0, total, categories[one]] for one, total in totals.items()]
    connection.execute(_WRITE, {"rows": msgspec.json.encode(rows).decode()})


def _write() -> Update:
    """One statement for all, whose only parameter is a list in JSON.

    The triggers of PostgreSQL run once for each statement, and a dataset's row that is counted on
    again and again in one transaction becomes slow: 100,000 images took minutes. A statement with
    their values as parameters takes longer to write than to run.
    """
    one = elements(bindparam("rows", type_=Text())).table_valued("value", name="one").c.value
    values: list[Any] = [cast(part(one, number), kind) for number, kind in enumerate(TYPES)]
    return (
        update(images)
        .values(annotated=values[1], num_annotations=values[2], category_ids=values[3])
        .where(images.c.id == values[0])
    )


TYPES: tuple[Any, ...] = (BigInteger(), Boolean(), BigInteger(), JSON_TEXT)
_WRITE = _write()
