"""What a COCO file of a dataset holds, read in one snapshot, row by row.

An annotation is in it when it lives on a living image, has an outline or keypoints, and a
category that exists: no program can use another. An image is in it when it has a living
annotation of the categories asked for, empty or not, so that of a whole dataset the images are
those that the listing shows as annotated; on request the others are too.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)

from coir.coco import written
from coir.server.answers import invalid
from coir.server.store.tables import annotations, categories, images, users
from coir.server.wire import whole

_encode = msgspec.json.Encoder().encode
# Rows that the driver fetches at a time.
ROWS = 1000
# Columns with JSON, which stays the text that the database has.
IMAGE_TEXTS = ("category_ids", "metadata")
ANNOTATION_TEXTS = ("segmentation", "bbox", "keypoints", "metadata", "events")
# What the original never fills: shown where it is there.
OPTIONAL = ("license", "coco_url", "date_captured")
EMPTY = ("[]", "null")


@dataclass(frozen=True)
class Form:
    """Which of the recorded fields a file shows; the order is the recorded one."""

    images: tuple[str, ...]
    annotations: tuple[str, ...]
    creators: bool  # of categories


_IMAGE = (
    "id",
    "dataset_id",
    "category_ids",
    "path",
    "width",
    "height",
    "file_name",
    "annotated",
    "annotating",
    "num_annotations",
    "metadata",
)
# GET /api/dataset/{id}/coco.
WHOLE = Form(
    (*_IMAGE, "milliseconds", "events", "regenerate_thumbnail", "is_modified"),
    (
        *("id", "image_id", "category_id", "dataset_id", "segmentation", "area", "bbox"),
        *("iscrowd", "isbbox", "creator", "width", "height", "color", "keypoints", "metadata"),
        *("milliseconds", "events"),
    ),
    creators=True,
)
# An export (recorded: export/download).
EXPORT = Form(
    (*_IMAGE, "deleted", "milliseconds", "events", "regenerate_thumbnail"),
    (
        *("id", "image_id", "category_id", "segmentation", "area", "bbox"),
        *("iscrowd", "isbbox", "color", "keypoints", "metadata"),
    ),
    creators=False,
)
# GET /api/image/{id}/coco.
ONE = Form(
    ("id", "dataset_id", "path", "width", "height", "file_name"),
    EXPORT.annotations,
    creators=False,
)
CONSTANTS: dict[str, Any] = {"annotating": [], "events": [], "is_modified": False}


class Contents:
    """The contents of one file; everything is read through one connection's snapshot."""

    def __init__(
        self,
        connection: Connection,
        dataset: Row[Any],
        form: Form,
        wanted: Collection[int] = (),
        *,
        with_empty_images: bool = False,
        within: ColumnElement[bool] | None = None,
        image_id: int | None = None,
    ) -> None:
        """Of these categories, or of all that the dataset lists or uses.

        Only of the images that the condition ``within`` holds for, where it is given. Of one image
        alone where ``image_id`` names it, with the categories that it has.
        Refuses a category that the dataset neither lists nor uses.
        """
        self._connection = connection
        self._form = form
        # How many of each `pieces` has given so far.
        self.images_written = self.annotations_written = 0
        self._image_id = image_id
        self._living = and_(images.c.dataset_id == dataset.id, images.c.deleted == false())
        if within is not None:
            self._living = and_(self._living, within)
        if image_id is not None:
            self._living = and_(self._living, images.c.id == image_id)
        self.categories = self._categories(dataset, wanted)
        self.names = [row.name for row in self.categories]
        self._chosen = self._in_categories(everything=not wanted)
        self._with_empty_images = with_empty_images
        self._shown = true() if with_empty_images else self._chosen

    def pieces(self) -> Iterator[bytes]:
        """The text of the file."""
        return written(self.images(), self._category_texts(), self.annotations())

    def number_of_images(self) -> int:
        """How many images the file holds."""
        asked = select(func.count()).select_from(images).where(self._living, self._shown)
        return self._connection.execute(asked).scalar_one()

    def number_of_annotations(self) -> int:
        """How many annotations the file holds."""
        number: int = self._connection.execute(self._annotations(func.count())).scalar_one()
        return number

    def number_vanished(self) -> int:
        """How many images in the file have none of their own at present."""
        asked = select(func.count()).select_from(images).where(self._living, self._shown)
        return self._connection.execute(asked.where(images.c.vanished)).scalar_one()

    def number_listed(self) -> int:
        """How many images the listing shows of those that belong into a file of all categories."""
        counted = true() if self._with_empty_images else images.c.annotated
        asked = select(func.count()).select_from(images).where(self._living, counted)
        return self._connection.execute(asked).scalar_one()

    def number_left_out(self) -> int:
        """How many living annotations of the images and categories are not in the file."""
        joined = select(func.count()).select_from(annotations).join(images)
        living = joined.where(self._living, annotations.c.deleted == false(), self._asked_for)
        number: int = self._connection.execute(living).scalar_one()
        return number - self.number_of_annotations()

    def images(self) -> Iterator[bytes]:
        """Each image as JSON, by id."""
        names = [name for name in self._form.images if name not in CONSTANTS]
        asked = select(*_columns(images, (*names, *OPTIONAL), IMAGE_TEXTS))
        for row in self._rows(asked.where(self._living, self._shown).order_by(images.c.id)):
            given = CONSTANTS | dict(zip((*names, *OPTIONAL), row, strict=True))
            shown = {name: _value(name, given[name], IMAGE_TEXTS) for name in self._form.images}
            shown |= {name: given[name] for name in OPTIONAL if given[name] is not None}
            self.images_written += 1
            yield _encode(shown)

    def annotations(self) -> Iterator[bytes]:
        """Each annotation as JSON, by image and then by id."""
        names = self._form.annotations
        plain = [name for name in names if name not in ("creator", "width", "height")]
        columns = dict(zip(plain, _columns(annotations, plain, ANNOTATION_TEXTS), strict=True))
        columns |= {"width": images.c.width, "height": images.c.height}
        columns["creator"] = users.c.username
        asked = self._annotations(*(columns[name] for name in names))
        for row in self._rows(asked.order_by(images.c.id, annotations.c.id)):
            given = dict(zip(names, row, strict=True))
            keypoints = given["keypoints"]
            bare = keypoints in EMPTY
            if bare and self._form is not ONE:  # the original leaves them in one image's file
                del given["keypoints"]
            given["area"] = whole(given["area"])
            shown = {name: _value(name, value, ANNOTATION_TEXTS) for name, value in given.items()}
            if not bare:
                visible = msgspec.json.decode(keypoints)[2::3]
                shown["num_keypoints"] = sum(1 for flag in visible if flag > 0)
            self.annotations_written += 1
            yield _encode(shown)

    def _rows(self, asked: Select[Any]) -> Iterator[Row[Any]]:
        options = {"yield_per": ROWS}
        return iter(self._connection.execute(asked, execution_options=options))

    def _annotations(self, *columns: Any) -> Select[Any]:
        """Columns of the annotations in the file, their images and creators."""
        asked = (
            select(*columns)
            .select_from(images)
            .join(annotations)
            .join(users, users.c.id == annotations.c.creator_id)
        )
        return asked.where(
            self._living,
            annotations.c.deleted == false(),
            annotations.c.category_id.in_([row.id for row in self.categories]),
            or_(_filled("segmentation"), _filled("keypoints")),
        )

    def _categories(self, dataset: Row[Any], wanted: Collection[int]) -> list[Row[Any]]:
        used = (
            select(annotations.c.category_id)
            .join(images)
            .where(self._living, annotations.c.deleted == false())
        )
        known: ColumnElement[bool] = categories.c.id.in_(used)
        if self._image_id is None:
            known = or_(categories.c.id.in_(dataset.categories), known)
        asked = (
            select(categories, users.c.username)
            .join(users, users.c.id == categories.c.creator_id)
            .where(categories.c.deleted == false(), known)
            .order_by(categories.c.id)
        )
        found = self._connection.execute(asked).all()
        if missing := sorted(set(wanted) - {row.id for row in found}):
            shown = ", ".join(map(str, missing))
            raise invalid({"categories": f"the dataset has no category {shown}"})
        return [row for row in found if row.id in wanted] if wanted else list(found)

    def _in_categories(self, *, everything: bool) -> ColumnElement[bool]:
        """The images with a living annotation of the categories, or with any."""
        self._asked_for: ColumnElement[bool] = true()
        if not everything:
            ids = [row.id for row in self.categories]
            self._asked_for = annotations.c.category_id.in_(ids)
        return exists().where(
            annotations.c.image_id == images.c.id,
            annotations.c.deleted == false(),
            self._asked_for,
        )

    def _category_texts(self) -> Iterator[bytes]:
        for row in self.categories:
            shown: dict[str, Any] = {
                "id": row.id,
                "name": row.name,
                "supercategory": row.supercategory,
                "color": row.color,
                "metadata": row.metadata,
            }
            if self._form.creators:
                shown["creator"] = row.username
            shown["keypoint_colors"] = row.keypoint_colors
            if row.keypoint_labels:
                shown |= {"keypoints": row.keypoint_labels, "skeleton": row.keypoint_edges}
            yield _encode(shown)


def _columns(table: Any, names: Collection[str], texts: tuple[str, ...]) -> list[Any]:
    return [
        cast(table.c[name], Text).label(name) if name in texts else table.c[name] for name in names
    ]


def _value(name: str, value: Any, texts: tuple[str, ...]) -> Any:
    return msgspec.Raw(value.encode()) if name in texts and isinstance(value, str) else value


def _filled(name: str) -> ColumnElement[bool]:
    return cast(annotations.c[name], Text).not_in(EMPTY)
