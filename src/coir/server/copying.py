"""Annotations copied from one image to another."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, false, insert, select

from coir.server import counters
from coir.server.sessions import Caller
from coir.server.store.engine import now_ms
from coir.server.store.tables import annotations, datasets

# What a copy has of its original. The time spent belongs to the original.
COPIED = (
    "category_id",
    "segmentation",
    "area",
    "bbox",
    "iscrowd",
    "isbbox",
    "color",
    "keypoints",
    "metadata",
    "paper_object",
)


def copy(
    connection: Connection,
    caller: Caller,
    source: Row[Any],
    target: Row[Any],
    category_ids: Sequence[int] | None,
) -> int:
    """Copy the living annotations of these categories; without any, of the source's dataset's.

    Returns how many; the target's counters follow.
    """
    if category_ids is None:
        asked = select(datasets.c.categories).where(datasets.c.id == source.dataset_id)
        category_ids = connection.execute(asked).scalar_one()
    found = connection.execute(
        select(*(annotations.c[name] for name in COPIED))
        .where(
            annotations.c.image_id == source.id,
            annotations.c.deleted == false(),
            annotations.c.category_id.in_(category_ids),
        )
        .order_by(annotations.c.id)
    ).mappings()
    place = {
        "image_id": target.id,
        "dataset_id": target.dataset_id,
        "creator_id": caller.id,
        "created_at": now_ms(),
    }
    rows = [{**row, **place} for row in found]
    if rows:
        connection.execute(insert(annotations), rows)
        counters.refresh(connection, target.id)
    return len(rows)
