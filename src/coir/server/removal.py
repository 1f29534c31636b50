"""Removing deleted things for good: their rows, and what belongs to them. Datasets: `removing`."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, false, func, select, update

from coir.server.answers import refused
from coir.server.folders import OutsideError
from coir.server.storage import Storage
from coir.server.store.tables import annotations, categories, datasets, images


def _annotation(connection: Connection, _: Storage, row: Row[Any]) -> None:
    connection.execute(delete(annotations).where(annotations.c.id == row.id))


def _image(connection: Connection, folders: Storage, row: Row[Any]) -> None:
    """The file goes too, or the next scan would bring the image back.

    Until the rows are gone for good it is only hidden, and comes back with the image.
    """
    connection.execute(delete(annotations).where(annotations.c.image_id == row.id))
    connection.execute(delete(images).where(images.c.id == row.id))
    try:
        folders.hide(row.path, row.id)
    except (OutsideError, OSError) as error:
        raise refused(f"The file of this image cannot be removed: {_reason(error)}.") from None


def _category(connection: Connection, _: Storage, row: Row[Any]) -> None:
    """Not while living annotations have it: nobody could tell any more what they show."""
    having = annotations.c.category_id == row.id
    used = select(func.count()).select_from(annotations)
    number = connection.execute(used.where(having, annotations.c.deleted == false())).scalar_one()
    if number:
        raise refused(f"Annotations have this category ({number}): give them another one first.")
    connection.execute(update(annotations).where(having).values(category_id=None))
    for dataset in connection.execute(select(datasets.c.id, datasets.c.categories)).all():
        if row.id in dataset.categories:
            kept = [one for one in dataset.categories if one != row.id]
            connection.execute(
                update(datasets).where(datasets.c.id == dataset.id).values(categories=kept)
            )
    connection.execute(delete(categories).where(categories.c.id == row.id))


def _reason(error: Exception) -> str:
    """Without the place on this machine."""
    return str(error.strerror) if isinstance(error, OSError) else "it leads out of the dataset"


REMOVE: dict[str, Callable[[Connection, Storage, Row[Any]], None]] = {
    "annotation": _annotation,
    "image": _image,
    "category": _category,
}
