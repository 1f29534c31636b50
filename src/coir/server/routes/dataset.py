"""Datasets: listing, making, changing, sharing, scanning and deleting them."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, Row, delete, false, func, insert, or_, select, update

from coir.server import scanning, statistics, thumbnails, wire
from coir.server.access import (
    SignedIn,
    managed_dataset,
    not_cross_site,
    permissions,
    visible_categories,
    visible_dataset,
    visible_datasets,
)
from coir.server.answers import answer, invalid, refused
from coir.server.category import ids_of
from coir.server.folders import OutsideError, checked_name
from coir.server.names import fold
from coir.server.one_thread import OneThread
from coir.server.pagination import paginated
from coir.server.parameters import (
    ANYWHERE,
    Body,
    Values,
    mapping,
    query,
    required_text,
    texts,
    truth,
)
from coir.server.sessions import Caller
from coir.server.state import state_of
from coir.server.store.engine import now_ms
from coir.server.store.tables import annotations, categories, datasets, images, shares, users

router = APIRouter(prefix="/api/dataset", route_class=OneThread)


@router.get("/")
def listed(request: Request, caller: SignedIn) -> Response:
    """The datasets that the caller may see."""
    with state_of(request).store.read() as connection:
        asked = select(datasets).where(visible_datasets(caller)).order_by(datasets.c.id)
        return answer(wire.shown_datasets(connection, connection.execute(asked)))


@router.post("/")
def create(request: Request, caller: SignedIn, given: Values, body: Body) -> Response:
    """Make a dataset and its directory; categories are given by name and made when missing.

    The name may stand anywhere, the categories in the JSON body only.
    """
    state = state_of(request)
    name = required_text(given, "name", ANYWHERE)
    try:
        checked_name(name)
    except OutsideError as error:
        raise invalid({"name": str(error)}) from None
    if name.startswith("."):
        raise invalid({"name": "A dataset's name cannot begin with a dot: its folder is hidden."})
    with state.store.write() as connection:
        if connection.execute(select(datasets.c.id).where(datasets.c.name == name)).first():
            raise refused("Dataset already exists. Check the undo tab to fully delete the dataset.")
        dataset_id: int = connection.execute(
            insert(datasets)
            .values(
                name=name,
                owner_id=caller.id,
                categories=ids_of(connection, caller, texts(body, "categories")),
                created_at=now_ms(),
            )
            .returning(datasets.c.id)
        ).scalar_one()
        try:
            state.folders.create(name)
        except (OutsideError, FileExistsError):
            raise refused("There is a file or a link of this name; choose another.") from None
        return answer(wire.one_dataset(connection, dataset_id))


@router.get("/data")
def pages(request: Request, caller: SignedIn) -> Response:
    """A page of the datasets with their counts, and the categories the caller may see."""
    given = query(request)
    with state_of(request).store.read() as connection:
        condition = visible_datasets(caller)
        total = connection.execute(
            select(func.count()).select_from(datasets).where(condition)
        ).scalar_one()
        pagination, start, limit = paginated(given, total)
        asked = select(datasets).where(condition).order_by(datasets.c.id)
        rows = connection.execute(asked.limit(limit).offset(start)).all()
        shown = wire.shown_datasets(connection, rows)
        for row, dataset in zip(rows, shown, strict=True):
            dataset.update(_counted(connection, caller, row))
        body = {
            "pagination": pagination | {"showing": len(rows)},
            "folder": given.get("folder", ""),
            "datasets": shown,
            "categories": _categories(connection, caller),
        }
    return answer(body)


@router.post("/{dataset_id:id}")
def change(request: Request, dataset_id: int, caller: SignedIn, body: Body) -> Response:
    """Set the categories, by name, and the metadata that new annotations begin with."""
    with state_of(request).store.write() as connection:
        visible_dataset(connection, caller, dataset_id, "Invalid dataset id")
        changes: dict[str, Any] = {}
        if body.get("categories") is not None:
            changes["categories"] = ids_of(connection, caller, texts(body, "categories"))
        if (metadata := mapping(body, "default_annotation_metadata")) is not None:
            changes["default_annotation_metadata"] = metadata
        if changes:
            connection.execute(
                update(datasets).where(datasets.c.id == dataset_id).values(**changes)
            )
    return answer({"success": True})


@router.delete("/{dataset_id:id}")
def remove(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """Soft delete: nobody sees it any more; its files and rows stay."""
    with state_of(request).store.write() as connection:
        managed_dataset(
            connection,
            caller,
            dataset_id,
            "Invalid dataset id",
            "You do not have permission to delete the dataset",
        )
        gone = {"deleted": True, "deleted_date": now_ms()}
        connection.execute(update(datasets).where(datasets.c.id == dataset_id).values(**gone))
    return answer({"success": True})


@router.get("/{dataset_id:id}/scan", dependencies=[Depends(not_cross_site)])
def scan(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """Start the job that registers new files; while one runs, that one is answered.

    With `thumbnails=true` another job behind it makes those that are not kept.
    """
    state = state_of(request)
    ahead = truth(query(request), "thumbnails")
    with state.store.read() as connection:
        row = visible_dataset(connection, caller, dataset_id, "Invalid dataset ID")
    ticket = state.jobs.begin(scanning.order(row, caller.id))
    if ahead:
        state.jobs.begin(thumbnails.order(row, caller.id))
    return answer(asdict(ticket))


@router.post("/{dataset_id:id}/share")
def share(request: Request, dataset_id: int, caller: SignedIn, body: Body) -> Response:
    """Set the users who may see and edit the dataset beside its owner."""
    names = texts(body, "users")
    with state_of(request).store.write() as connection:
        managed_dataset(
            connection,
            caller,
            dataset_id,
            "Invalid dataset id",
            "You do not have permission to share this dataset",
        )
        asked = select(users.c.username_folded, users.c.id)
        folded = [fold(name) for name in names]
        rows = connection.execute(asked.where(users.c.username_folded.in_(folded)))
        found = {row.username_folded: row.id for row in rows}
        if unknown := [name for name in names if fold(name) not in found]:
            raise refused(f"No such user: {', '.join(unknown)}. Nothing was changed.")
        connection.execute(delete(shares).where(shares.c.dataset_id == dataset_id))
        if found:
            shared = [{"dataset_id": dataset_id, "user_id": user_id} for user_id in found.values()]
            connection.execute(insert(shares), shared)
    return answer({"success": True})


@router.get("/{dataset_id:id}/users")
def members(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """The owner and the users it is shared with."""
    with state_of(request).store.read() as connection:
        row = visible_dataset(connection, caller, dataset_id, "Invalid dataset id")
        shared = select(shares.c.user_id).where(shares.c.dataset_id == dataset_id)
        asked = select(users).where(or_(users.c.id == row.owner_id, users.c.id.in_(shared)))
        found = connection.execute(asked.order_by(users.c.id)).all()
    return answer([wire.member(row) for row in found])


@router.get("/{dataset_id:id}/stats")
def stats(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """Totals, averages, and counts for each category and each member."""
    with state_of(request).store.read() as connection:
        row = visible_dataset(connection, caller, dataset_id, "Invalid dataset id")
        return answer(statistics.of(connection, row))


@router.get("/{dataset_id:id}/reset/metadata", dependencies=[Depends(not_cross_site)])
def reset_metadata(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """Give every annotation the dataset's default metadata, and every image none."""
    with state_of(request).store.write() as connection:
        row = managed_dataset(
            connection,
            caller,
            dataset_id,
            "Invalid dataset id",
            "You do not have permission to reset the metadata of this dataset",
        )
        connection.execute(
            update(annotations)
            .where(annotations.c.dataset_id == dataset_id)
            .values(metadata=row.default_annotation_metadata)
        )
        connection.execute(
            update(images).where(images.c.dataset_id == dataset_id).values(metadata={})
        )
    return answer({"success": True})


