"""Images and annotations, each with all that the server tells of it."""

from __future__ import annotations

from typing import Any

import msgspec

from coir.model.category import CategoryInfo
from coir.model.dataset import DatasetInfo, Permissions

__all__ = [
    "Annotation",
    "AnnotatorCategory",
    "AnnotatorData",
    "AnnotatorImage",
    "AnnotatorPermissions",
    "ImageInfo",
    "ImagePage",
    "ImagePermissions",
]


class ImageInfo(msgspec.Struct, frozen=True):
    """An image with all its fields; width and height in pixels, ``path`` is the server's.

    A page that was asked for some fields leaves the others as they are here.
    """

    id: int
    dataset_id: int = 0
    file_name: str = ""
    path: str = ""
    width: int | None = None
    height: int | None = None
    category_ids: tuple[int, ...] = ()
    annotated: bool = False
    annotating: tuple[str, ...] = ()
    num_annotations: int = 0
    metadata: dict[str, Any] = {}
    milliseconds: int = 0


class ImagePage(msgspec.Struct, frozen=True):
    """An answer of ``GET /api/image/``; ``total`` counts the images of all datasets."""

    total: int
    page: int
    per_page: int
    images: tuple[ImageInfo, ...]


class Annotation(msgspec.Struct, frozen=True):
    """An annotation.

    ``segmentation`` is a list of polygons, each x, y, x, y, … in pixels (the original also
    keeps whatever else it was given); ``bbox`` is x, y, width, height; ``keypoints`` x, y,
    visibility of each; ``paper_object`` what was drawn, as paper.js writes it, relative to
    the middle of the image, and left out of lists.
    """

    id: int
    image_id: int
    category_id: int | None = None
    dataset_id: int = 0
    segmentation: Any = ()
    area: float = 0.0
    bbox: tuple[float, ...] = ()
    iscrowd: bool = False
    isbbox: bool = False
    creator: str = ""
    width: int | None = None
    height: int | None = None
    color: str | None = None
    keypoints: tuple[float, ...] = ()
    metadata: dict[str, Any] = {}
    paper_object: Any = ()
    milliseconds: int = 0


class AnnotatorImage(ImageInfo, frozen=True):
    """An image with its neighbours by file name; None at either end."""

    previous: int | None = None
    next: int | None = None


class AnnotatorCategory(CategoryInfo, frozen=True):
    """A category of the dataset, with the image's annotations of it."""

    annotations: tuple[Annotation, ...] = ()


class ImagePermissions(msgspec.Struct, frozen=True):
    """What the user who asks may do with an image."""

    delete: bool = False
    download: bool = False


class AnnotatorPermissions(msgspec.Struct, frozen=True):
    """What the user who asks may do with a dataset, and with an image of it."""

    dataset: Permissions = Permissions()
    image: ImagePermissions = ImagePermissions()


class AnnotatorData(msgspec.Struct, frozen=True):
    """What the annotation page loads: an answer of ``GET /api/annotator/data/{id}``."""

    image: AnnotatorImage
    categories: tuple[AnnotatorCategory, ...]
    dataset: DatasetInfo
    preferences: dict[str, Any] = {}
    permissions: AnnotatorPermissions = AnnotatorPermissions()
