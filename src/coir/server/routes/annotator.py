"""What the annotation page loads and saves."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    false,
    select,
    tuple_,
    update,
)

from coir.server import wire
from coir.server.access import (
    SignedIn,
    image_of_visible_dataset,
    manages,
    manages_category,
    permissions,
    visible_dataset,
    visible_image,
)
from coir.server.answers import answer, unsuccessful
from coir.server.category import fields_of
from coir.server.live.presence import annotating
from coir.server.one_thread import OneThread
from coir.server.parameters import PageBody
from coir.server.routes.image import CONSTANTS, FIELDS
from coir.server.saving import Saved, SavedAnnotation
from coir.server.sessions import Caller
from coir.server.state import state_of
from coir.server.store.database import JsonText
from coir.server.store.prepared import prepared
from coir.server.store.tables import annotations, categories, images, users

router = APIRouter(prefix="/api/annotator", route_class=OneThread)

# Of a stored annotation, as the text that the database has.
TEXTS = ("metadata", "keypoints", "events", "paper_object")
THIS = "this_id"  # no column has this name
# What only a category's creator and administrators change; its colour is everybody's.
KEYPOINTS = ("keypoint_edges", "keypoint_labels", "keypoint_colors")
# An annotation as it goes into an answer, most of it drawings and outlines; and who made it.
SHOWN = [
    *(cast(one, JsonText).label(one.name) if isinstance(one.type, JSON) else one
      for one in annotations.c),
    users.c.username,
]  # fmt: skip


@router.get("/data/{image_id:id}")
def load(request: Request, image_id: int, caller: SignedIn) -> Response:
    """An image, the categories of its dataset with its annotations, and its neighbours."""
    started = time.perf_counter()
    with state_of(request).store.read() as connection:
        row = visible_image(connection, caller, image_id)
        if row is None:
            raise unsuccessful("Could not load image")
        dataset = visible_dataset(connection, caller, row.dataset_id, "Could not load image")
        manager = manages(caller, dataset)
        image, preferences = _image(connection, caller, row)
        body = {
            "image": image,
            "categories": _categories(connection, dataset, row),
            "dataset": wire.shown_datasets(connection, [dataset])[0],
            "preferences": preferences,
            "permissions": {
                "dataset": permissions(caller, dataset),
                "image": {"delete": manager, "download": manager},
            },
        }
    return answer(body | {"time_ms": _elapsed(started)})


@router.post("/data")
def save(request: Request, caller: SignedIn, body: PageBody) -> Response:
    """Keep what the page sends: all of it, or nothing.

    The original's page saves when it is left, also an image that was deleted meanwhile, and stays
    until that succeeds. The work waits in the image for who brings it back.
    """
    started = time.perf_counter()
    saved = Saved.of(body, caller.username)
    with state_of(request).store.write() as connection:
        image = image_of_visible_dataset(connection, caller, saved.image_id)
        if image is None:
            raise unsuccessful("Image does not exist")
        dataset = visible_dataset(connection, caller, image.dataset_id, "Image does not exist")
        if saved.preferences is not None:
            connection.execute(*_preferring(this=caller.id, preferred=saved.preferences))
        _save_categories(connection, caller, dataset, saved)
        _save_annotations(connection, image, saved.annotations)
        # The image's counters follow from what a save cannot change: which annotations live, and
        # of which category.
        told = {} if saved.metadata is None else {"new_metadata": saved.metadata}
        connection.execute(*_saved(this=image.id, **told))
    return answer({"success": True, "time_ms": _elapsed(started)})


def _elapsed(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _image(
    connection: Connection, caller: Caller, row: Row[Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The image as `/api/image/` lists it, with the neighbours by file name and then id.

    The caller's preferences come with them: a query more is a round trip more.
    """
    marks = annotating(connection, image_id=row.id)
    more = CONSTANTS | {"events": [], "annotating": marks.get(row.id, [])}
    mapped = dict(row._mapping) | more  # noqa: SLF001 - SQLAlchemy's public name
    shown = {name: mapped[name] for name in FIELDS}
    here = {"dataset_id": row.dataset_id, "file_name": row.file_name, "image_id": row.id}
    found = connection.execute(*_neighbours(caller_id=caller.id, **here)).one()
    return shown | {"previous": found.previous, "next": found.next}, found.preferences


