"""The one place that decides who may see or change what. Whatever is not granted is denied.

A dataset is seen and edited by its owner, by those it is shared with and by administrators;
managed (shared, deleted, downloaded) by its owner and by administrators. An image, an annotation
or a job has the rights of its dataset. A category is seen by whoever sees a dataset with it, and
changed by its creator and by administrators. What is not visible does not exist: the answer is
the same.

An API token has the rights of its user, narrowed by its scope: `scopes` says which scope each
route needs, and a route that it does not name takes no token.
"""

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    exists,
    false,
    or_,
    select,
    true,
)

from coir.server.answers import Refusal, refused, unauthorized, unsuccessful
from coir.server.origin import ELSEWHERE
from coir.server.scopes import includes, needed
from coir.server.sessions import COOKIE, Caller
from coir.server.state import ServerState, state_of
from coir.server.store.prepared import prepared
from coir.server.store.tables import (
    annotations,
    categories,
    datasets,
    exports,
    images,
    shares,
    tasks,
    users,
)
from coir.server.tokens import bearer
from coir.server.trace import current

# What a proxy adds to say whom it asks for.
FORWARDED = {"x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"}


def signed_in(request: Request) -> Caller:
    """The caller, or the refusal of one who is not signed in, or whose token is too narrow."""
    state: ServerState = state_of(request)
    authorization = request.headers.get("authorization")
    found = state.sessions.caller(request.cookies.get(COOKIE), authorization, address(request))
    if found is None:
        raise unauthorized(bearer(authorization) is not None)
    if (trace := current()) is not None:
        trace.user = found.id
    state.sightings.note(found.id, request.scope["path"])
    if found.scope is not None:
        _within(found.scope, request.method, request.scope["route"].path_format)
    return found


def _within(scope: str, method: str, path: str) -> None:
    """Refuse what a token of this scope may not do (RFC 6750, 3.1)."""
    least = needed(method, path)
    if least is None:
        raise unsuccessful("No API token may do this: sign in with a password.", 403)
    if not includes(scope, least):
        message = f"This needs an API token of the scope '{least}'; this one has '{scope}'."
        challenge = f'Bearer error="insufficient_scope", scope="{least}"'
        raise Refusal(403, {"success": False, "message": message}, {"WWW-Authenticate": challenge})


def address(request: Request) -> str:
    """Where the request comes from; behind a proxy on this machine, where it says."""
    return request.client.host if request.client else ""


def on_this_machine(request: Request) -> bool:
    """Whether a program of this machine asks, for this machine, and for nobody else.

    The name in Host is that of the address in a browser's bar: under another name a page from
    elsewhere may be asking (DNS rebinding), or a proxy for anybody.
    """
    if not FORWARDED.isdisjoint(request.headers.keys()):
        return False
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return _loopback(address(request)) and (name == "localhost" or _loopback(name))


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def not_cross_site(request: Request) -> None:
    """Refuse what a page of another site makes a browser send.

    For the GETs of the contract that change something: SameSite=Lax lets a link carry the cookie.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise refused(ELSEWHERE, 403)


SignedIn = Annotated[Caller, Depends(signed_in)]


def administrator(caller: SignedIn) -> Caller:
    """The caller, or the recorded refusal of one who does not administer."""
    if not caller.is_admin:
        raise unsuccessful("Access denied", 401)
    return caller


Administrator = Annotated[Caller, Depends(administrator)]


def visible_datasets(caller: Caller) -> ColumnElement[bool]:
    """The condition on `datasets` that holds for those the caller may see."""
    if caller.is_admin:
        return datasets.c.deleted == false()
    shared = select(shares.c.dataset_id).where(shares.c.user_id == caller.id)
    mine = or_(datasets.c.owner_id == caller.id, datasets.c.id.in_(shared))
    return and_(datasets.c.deleted == false(), mine)


def visible_dataset_ids(caller: Caller) -> Select[tuple[int]]:
    """The ids of the datasets that the caller may see."""
    return select(datasets.c.id).where(visible_datasets(caller))


def viewers(dataset_id: int) -> Select[int]:
    """The ids of the users who may see a dataset: `visible_datasets` from the other side."""
    living = and_(datasets.c.id == dataset_id, datasets.c.deleted == false())
    owner = select(datasets.c.owner_id).where(living)
    shared = select(shares.c.user_id).where(shares.c.dataset_id == dataset_id)
    may = or_(users.c.is_admin == true(), users.c.id.in_(owner), users.c.id.in_(shared))
    return select(users.c.id).where(
        users.c.deleted == false(), may, exists(select(datasets.c.id).where(living))
    )


def task_viewers(task_id: int) -> Select[int]:
    """The ids of the users who may see a job: `visible_tasks` from the other side."""
    task = tasks.c.id == task_id
    creator = select(tasks.c.creator_id).where(task)
    dataset = and_(
        datasets.c.id.in_(select(tasks.c.dataset_id).where(task)), datasets.c.deleted == false()
    )
    owner = select(datasets.c.owner_id).where(dataset)
    shared = select(shares.c.user_id).join(datasets).where(dataset)
    may = (users.c.id.in_(asked) for asked in (creator, owner, shared))
    return select(users.c.id).where(
        users.c.deleted == false(), or_(users.c.is_admin == true(), *may)
    )


def manages(caller: Caller, dataset: Row[Any]) -> bool:
    """Whether the caller may share, delete and download a dataset that is visible to them."""
    return caller.is_admin or bool(dataset.owner_id == caller.id)


def permissions(caller: Caller, dataset: Row[Any]) -> dict[str, bool]:
    """The permissions of a visible dataset, as the wire lists them."""
    manager = manages(caller, dataset)
    return {
        "owner": manager,
        "edit": True,
        "share": manager,
        "generate": manager,
        "delete": manager,
        "download": manager,
    }


def visible_dataset(
    connection: Connection, caller: Caller, dataset_id: int, message: str, status: int = 400
) -> Row[Any]:
    """The dataset's row, or a refusal that does not tell whether it exists."""
    asked = _dataset(caller.is_admin, dataset_id=dataset_id, caller_id=caller.id)
    row = connection.execute(*asked).first()
    if row is None:
        raise refused(message, status)
    return row