@router.post("/{dataset_id:id}/generate")
def generate(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """410: the search engine that the original fetched pictures from is closed to programs."""
    with state_of(request).store.read() as connection:
        managed_dataset(
            connection,
            caller,
            dataset_id,
            "Invalid dataset id",
            # The original's words, though nothing is downloaded.
            "You do not have permission to download the dataset's annotations",
        )
    raise refused(
        "Pictures are not fetched from a search engine any more: upload them, or copy them into "
        "the dataset's directory and scan.",
        410,
    )


def _counted(connection: Connection, caller: Caller, dataset: Row[Any]) -> dict[str, Any]:
    """What a page of datasets shows of one beside its own fields, in the recorded order."""
    first = connection.execute(
        select(func.min(images.c.id)).where(
            images.c.dataset_id == dataset.id, images.c.deleted == false()
        )
    ).scalar()
    shown = {
        "numberImages": dataset.num_images,
        "numberAnnotated": dataset.num_annotated,
        "permissions": permissions(caller, dataset),
    }
    return shown if first is None else shown | {"first_image_id": first}


def _categories(connection: Connection, caller: Caller) -> list[dict[str, Any]]:
    asked = (
        select(categories, users.c.username)
        .join(users, users.c.id == categories.c.creator_id)
        .where(visible_categories(connection, caller))
        .order_by(categories.c.id)
    )
    return [wire.category(row, row.username) for row in connection.execute(asked)]
