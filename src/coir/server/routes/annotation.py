"""Annotations: making, reading and deleting them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, Row, insert, select, update

from coir.server import counters, wire
from coir.server.access import SignedIn, visible_annotation, visible_image
from coir.server.answers import answer, invalid, refused
from coir.server.category import color
from coir.server.parameters import IN_JSON, Body, integer, mapping, optional_text
from coir.server.state import state_of
from coir.server.store.engine import now_ms
from coir.server.store.tables import annotations, datasets, images, users

router = APIRouter(prefix="/api/annotation")


@router.post("/")
def make(request: Request, caller: SignedIn, body: Body) -> Response:
    """Make an annotation; the image's counters follow in the same transaction."""
    image_id = integer(body, "image_id")
    if image_id is None:
        raise invalid({"image_id": f"Missing required parameter in {IN_JSON}"})
    values = {
        "image_id": image_id,
        "category_id": integer(body, "category_id"),
        "segmentation": _outlines(body),
        "keypoints": _numbers("keypoints", body.get("keypoints") or []),
        "isbbox": bool(body.get("isbbox")),
        "color": optional_text(body, "color") or color(),
        "creator_id": caller.id,
        "created_at": now_ms(),
    }
    metadata = mapping(body, "metadata") or {}
    with state_of(request).store.write() as connection:
        image = visible_image(connection, caller, image_id)
        if image is None:
            raise refused("Invalid image id")
        asked = select(datasets.c.default_annotation_metadata)
        default = connection.execute(asked.where(datasets.c.id == image.dataset_id)).scalar_one()
        row = connection.execute(
            insert(annotations)
            .values(**values, dataset_id=image.dataset_id, metadata=default | metadata)
            .returning(annotations)
        ).one()
        counters.refresh(connection, image_id)
        return answer(_shown(connection, row))


@router.get("/{annotation_id:id}")
def get(request: Request, annotation_id: int, caller: SignedIn) -> Response:
    """One annotation."""
    with state_of(request).store.read() as connection:
        row = visible_annotation(connection, caller, annotation_id)
        if row.deleted:
            raise refused("Invalid annotation id")
        return answer(_shown(connection, row))


@router.delete("/{annotation_id:id}")
def remove(request: Request, annotation_id: int, caller: SignedIn) -> Response:
    """Soft delete; again is no mistake (recorded: delete.again)."""
    with state_of(request).store.write() as connection:
        row = visible_annotation(connection, caller, annotation_id)
        if not row.deleted:
            gone = {"deleted": True, "deleted_date": now_ms()}
            connection.execute(
                update(annotations).where(annotations.c.id == annotation_id).values(**gone)
            )
            counters.refresh(connection, row.image_id)
    return answer({"success": True})


def _shown(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    creator = connection.execute(
        select(users.c.username).where(users.c.id == row.creator_id)
    ).scalar_one()
    size = connection.execute(
        select(images.c.width, images.c.height).where(images.c.id == row.image_id)
    ).one()
    return wire.annotation(row, creator, (size.width, size.height))


def _outlines(body: dict[str, Any]) -> list[Any]:
    """Polygons, or one flat list of numbers (recorded: create.segmentation_of_ints)."""
    given = body.get("segmentation") or []
    if isinstance(given, list) and all(isinstance(part, list) for part in given):
        return [_numbers("segmentation", part) for part in given]
    return _numbers("segmentation", given)


def _numbers(name: str, given: Any) -> list[Any]:
    right = isinstance(given, list) and all(
        isinstance(number, (int, float)) and not isinstance(number, bool) for number in given
    )
    if not right:
        raise invalid({name: f"{name} must consist of lists of numbers"})
    return list(given)