@prepared
def _dataset(is_admin: bool, *, dataset_id: Any, caller_id: Any) -> Select[*tuple[Any, ...]]:
    caller = Caller(caller_id, "", is_admin)
    return select(datasets).where(datasets.c.id == dataset_id, visible_datasets(caller))


def managed_dataset(
    connection: Connection, caller: Caller, dataset_id: int, message: str, forbidden: str
) -> Row[Any]:
    """The row of a dataset that the caller manages; 403 where it is visible only."""
    row = visible_dataset(connection, caller, dataset_id, message)
    if not manages(caller, row):
        raise refused(forbidden, 403)
    return row


def downloaded_dataset(connection: Connection, caller: Caller, dataset_id: int) -> Row[Any]:
    """The row of a dataset whose annotations the caller may download."""
    forbidden = "You do not have permission to download the dataset's annotations"
    return managed_dataset(connection, caller, dataset_id, "Invalid dataset ID", forbidden)


def downloaded_export(connection: Connection, caller: Caller, export_id: int) -> Row[Any]:
    """The row of an export that the caller may download, with its dataset's name."""
    asked = (
        select(exports, datasets.c.name.label("dataset_name"))
        .join(datasets)
        .where(exports.c.id == export_id, visible_datasets(caller))
    )
    row = connection.execute(asked).first()
    if row is None:
        raise refused("Invalid export ID")
    downloaded_dataset(connection, caller, row.dataset_id)
    return row


def visible_image(connection: Connection, caller: Caller, image_id: int) -> Row[Any] | None:
    """The row of a living image in a visible dataset, or None."""
    row = image_of_visible_dataset(connection, caller, image_id)
    return None if row is None or row.deleted else row


def image_of_visible_dataset(
    connection: Connection, caller: Caller, image_id: int
) -> Row[Any] | None:
    """The row of an image in a visible dataset, also when it is deleted itself, or None."""
    asked = _image(caller.is_admin, image_id=image_id, caller_id=caller.id)
    return connection.execute(*asked).first()


@prepared
def _image(is_admin: bool, *, image_id: Any, caller_id: Any) -> Select[*tuple[Any, ...]]:
    visible = visible_dataset_ids(Caller(caller_id, "", is_admin))
    return select(images).where(images.c.id == image_id, images.c.dataset_id.in_(visible))