@prepared
def _neighbours(*, caller_id: Any, dataset_id: Any, file_name: Any, image_id: Any) -> Select[Any]:
    place, here = tuple_(images.c.file_name, images.c.id), tuple_(file_name, image_id)
    living = and_(images.c.dataset_id == dataset_id, images.c.deleted == false())

    def first(condition: ColumnElement[bool], *order: Any) -> ScalarSelect[int]:
        asked = select(images.c.id).where(living, condition)
        return asked.order_by(*order).limit(1).scalar_subquery()

    return select(
        first(place < here, images.c.file_name.desc(), images.c.id.desc()).label("previous"),
        first(place > here, images.c.file_name, images.c.id).label("next"),
        users.c.preferences,
    ).where(users.c.id == caller_id)


def _categories(connection: Connection, dataset: Row[Any], image: Row[Any]) -> list[dict[str, Any]]:
    """The categories of the dataset, each with the image's living annotations of it."""
    of_each: dict[int | None, list[dict[str, Any]]] = {}
    for row in connection.execute(*_shown(image_id=image.id)):
        shown = wire.annotation(row, row.username, (image.width, image.height)) | {"events": []}
        of_each.setdefault(row.category_id, []).append(shown)
    more = {"show": True, "visualize": False}
    return [
        wire.category(row, row.username) | more | {"annotations": of_each.get(row.id, [])}
        for row in connection.execute(*_listed(ids=dataset.categories))
    ]


@prepared
def _shown(*, image_id: Any) -> Select[Any]:
    return (
        select(*SHOWN)
        .join(users, users.c.id == annotations.c.creator_id)
        .where(annotations.c.image_id == image_id, annotations.c.deleted == false())
        .order_by(annotations.c.id)
    )


@prepared
def _listed(*, ids: Any) -> Select[Any]:
    return (
        select(categories, users.c.username)
        .join(users, users.c.id == categories.c.creator_id)
        .where(categories.c.id.in_(ids), categories.c.deleted == false())
        .order_by(categories.c.id)
    )


@prepared
def _preferring(*, this: Any, preferred: Any) -> Update:
    return update(users).where(users.c.id == this).values(preferences=preferred)


@prepared
def _saved(*, this: Any, new_metadata: Any = None) -> Update:
    changes = {} if new_metadata is None else {"metadata": new_metadata}
    return update(images).where(images.c.id == this).values(regenerate_thumbnail=True, **changes)


def _save_categories(
    connection: Connection, caller: Caller, dataset: Row[Any], saved: Saved
) -> None:
    """Colours and keypoints of the dataset's categories, where they changed."""
    mine = [one for one in saved.categories if one in dataset.categories]
    for row in connection.execute(*_listed(ids=mine)).all():
        names = ("color", *KEYPOINTS) if manages_category(caller, row) else ("color",)
        given, stored = saved.categories[row.id], row._mapping  # noqa: SLF001 - as above
        changed = {
            name: given[name]
            for name in names
            if given.get(name) not in (None, "") and given[name] != stored[name]
        }
        if changed:
            fields = fields_of({name: stored[name] for name in KEYPOINTS} | changed)
            values = {name: fields[name] for name in changed}
            connection.execute(update(categories).where(categories.c.id == row.id).values(**values))


def _save_annotations(connection: Connection, image: Row[Any], sent: list[SavedAnnotation]) -> None:
    """The living annotations of the image among those sent, where they changed.

    The page may show more. Its drawings are the most that it sends: as the database has them, to
    be compared and not decoded.
    """
    found = connection.execute(*_stored(image_id=image.id)).mappings()
    stored = {row["id"]: dict(row) for row in found}
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in sent:
        row = stored.get(one.id)
        if row is None:
            continue
        values = one.changed(row) | one.shape(image.width, image.height, row["paper_object"])
        if one.sessions:
            values |= _time_spent(row, one.sessions)
        if values:
            alike.setdefault(tuple(values), []).append({THIS: one.id} | values)
    for names, rows in alike.items():
        connection.execute(_changed(*names), rows)


@prepared
def _stored(*, image_id: Any) -> Select[Any]:
    plain = [annotations.c[name] for name in ("id", "color", "isbbox", "milliseconds")]
    texts = [cast(annotations.c[name], Text).label(name) for name in TEXTS]
    return select(*plain, *texts).where(
        annotations.c.image_id == image_id, annotations.c.deleted == false()
    )


@cache
def _changed(*names: str) -> Update:
    changed = update(annotations).where(annotations.c.id == bindparam(THIS))
    return changed.values({name: bindparam(name) for name in names})


def _time_spent(row: Mapping[str, Any], sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """A message that is sent again is no time spent again."""
    events = msgspec.json.decode(row["events"])
    new = [session for session in sessions if session not in events]
    if not new:
        return {}
    spent = sum(session["milliseconds"] for session in new)
    return {"events": events + new, "milliseconds": row["milliseconds"] + spent}
