"""The rows that a server's answers are decoded into: values without behaviour.

``gc=False`` on the rows that come by the hundred thousand: they cannot form cycles, and
leaving them out of the garbage collector doubles the speed of decoding (1.39 instead of
0.69 million rows a second).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

__all__ = [
    "Annotating",
    "CategoryInfo",
    "DatasetInfo",
    "Details",
    "DetailsPage",
    "IdList",
    "Image",
    "ImageId",
    "Job",
    "Page",
    "ServerInfo",
    "Started",
    "User",
]


class ImageId(msgspec.Struct, frozen=True, gc=False):
    """The id of an image, where nothing else of its row is wanted."""

    id: int


class Image(msgspec.Struct, frozen=True, gc=False):
    """An image of a dataset.

    The first five fields are all that ``GET /api/dataset/{id}/data`` tells of it; the
    others are set when they were asked for, and were to be had. Width and height are in
    pixels, ``path`` is the server's.
    """

    id: int
    file_name: str
    annotated: bool = False
    annotating: tuple[str, ...] = ()
    num_annotations: int = 0
    path: str | msgspec.UnsetType = msgspec.UNSET
    width: int | msgspec.UnsetType | None = msgspec.UNSET
    height: int | msgspec.UnsetType | None = msgspec.UNSET
    category_ids: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET


Row = TypeVar("Row", Image, ImageId)


class Page(msgspec.Struct, Generic[Row]):
    """An answer of ``GET /api/dataset/{id}/data``.

    ``total`` counts the rows that match; ``images`` holds at most ``per_page`` of them.
    """

    total: int
    per_page: int
    images: list[Row]


class DatasetInfo(msgspec.Struct, frozen=True):
    """A dataset as ``GET /api/dataset/`` lists it; ``categories`` are category ids."""

    id: int
    name: str
    owner: str = ""
    categories: tuple[int, ...] = ()
    users: tuple[str, ...] = ()
    directory: str = ""
    deleted: bool = False


class Version(msgspec.Struct, frozen=True):
    """The version tag that a server shows."""

    tag: str = ""


class ServerInfo(msgspec.Struct, frozen=True):
    """An answer of ``GET /api/info/``; ``coir`` is there when the server is coir's own."""

    name: str
    git: Version = Version()
    login_enabled: bool = True
    total_users: int = 0
    allow_registration: bool = False
    coir: dict[str, Any] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """What the server offers beside the original's routes."""
        return tuple((self.coir or {}).get("features") or ())

    @property
    def version(self) -> str:
        """The version in the server's own words."""
        return str((self.coir or {}).get("version") or self.git.tag)


class User(msgspec.Struct, frozen=True):
    """A user as the server describes the one who asks."""

    username: str
    name: str | None = None
    is_admin: bool = False


class Started(msgspec.Struct, frozen=True):
    """The answer to a request that starts a job."""

    id: int
    name: str


class Job(msgspec.Struct, frozen=True):
    """Slow work on the server, as ``GET /api/tasks/`` lists it; progress is in percent."""

    id: int
    name: str
    completed: bool
    progress: float
    errors: int
    warnings: int


class CategoryInfo(msgspec.Struct, frozen=True):
    """A category as ``GET /api/category/`` lists it."""

    id: int
    name: str
    supercategory: str = ""


class IdList(msgspec.Struct):
    """The ids of one instant, as coir's server streams them: ``GET /api/dataset/{id}/ids``.

    ``query`` is what the server was asked for, in its own eyes: a proxy that drops a filter
    on the way shows there.
    """

    total: int
    query: dict[str, str]
    ids: Sequence[int]


class Details(msgspec.Struct, frozen=True, gc=False):
    """What ``GET /api/image/`` tells of an image beside the listing; shapes as in `Image`."""

    id: int
    dataset_id: int = 0
    path: str | msgspec.UnsetType = msgspec.UNSET
    width: int | msgspec.UnsetType | None = msgspec.UNSET
    height: int | msgspec.UnsetType | None = msgspec.UNSET
    category_ids: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET


class DetailsPage(msgspec.Struct):
    """An answer of ``GET /api/image/``; ``total`` counts the images of all datasets."""

    total: int
    images: list[Details]


class Annotating(msgspec.Struct):
    """An answer of ``GET /api/annotator/data/{id}``, as far as it is about the image."""

    image: Details
