"""Datasets: what the server tells of them, and what becomes of their exports."""

from __future__ import annotations

from typing import Any

import msgspec

from coir.model.category import CategoryInfo
from coir.model.page import Pagination
from coir.model.server import Moment

__all__ = [
    "Averages",
    "Change",
    "Changes",
    "DatasetInfo",
    "DatasetPage",
    "DatasetSummary",
    "Deleted",
    "Export",
    "Permissions",
    "Statistics",
    "Totals",
    "UserTotals",
]


class DatasetInfo(msgspec.Struct, frozen=True):
    """A dataset as ``GET /api/dataset/`` lists it; ``categories`` are category ids."""

    id: int
    name: str
    owner: str = ""
    categories: tuple[int, ...] = ()
    users: tuple[str, ...] = ()
    directory: str = ""
    default_annotation_metadata: dict[str, Any] = {}
    deleted: bool = False


class Permissions(msgspec.Struct, frozen=True):
    """What the user who asks may do with a dataset."""

    owner: bool = False
    edit: bool = False
    share: bool = False
    generate: bool = False
    delete: bool = False
    download: bool = False


class DatasetSummary(DatasetInfo, frozen=True):
    """A dataset with its counts, and with what the user who asks may do.

    ``first_image_id`` is None when it has no image.
    """

    num_images: int = msgspec.field(name="numberImages", default=0)
    num_annotated: int = msgspec.field(name="numberAnnotated", default=0)
    permissions: Permissions = Permissions()
    first_image_id: int | None = None


class DatasetPage(msgspec.Struct, frozen=True):
    """An answer of ``GET /api/dataset/data``, with all categories that the user may see."""

    pagination: Pagination
    datasets: tuple[DatasetSummary, ...]
    categories: tuple[CategoryInfo, ...]


class Totals(msgspec.Struct, frozen=True):
    """The totals of a dataset; ``seconds`` is the time that was spent on annotating."""

    users: int = msgspec.field(name="Users", default=0)
    images: int = msgspec.field(name="Images", default=0)
    annotated_images: int = msgspec.field(name="Annotated Images", default=0)
    annotations: int = msgspec.field(name="Annotations", default=0)
    categories: int = msgspec.field(name="Categories", default=0)
    seconds: float = msgspec.field(name="Time Annotating (s)", default=0.0)


class Averages(msgspec.Struct, frozen=True):
    """The averages of a dataset: pixels, square pixels for the area, and milliseconds.

    What the original calls the size of an image is its width.
    """

    width: float = msgspec.field(name="Image Size (px)", default=0.0)
    height: float = msgspec.field(name="Image Height (px)", default=0.0)
    area: float = msgspec.field(name="Annotation Area (px)", default=0.0)
    milliseconds_per_image: float = msgspec.field(name="Time (ms) per Image", default=0.0)
    milliseconds_per_annotation: float = msgspec.field(name="Time (ms) per Annotation", default=0.0)


class UserTotals(msgspec.Struct, frozen=True):
    """What one user did in a dataset."""

    annotations: int = 0
    images: int = 0


class Statistics(msgspec.Struct, frozen=True):
    """An answer of ``GET /api/dataset/{id}/stats``; categories and users by name."""

    total: Totals
    average: Averages
    categories: dict[str, int] = {}
    images_per_category: dict[str, int] = {}
    users: dict[str, UserTotals] = {}


class Export(msgspec.Struct, frozen=True):
    """A finished export; ``ago`` is its age in the server's words.

    A dataset's list of exports leaves out ``dataset_id``, ``path`` and ``created_at``.
    """

    id: int
    tags: tuple[str, ...] = ()
    ago: str = ""
    dataset_id: int = 0
    path: str = ""
    created_at: Moment | None = None


class Deleted(msgspec.Struct, frozen=True):
    """Something that was deleted and can be restored.

    ``instance`` is the kind: category, annotation, image or dataset; ``date`` is in UTC.
    """

    id: int
    instance: str
    name: str = ""
    ago: str = ""
    date: str = ""


class Change(msgspec.Struct, frozen=True):
    """An entry of coir's change feed: that something happened to a thing, not what it is now.

    ``kind`` is image, annotation or category; ``change`` what docs/changes.md lists; ``image_id``
    is told of annotations.
    """

    kind: str
    id: int
    change: str
    at: Moment
    image_id: int | None = None


class Changes(msgspec.Struct, frozen=True):
    """Entries in the order of their commits, and the cursor to ask for what comes behind them.

    ``query`` is what was asked, as it came to the server; older ones do not say it.
    """

    changes: tuple[Change, ...]
    cursor: str
    more: bool = False
    query: dict[str, str] | None = None
