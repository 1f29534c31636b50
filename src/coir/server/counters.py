"""What an image says about its annotations, kept right in the transaction that changes them."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, false, func, select, update

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
    changed = update(images).where(images.c.id == bindparam("image"))
    rows = [
        {
            "image": image_id,
            "annotated": total > 0,
            "num_annotations": total,
            "category_ids": categories[image_id],
        }
        for image_id, total in totals.items()
    ]
    if rows:
        connection.execute(changed, rows)
