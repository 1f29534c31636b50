"""One export: what is wanted of a mirror, one thing after the other, and the account of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from coir.errors import InvalidRequest
from coir.mirror.instant import ImageRow, Instant
from coir.mirror.record import CategoryRecord
from coir.mirror.report import Watch
from coir.mirror.selection import Selection
from coir.mirror.shape import SEGMENTATIONS, Segmentation, Shape, shaped
from coir.scan.filter import Filter

__all__ = ["Export", "ExportReport", "FileNames", "How", "TableName"]

FileNames: TypeAlias = Literal["path", "base"]
TableName: TypeAlias = Literal["annotations", "images", "categories"]

# Often enough for a bar, seldom enough not to be felt.
WATCHED = 5_000
# What was left out, or is not as it was asked for; `{}` is how many.
WORDS = {
    "images_filtered": "{} images that the filters do not want",
    "images_empty": "{} images without a wanted annotation",
    "annotations_filtered": "{} annotations of other categories",
    "annotations_homeless": "{} annotations whose category is not in the mirror",
    "annotations_unusable": "{} annotations with neither outline nor keypoints",
    "rings_dropped": "parts of {} outlines that are no rings or masks",
}
NOTES = {
    "size_unknown": "{} outlines stayed polygons, since the size of their image is unknown",
    "images_without_size": "{} images have no known size",
    "images_without_file": "{} images have no file here",
    "images_alike": "{} images share their file name with another",
    "images_due": "the annotations of {} images were not fetched yet",
}


@dataclass(frozen=True, slots=True)
class How:
    """How an export is to be written.

    Args:
        table: what the rows of a table are.
        segmentation: ``polygon``, or ``rle`` for masks.
        file_names: ``path`` below the folder of images, or ``base``, the file name alone.

    """

    table: TableName = "annotations"
    segmentation: Segmentation = "polygon"
    file_names: FileNames = "path"

    def __post_init__(self) -> None:
        if self.table not in get_args(TableName):
            raise InvalidRequest("A table is of annotations, images or categories.")
        if self.segmentation not in SEGMENTATIONS:
            raise InvalidRequest("The segmentation is 'polygon' or 'rle'.")
        if self.file_names not in get_args(FileNames):
            raise InvalidRequest("The file names are 'path' or 'base'.")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export holds: how many of each, and how many were left out, by the reason.

    ``notes`` count what is in it, and not as it could be.
    """

    images: int
    annotations: int
    categories: int
    left_out: dict[str, int]
    notes: dict[str, int]

    def words(self) -> str:
        """Give it in words, for a person."""
        held = {
            "images": self.images, "annotations": self.annotations, "categories": self.categories
        }  # fmt: skip
        written = ", ".join(f"{number:,} {name}" for name, number in held.items() if number)
        lines = [f"written: {written or 'nothing'}"]
        lines += [f"left out: {WORDS[key].format(f'{n:,}')}" for key, n in self.left_out.items()]
        lines += [NOTES[key].format(f"{n:,}") for key, n in self.notes.items()]
        return "\n".join(lines)


@dataclass
class Export:
    """What is wanted of a mirror; each method reads it anew, and counts."""

    instant: Instant
    selection: Selection
    how: How = field(default_factory=How)
    watch: Watch | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        instant: Instant,
        where: Filter,
        how: How,
        watch: Watch | None = None,
        *,
        with_empty_images: bool | None = None,
    ) -> Export:
        """Give the export of what a filter wants; the errors are those of `Selection.of`."""
        selection = Selection.of(
            where,
            instant.categories,
            instant.settings.directory,
            with_empty_images=with_empty_images,
        )
        return cls(instant, selection, how, watch)

    def categories(self) -> Iterator[CategoryRecord]:
        """Give the wanted categories, by id."""
        for one in self.instant.categories:
            if one.id in self.selection.categories:
                self.counts["categories"] += 1
                yield one

    def images(self) -> Iterator[ImageRow]:
        """Give the wanted images, by id."""
        filled = self._filled()
        kept = self.instant.settings.images != "none"
        with closing(filled):
            ahead = next(filled, None)
            for row in self.instant.images():
                while ahead is not None and ahead < row.id:
                    ahead = next(filled, None)
                if not self.selection.image(row):
                    self.counts["images_filtered"] += 1
                elif ahead != row.id and not self.selection.with_empty_images:
                    self.counts["images_empty"] += 1
                else:
                    self.counts["images_without_size"] += not (row.width and row.height)
                    self.counts["images_without_file"] += kept and row.place is None
                    self._count("images")
                    yield row

    def annotations(self) -> Iterator[tuple[ImageRow, Shape]]:
        """Give the wanted annotations with their images, by image and by id."""
        mentioned = {one.id for one in self.instant.categories}
        wanted, form = self.selection.categories, self.how.segmentation
        for row, text in self._pairs():
            shape = shaped(text, row.width, row.height, form)
            category = shape.stored.category_id
            if category not in wanted:
                known = category in mentioned
                self.counts["annotations_filtered" if known else "annotations_homeless"] += 1
            elif not shape.usable:
                self.counts["annotations_unusable"] += 1
            else:
                self.counts.update(shape.noted)
                self._count("annotations")
                yield row, shape

    def report(self) -> ExportReport:
        """Give the account of what was read."""
        counts = self.counts
        due = self.instant.value("SELECT count(*) FROM images WHERE annotations_due")
        notes = {**counts, "images_due": due}
        if self.how.file_names == "base":
            alike = "SELECT count(*) - count(DISTINCT file_name) FROM images"
            notes["images_alike"] = self.instant.value(alike)
        return ExportReport(
            counts["images"],
            counts["annotations"],
            counts["categories"],
            {key: counts[key] for key in WORDS if counts[key]},
            {key: notes[key] for key in NOTES if notes.get(key)},
        )

    def file_name(self, row: ImageRow) -> str:
        """Give the name of an image's file, as it was asked for."""
        place = row.where(self.instant.settings.directory)
        return place if self.how.file_names == "path" else place.rpartition("/")[2]

    def _pairs(self) -> Iterator[tuple[ImageRow, str]]:
        """The texts of the annotations of wanted images, each with its image."""
        images = self.instant.images()
        row, fits = None, False
        for image_id, text in self.instant.annotations():
            while row is None or row.id < image_id:
                row = next(images)
                fits = row.id == image_id and self.selection.image(row)
            if fits:
                yield row, text

    def _filled(self) -> Generator[int]:
        """The ids of images with an annotation of the wanted categories, ascending."""
        chosen = ",".join(map(str, sorted(self.selection.categories)))
        # Of all, the index alone answers.
        every = len(self.selection.categories) == len(self.instant.categories)
        where = "" if every else f"WHERE category_id IN ({chosen})"
        asked = f"SELECT DISTINCT image_id FROM annotations {where} ORDER BY image_id"  # noqa: S608
        for (image_id,) in self.instant.rows(asked):
            yield image_id

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        if self.watch is not None and self.counts[what] % WATCHED == 0:
            self.watch(what, self.counts[what], None)
