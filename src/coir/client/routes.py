"""The operations that connecting and reading are made of, and that others build on.

The rest stands where it is called: in `coir.client.operations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from coir.client.credentials import Credentials
from coir.client.exchange import Operation, Request
from coir.client.idlist import id_list
from coir.client.reply import checked, decoded, refusal
from coir.errors import (
    AuthenticationFailed,
    DatasetNotFound,
    InvalidRequest,
    UnexpectedAnswer,
)
from coir.model import (
    Annotating,
    CategoryInfo,
    DatasetInfo,
    Details,
    DetailsPage,
    IdList,
    Image,
    ImageId,
    Page,
    Row,
    ServerInfo,
    User,
)

__all__ = [
    "all_details",
    "categories",
    "create_dataset",
    "dataset",
    "datasets",
    "details",
    "image_ids",
    "images",
    "info",
    "login",
    "me",
    "visible",
]


class _Me(msgspec.Struct):
    user: User


# The original's words for an image whose dataset is not there any more, or not for this user.
NO_DATASET = "Could not find associated dataset"

PAGES: Mapping[type, Any] = {Image: Page[Image], ImageId: Page[ImageId]}


def info() -> Operation[ServerInfo]:
    """Ask what the server is: ``GET /api/info/``, open to all.

    Asked first and only twice: a wrong address should be told at once.
    """
    request = Request("GET", "/api/info/", attempts=2, read_timeout=20.0)
    return decoded(request, (yield request), ServerInfo)


def login(credentials: Credentials, *, again: bool = False) -> Operation[None]:
    """Start a session: ``POST /api/user/login``; the transport keeps its cookie.

    It is done ``again`` where the session of an accepted password has ended.

    Raises:
        AuthenticationFailed: the user name or the password is wrong.

    """
    body = {"username": credentials.username, "password": credentials.password}
    request = Request("POST", "/api/user/login", json=body)
    answer = yield request
    if answer.status in {400, 401} and again:
        raise AuthenticationFailed(
            f"The server does not accept this password for user '{credentials.username}' any more.",
            hint="It was changed meanwhile, or the user was removed: run it again with the "
            "password of now.",
        )
    if answer.status in {400, 401}:
        raise AuthenticationFailed(
            f"The server does not accept this password for user '{credentials.username}'.",
            hint="Check the spelling of both; the password is case-sensitive.",
        )
    checked(request, answer)


def me() -> Operation[User]:
    """Ask who is logged in: ``GET /api/user/``."""
    request = Request("GET", "/api/user/")
    return decoded(request, (yield request), _Me).user


def datasets() -> Operation[list[DatasetInfo]]:
    """List the datasets that the user may see: ``GET /api/dataset/``."""
    request = Request("GET", "/api/dataset/")
    return decoded(request, (yield request), list[DatasetInfo])


def dataset(wanted: str | int) -> Operation[DatasetInfo]:
    """Find a dataset by its id or name; a name that looks like an id is tried as both.

    Raises:
        DatasetNotFound: there is none that the user may see.
        InvalidRequest: the id of one dataset is the name of another.

    """
    seen = yield from datasets()
    by_id = [one for one in seen if str(one.id) == str(wanted)]
    by_name = [one for one in seen if one.name == wanted]
    found = {one.id: one for one in by_id + by_name}
    if len(found) > 1:
        ids = ", ".join(str(one) for one in sorted(found))
        raise InvalidRequest(
            f"'{wanted}' stands for several datasets, with the ids {ids}.",
            hint="Give the name of the one with this id, or the id of the one with this name."
            if by_id
            else "Give the id instead of the name.",
        )
    if not found:
        raise DatasetNotFound(
            f"There is no dataset '{wanted}' that this user may see.",
            hint=_among(seen),
        )
    return next(iter(found.values()))


def images(dataset_id: int, params: Mapping[str, str], row: type[Row]) -> Operation[Page[Row]]:
    """Read rows of a dataset: ``GET /api/dataset/{id}/data``.

    The original answers 500, and coir's server 404, when the dataset is not there or not
    shared: one look at the list of datasets tells that from real trouble.

    Raises:
        DatasetNotFound: there is none that the user may see.
        UnexpectedAnswer: a cursor was given, and the server has none: it ignores them.

    """
    request = Request("GET", f"/api/dataset/{dataset_id}/data", params)
    answer = yield request
    if answer.status in {404, 500}:
        yield from visible(dataset_id)
    page = cast("Page[Row]", decoded(request, answer, PAGES[row]))
    if "cursor" in params and page.next_cursor is msgspec.UNSET:
        raise UnexpectedAnswer(
            "The server does not know cursors.",
            hint="Give no cursor, or read everything with coir.Scan, which works on every server.",
        )
    return page


def image_ids(dataset_id: int, params: Mapping[str, str]) -> Operation[IdList]:
    """Read the ids of one instant: ``GET /api/dataset/{id}/ids``, on coir's server only."""
    request = Request("GET", f"/api/dataset/{dataset_id}/ids", params, attempts=1)
    return id_list(request, (yield request))


def categories() -> Operation[list[CategoryInfo]]:
    """List the categories that the user may see: ``GET /api/category/``."""
    request = Request("GET", "/api/category/")
    return decoded(request, (yield request), list[CategoryInfo])


def all_details(fields: Sequence[str], page: int, per_page: int) -> Operation[DetailsPage]:
    """Read fields of the images of all datasets, in no order: ``GET /api/image/``."""
    params = {"fields": ",".join(("id", *fields)), "page": str(page), "per_page": str(per_page)}
    request = Request("GET", "/api/image/", params)
    return decoded(request, (yield request), DetailsPage)


def details(image_id: int) -> Operation[Details | None]:
    """Read all fields of one image: ``GET /api/annotator/data/{id}``; None when it is gone.

    Raises:
        DatasetNotFound: the image is there, and its dataset is not, or not for this user.

    """
    request = Request("GET", f"/api/annotator/data/{image_id}")
    answer = yield request
    if answer.status in {400, 404}:
        words = refusal(answer)
        if words == NO_DATASET:
            raise DatasetNotFound(
                f"The dataset of image {image_id} is not there, or this user may not see it.",
                hint="Ask its owner to share it with you; `coir datasets` lists those visible.",
            )
        if words is not None:
            return None
    image = decoded(request, answer, Annotating).image
    return None if image.deleted else image  # the original shows deleted ones, too


def create_dataset(name: str, categories: Sequence[str] = ()) -> Operation[DatasetInfo]:
    """Create a dataset: ``POST /api/dataset/``; categories that do not exist are created."""
    body = {"name": name, "categories": list(categories)}
    request = Request("POST", "/api/dataset/", json=body)
    return decoded(request, (yield request), DatasetInfo)


def visible(dataset_id: int) -> Operation[DatasetInfo]:
    """Make sure that the user may see a dataset: what else went wrong is real trouble.

    Gives what the server tells of it now.

    Raises:
        DatasetNotFound: there is none that the user may see.

    """
    seen = yield from datasets()
    for one in seen:
        if one.id == dataset_id:
            return one
    raise DatasetNotFound(
        f"There is no dataset {dataset_id} that this user may see.", hint=_among(seen)
    )


def _among(seen: list[DatasetInfo]) -> str:
    if not seen:
        return "This user sees no dataset at all: ask the owner to share it."
    names = ", ".join(f"{one.name!r} ({one.id})" for one in seen[:8])
    more = ", …" if len(seen) > 8 else ""
    return f"Those visible are {names}{more}; `coir datasets` lists them."
