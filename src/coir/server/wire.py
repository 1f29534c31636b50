"""Rows as the objects that the wire shows; the order of keys is the recorded one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Row, null, select, union_all

from coir.server.folders import logical_directory
from coir.server.store.prepared import prepared
from coir.server.store.tables import datasets, shares, users


def user(row: Row[Any]) -> dict[str, Any]:
    """A user; absent texts are left out (recorded: register.second_user_not_admin)."""
    shown: dict[str, Any] = {"id": {"$oid": row.oid}, "username": row.username}
    shown |= _present(email=row.email, name=row.name) | {"online": False} | _seen(row)
    shown |= {"is_admin": row.is_admin, "preferences": row.preferences, "permissions": []}
    return shown | _changed(row)


def account(row: Row[Any]) -> dict[str, Any]:
    """A user as administrators see them; never the hash of a password."""
    return user(row)


def listed_account(row: Row[Any]) -> dict[str, Any]:
    """A user as the list for administrators shows them."""
    return {"id": {"$oid": row.oid}} | member(row)


def member(row: Row[Any]) -> dict[str, Any]:
    """A user as the members of a dataset are listed."""
    shown: dict[str, Any] = {"username": row.username}
    shown |= _present(email=row.email, name=row.name)
    shown |= {"online": False, "is_admin": row.is_admin, "permissions": []}
    return shown | _changed(row) | _seen(row)


def _seen(row: Row[Any]) -> dict[str, Any]:
    return {} if row.last_seen is None else {"last_seen": {"$date": row.last_seen}}


def _changed(row: Row[Any]) -> dict[str, Any]:
    """What the original leaves in the record of a user who has changed the password."""
    return {"new": False} if row.password_changed else {}


def token(row: Row[Any]) -> dict[str, Any]:
    """An API token as its user sees it: never its text, nor the hash of it."""
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "created": {"$date": row.created_at},
        "expires": {"$date": row.expires_at},
        "last_used": None if row.last_used_at is None else {"$date": row.last_used_at},
    }


def shown_datasets(connection: Connection, rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    """Datasets, with the names of their owners and of those they are shared with."""
    rows = list(rows)
    asked = _people(owners=[row.owner_id for row in rows], dataset_ids=[row.id for row in rows])
    names: dict[int, str] = {}
    members: dict[int, list[str]] = {}
    for dataset_id, user_id, username in connection.execute(*asked):
        if dataset_id is None:
            names[user_id] = username
        else:
            members.setdefault(dataset_id, []).append(username)
    return [_dataset(row, names[row.owner_id], members.get(row.id, [])) for row in rows]


@prepared
def _people(*, owners: Any, dataset_ids: Any) -> CompoundSelect[*tuple[Any, ...]]:
    owned = select(null().label("dataset_id"), users.c.id, users.c.username).where(
        users.c.id.in_(owners)
    )
    shared = (
        select(shares.c.dataset_id, users.c.id, users.c.username)
        .join(users, users.c.id == shares.c.user_id)
        .where(shares.c.dataset_id.in_(dataset_ids))
    )
    return union_all(owned, shared).order_by("id")


def _dataset(row: Row[Any], owner: str, members: list[str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "directory": logical_directory(row.name),
        "categories": row.categories,
        "owner": owner,
        "users": members,
        "annotate_url": "",
        "default_annotation_metadata": row.default_annotation_metadata,
        "deleted": row.deleted,
    }


def one_dataset(connection: Connection, dataset_id: int) -> dict[str, Any]:
    """A dataset that is known to exist."""
    row = connection.execute(select(datasets).where(datasets.c.id == dataset_id)).one()
    return shown_datasets(connection, [row])[0]


def category(row: Row[Any], creator: str) -> dict[str, Any]:
    """A category."""
    return {
        "id": row.id,
        "name": row.name,
        "supercategory": row.supercategory,
        "color": row.color,
        "metadata": row.metadata,
        "creator": creator,
        "deleted": row.deleted,
        "keypoint_edges": row.keypoint_edges,
        "keypoint_labels": row.keypoint_labels,
        "keypoint_colors": row.keypoint_colors,
    }


def annotation(row: Row[Any], creator: str, size: tuple[int, int]) -> dict[str, Any]:
    """An annotation; ``size`` is the width and height of its image."""
    return {
        "id": row.id,
        "image_id": row.image_id,
        "category_id": row.category_id,
        "dataset_id": row.dataset_id,
        "segmentation": row.segmentation,
        "area": whole(row.area),
        "bbox": row.bbox,
        "iscrowd": row.iscrowd,
        "isbbox": row.isbbox,
        "creator": creator,
        "width": size[0],
        "height": size[1],
        "color": row.color,
        "keypoints": row.keypoints,
        "metadata": row.metadata,
        "paper_object": row.paper_object,
        "deleted": row.deleted,
        "milliseconds": row.milliseconds,
        "events": row.events,
    }


def _present(**texts: str | None) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text is not None}


def whole(value: float) -> float | int:
    """A whole area as an integer (recorded: create.minimal)."""
    return int(value) if value == int(value) else value
