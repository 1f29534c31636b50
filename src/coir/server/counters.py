"""What an image says about its annotations, kept right in the transaction that changes them."""

from sqlalchemy import Connection, false, func, select, update

from coir.server.store.tables import annotations, images


def refresh(connection: Connection, image_id: int) -> None:
    """Set annotated, num_annotations and category_ids of an image from its annotations.

    The original leaves them as they were after a direct POST.
    """
    asked = (
        select(annotations.c.category_id, func.count())
        .where(annotations.c.image_id == image_id, annotations.c.deleted == false())
        .group_by(annotations.c.category_id)
        .order_by(annotations.c.category_id)
    )
    found = [(category_id, number) for category_id, number in connection.execute(asked)]
    total = sum(number for _, number in found)
    connection.execute(
        update(images)
        .where(images.c.id == image_id)
        .values(
            annotated=total > 0,
            num_annotations=total,
            category_ids=[category_id for category_id, _ in found if category_id is not None],
        )
    )
