"""Annotations: listing, making, reading, changing and deleting them."""

from collections.abc import Generator
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, Row, false, insert, select, update

from coir import geometry
from coir.server import counters, wire
from coir.server.access import (
    SignedIn,
    visible_annotation,
    visible_dataset_ids,
    visible_image,
)
from coir.server.answers import answer, invalid, refused
from coir.server.category import color
from coir.server.live.announcement import Announcement
from coir.server.live.visitor import session_of
from coir.server.one_thread import OneThread
from coir.server.parameters import IN_JSON, Body, integer, mapping, optional_text
from coir.server.sessions import COOKIE, Caller
from coir.server.state import ServerState, state_of
from coir.server.store.engine import now_ms
from coir.server.store.tables import annotations, datasets, images, users
from coir.server.stream import Stream

router = APIRouter(prefix="/api/annotation", route_class=OneThread)

# Rows in one piece of the list: a few hundred kB with outlines as people draw them.
ROWS_IN_PIECE = 500
# While it is read the database cannot fold its log into its file; as for lists of ids.
LIST_SECONDS = 60.0
_encode = msgspec.json.Encoder().encode


@router.get("/")
def listed(request: Request, caller: SignedIn) -> Response:
    """Every living annotation of the images that the caller may see, by id, streamed."""
    state = state_of(request)
    if not state.snapshots.acquire(blocking=False):
        raise refused("Too many lists are being read; ask again.", 503)
    pieces = _pieces(state, caller)
    next(pieces)  # it holds the place from here, and gives it back at its end
    return Stream(pieces, LIST_SECONDS)


@router.post("/")
def make(request: Request, caller: SignedIn, body: Body) -> Response:
    """Make an annotation; the image's counters follow in the same transaction."""
    image_id = integer(body, "image_id")
    if image_id is None:
        raise invalid({"image_id": f"Missing required parameter in {IN_JSON}"})
    values: dict[str, Any] = {
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
        values |= _measured(values["segmentation"], image)
        row = connection.execute(
            insert(annotations)
            .values(**values, dataset_id=image.dataset_id, metadata=default | metadata)
            .returning(annotations)
        ).one()
        counters.refresh(connection, image_id)
        shown = _shown(connection, row)
    _tell(request, "create", shown)
    return answer(shown)


@router.get("/{annotation_id:id}")
def get(request: Request, annotation_id: int, caller: SignedIn) -> Response:
    """One annotation."""
    with state_of(request).store.read() as connection:
        return answer(_shown(connection, _living(connection, caller, annotation_id)))


@router.put("/{annotation_id:id}")
def change(request: Request, annotation_id: int, caller: SignedIn, body: Body) -> Response:
    """Set the category, which a body without one erases (recorded), and what else it names."""
    values = _changes(body)
    with state_of(request).store.write() as connection:
        row = _living(connection, caller, annotation_id)
        if "segmentation" in values:
            asked = select(images.c.width, images.c.height).where(images.c.id == row.image_id)
            values |= _measured(values["segmentation"], connection.execute(asked).one())
            if values["segmentation"] != row.segmentation:
                values["paper_object"] = []  # it shows the outline that was
        row = connection.execute(
            update(annotations)
            .where(annotations.c.id == annotation_id)
            .values(**values)
            .returning(annotations)
        ).one()
        counters.refresh(connection, row.image_id)
        shown = _shown(connection, row)
    _tell(request, "modify", shown)
    return answer(shown)


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
        shown = _shown(connection, row)
    if not row.deleted:
        _tell(request, "delete", shown)
    return answer({"success": True})


def _tell(request: Request, action: str, shown: dict[str, Any]) -> None:
    """Announce a change as the annotation page announces its own, but not to the page itself."""
    data = {"action": action, "category_id": shown.get("category_id"), "annotation": shown}
    session = session_of(request.cookies.get(COOKIE))
    announcement = Announcement(
        "annotation", data, dataset_id=shown["dataset_id"], without_session=session
    )
    state_of(request).announcements.tell(announcement)


def _pieces(state: ServerState, caller: Caller) -> Generator[bytes]:
    """The list in pieces, read in one snapshot; the first piece is empty."""
    asked = (
        select(annotations, users.c.username, images.c.width, images.c.height)
        .join(users, users.c.id == annotations.c.creator_id)
        .join(images, images.c.id == annotations.c.image_id)
        .where(
            annotations.c.deleted == false(),
            images.c.deleted == false(),
            annotations.c.dataset_id.in_(visible_dataset_ids(caller)),
        )
        .order_by(annotations.c.id)
        .execution_options(yield_per=ROWS_IN_PIECE)
    )
    try:
        yield b""
        with state.store.read() as connection:
            opening = b"["
            for rows in connection.execute(asked).partitions():
                texts = []
                for row in rows:
                    shown = wire.annotation(row, row.username, (row.width, row.height))
                    del shown["paper_object"]  # recorded: the list leaves it out
                    texts.append(_encode(shown))
                yield opening + b",".join(texts)
                opening = b","
            yield b"]" if opening == b"," else b"[]"
    finally:
        state.snapshots.release()


def _living(connection: Connection, caller: Caller, annotation_id: int) -> Row[Any]:
    row = visible_annotation(connection, caller, annotation_id)
    if row.deleted:
        raise refused("Invalid annotation id")
    return row


def _changes(body: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"category_id": integer(body, "category_id")}
    if body.get("segmentation") is not None:
        values["segmentation"] = _outlines(body)
    if body.get("keypoints") is not None:
        values["keypoints"] = _numbers("keypoints", body["keypoints"])
    if body.get("isbbox") is not None:
        values["isbbox"] = bool(body["isbbox"])
    if text := optional_text(body, "color"):
        values["color"] = text
    if (metadata := mapping(body, "metadata")) is not None:
        values["metadata"] = metadata
    return values


def _measured(segmentation: list[Any], image: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    """Area and box of what lies inside the image; what is no polygon has none."""
    rings = segmentation if segmentation and isinstance(segmentation[0], list) else [segmentation]
    polygons = [ring for ring in rings if not geometry.problem(ring)]
    found = geometry.outline(polygons, image.width, image.height)
    return {"area": found.area, "bbox": list(found.box)}


def _shown(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    creator = connection.execute(
        select(users.c.username).where(users.c.id == row.creator_id)
    ).scalar_one()
    size = connection.execute(
        select(images.c.width, images.c.height).where(images.c.id == row.image_id)
    ).one()
    shown = wire.annotation(row, creator, (size.width, size.height))
    if row.category_id is None:  # recorded: put.no_category
        del shown["category_id"]
    return shown


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