def managed_image(connection: Connection, caller: Caller, image_id: int) -> Row[Any]:
    """The row of an image whose dataset the caller manages; 403 where it is visible only."""
    row = visible_image(connection, caller, image_id)
    if row is None:
        raise refused("Invalid image id")
    # Recorded wording (shared.image_delete_as_bob), though what is refused is the deletion.
    forbidden = "You do not have permission to download the image"
    managed_dataset(connection, caller, row.dataset_id, "Invalid image id", forbidden)
    return row


def visible_annotation(connection: Connection, caller: Caller, annotation_id: int) -> Row[Any]:
    """The row of an annotation of a visible image, also when it is deleted itself, or a refusal."""
    asked = (
        select(annotations)
        .join(images, images.c.id == annotations.c.image_id)
        .where(
            annotations.c.id == annotation_id,
            images.c.deleted == false(),
            annotations.c.dataset_id.in_(visible_dataset_ids(caller)),
        )
    )
    row = connection.execute(asked).first()
    if row is None:
        raise refused("Invalid annotation id")
    return row


def visible_categories(connection: Connection, caller: Caller) -> ColumnElement[bool]:
    """The condition on `categories`: the caller's own, and those of visible datasets."""
    if caller.is_admin:
        return categories.c.deleted == false()
    used: set[int] = set()
    asked = select(datasets.c.categories).where(visible_datasets(caller))
    for (ids,) in connection.execute(asked):
        used.update(ids)
    return and_(
        categories.c.deleted == false(),
        or_(categories.c.creator_id == caller.id, categories.c.id.in_(used)),
    )


def visible_category(
    connection: Connection, caller: Caller, category_id: int, message: str | None = None
) -> Row[Any]:
    """The row of a living category that the caller may see, or a refusal.

    Without words where there is no message, as the original refuses who only looks at one.
    """
    asked = select(categories).where(
        categories.c.id == category_id, visible_categories(connection, caller)
    )
    row = connection.execute(asked).first()
    if row is None:
        raise Refusal(400, {"success": False}) if message is None else refused(message)
    return row


def managed_category(
    connection: Connection, caller: Caller, category_id: int, message: str, forbidden: str
) -> Row[Any]:
    """The row of a category that the caller made; 403 where it is visible only."""
    row = visible_category(connection, caller, category_id, message)
    if not manages_category(caller, row):
        raise refused(forbidden, 403)
    return row


def manages_category(caller: Caller, category: Row[Any]) -> bool:
    """Whether the caller may change a category that is visible to them."""
    return caller.is_admin or bool(category.creator_id == caller.id)


def visible_tasks(caller: Caller) -> ColumnElement[bool]:
    """The condition on `tasks`: the caller's own, and those of visible datasets."""
    if caller.is_admin:
        return true()
    return or_(
        tasks.c.creator_id == caller.id,
        tasks.c.dataset_id.in_(visible_dataset_ids(caller)),
    )


def managed_dataset_ids(caller: Caller) -> Select[tuple[int]]:
    """The ids of the living datasets that the caller manages."""
    owned = true() if caller.is_admin else datasets.c.owner_id == caller.id
    return select(datasets.c.id).where(datasets.c.deleted == false(), owned)


def restorable(caller: Caller, table: Table) -> ColumnElement[bool]:
    """The condition on a table that holds for the deleted rows that the caller may bring back.

    What whoever deletes it may restore: annotations of visible datasets, images of managed ones,
    one's own datasets and categories. What lies in something deleted waits for that.
    """
    if table is annotations:
        living = select(images.c.id).where(images.c.deleted == false())
        mine = and_(
            annotations.c.dataset_id.in_(visible_dataset_ids(caller)),
            annotations.c.image_id.in_(living),
        )
    elif table is images:
        mine = images.c.dataset_id.in_(managed_dataset_ids(caller))
    elif caller.is_admin:
        mine = and_(true())
    else:
        owner = datasets.c.owner_id if table is datasets else categories.c.creator_id
        mine = and_(owner == caller.id)
    if table is datasets:
        mine = and_(mine, datasets.c.removed == false())
    return and_(table.c.deleted == true(), mine)


def removable(caller: Caller, table: Table) -> ColumnElement[bool]:
    """The condition for the deleted rows that the caller may remove for good.

    As for restoring, but for annotations: of the others' only who manages the dataset.
    """
    condition = restorable(caller, table)
    if table is not annotations:
        return condition
    own = or_(
        annotations.c.creator_id == caller.id,
        annotations.c.dataset_id.in_(managed_dataset_ids(caller)),
    )
    return and_(condition, own)
