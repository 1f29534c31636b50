"""What is in a mirror, and what comes out of it: nothing here asks a server or changes a row."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, TypeAlias

import msgspec

from coir.client.closing import Closing
from coir.errors import InvalidRequest
from coir.mirror import history
from coir.mirror.annotations_file import AnnotationsFile, opened
from coir.mirror.database import Database
from coir.mirror.export import Export, ExportReport, FileNames, How, TableName
from coir.mirror.formats import FORMATS
from coir.mirror.history import Difference, SyncEntry
from coir.mirror.instant import Instant
from coir.mirror.query import Query, View
from coir.mirror.record import AnnotationRecord, CategoryRecord, ImageRecord
from coir.mirror.report import Watch
from coir.mirror.settings import Settings, known
from coir.mirror.shape import Segmentation
from coir.mirror.status import Status, Trouble, status, troubles
from coir.mirror.store import Store
from coir.mirror.tables import columns_of
from coir.mirror.trash import Trash
from coir.mirror.tree import Tree
from coir.scan.filter import Filter

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Contents", "PathLike"]

PathLike: TypeAlias = str | os.PathLike[str]


class Contents(Closing):
    """The contents of a mirror's folder; a context manager that closes itself.

    Args:
        path: the folder. It is made by the first sync.
        create: whether it may be new; without, one that holds no mirror is refused.

    Raises:
        InvalidRequest: there is no mirror.
        CoirError: it cannot be read, or was written by a newer version of coir.

    """

    def __init__(self, path: PathLike, *, create: bool = True) -> None:
        self.path = Path(path)
        self._own = self.path / ".coir"
        self._opened: Database | None = None
        if not create or (self.path / "coir.db").exists():
            # Whoever makes it may have been killed before there was a table in it.
            self._opened = Database(self.path / "coir.db", create=create)

    # -- what it holds ------------------------------------------------------------------

    @property
    def database(self) -> Database:
        """The database.

        Raises:
            InvalidRequest: there is none yet.

        """
        if self._opened is None:
            raise InvalidRequest(
                f"There is no mirror in {self.path}.", hint="Sync it first: coir sync DATASET DIR"
            )
        return self._opened

    @property
    def settings(self) -> Settings:
        """What it is of.

        Raises:
            InvalidRequest: nothing was synced yet.

        """
        found = known(self.database)
        if found is None:
            raise InvalidRequest(
                f"The mirror in {self.path} is empty.", hint="Sync it: coir sync DATASET DIR"
            )
        return found

    @property
    def store(self) -> Store:
        """Its rows."""
        return Store(self.database, self.trash.take)

    @property
    def trash(self) -> Trash:
        """The files of removed images, and replaced versions of others."""
        return Trash(Tree(self.path))

    def __len__(self) -> int:
        return self.store.held()

    def __iter__(self) -> Iterator[tuple[ImageRecord, list[AnnotationRecord]]]:
        """Give each image with its annotations, ascending by id."""
        for image in self.store.images():
            yield image, self.annotations(image.id)

    def images(self) -> Iterator[ImageRecord]:
        """Give the images, ascending by id."""
        return self.store.images()

    def annotations(self, image_id: int) -> list[AnnotationRecord]:
        """Give the annotations of an image, ascending by id."""
        asked = "SELECT body FROM annotations WHERE image_id = ? ORDER BY id"
        rows = self.database.rows(asked, (image_id,))
        return [msgspec.json.decode(text, type=AnnotationRecord) for (text,) in rows]

    def categories(self) -> list[CategoryRecord]:
        """Give the categories, ascending by id."""
        return self.store.categories()

    def file(self, image_id: int) -> Path | None:
        """Give the file of an image; None where it is not here."""
        place = self.database.value("SELECT place FROM images WHERE id = ?", (image_id,))
        return None if place is None else self.path / "images" / place

    def records(self) -> Iterator[bytes]:
        """Give all that it holds of the dataset, as JSON lines that are equal for equal datasets.

        Images, annotations, categories, each by id; nothing of when and how they came here.
        """
        for kind, records in (
            ("image", map(msgspec.json.encode, self.store.images())),
            ("annotation", self._bodies("annotations")),
            ("category", self._bodies("categories")),
        ):
            for one in records:
                yield b'{"kind":"%s","record":%s}\n' % (kind.encode(), one)

    def _bodies(self, table: str) -> Iterator[bytes]:
        for (text,) in self.database.rows(f"SELECT body FROM {table} ORDER BY id"):  # noqa: S608
            yield text.encode()

    # -- what is known of it ------------------------------------------------------------

    def status(self) -> Status:
        """Give how it is: what it is of, what is due, and what is wrong."""
        return status(self.database, self.path)

    def troubles(self) -> Iterator[Trouble]:
        """Give the images of which something could not be fetched, by id."""
        return troubles(self.database)

    def log(self) -> Generator[SyncEntry]:
        """Give its syncs, the newest first."""
        return history.syncs(self.database)

    def changed_by(self, sync: int) -> Generator[Difference]:
        """Give what one sync changed.

        Raises:
            InvalidRequest: there was no such sync.

        """
        return history.changed_by(self.database, sync)

    def diff(self, since: int) -> Generator[Difference]:
        """Give what is different from how it was after a sync; 0 is before the first.

        Raises:
            InvalidRequest: there was no such sync.

        """
        return history.net(self.database, since)

    # -- what comes out of it -----------------------------------------------------------

    def export(
        self,
        format: str,  # noqa: A002 - the word of the command
        out: PathLike | BinaryIO,
        where: Filter | None = None,
        *,
        with_empty_images: bool | None = None,
        table: TableName = "annotations",
        segmentation: Segmentation = "polygon",
        file_names: FileNames = "path",
        watch: Watch | None = None,
    ) -> ExportReport:
        """Write what it holds, of one instant and in constant memory; gives the account.

        Args:
            format: ``coco``, ``parquet`` or ``csv``.
            out: the file, which appears when it is whole; or one that is open for bytes.
            where: which images; its categories are also those of the annotations.
            with_empty_images: whether images without a wanted annotation are in it; None for
                only where images that are not annotated are asked for.
            table: of Parquet and CSV: what the rows are.
            segmentation: ``polygon``, or ``rle`` for masks.
            file_names: ``path`` below the folder of images, or ``base``, the file name alone.
            watch: is called with what is written, and how many of it.

        Raises:
            InvalidRequest: there is no such category, format or table, or no mirror.
            CoirError: a package is missing, or the file cannot be written.

        """
        if format not in FORMATS:
            raise InvalidRequest(
                f"There is no format '{format}'.", hint=f"The formats are {', '.join(FORMATS)}."
            )
        how = How(table, segmentation, file_names)
        self.settings  # noqa: B018 - says what to do where there is no mirror
        with Instant(self.path) as instant, opened(out) as file:
            work = Export.of(
                instant, where or Filter(), how, watch, with_empty_images=with_empty_images
            )
            FORMATS[format](work, file)
            return work.report()

    def write_coco(self) -> bool:
        """Write ``annotations.json``, a COCO file of all of it; gives whether it was necessary.

        What is there stays as long as neither the mirror nor the file has changed since.

        Raises:
            InvalidRequest: there is no mirror yet.
            CoirError: the file cannot be written.

        """
        return AnnotationsFile(self.path).write(self.database, self.export)

    def table(self, name: str) -> pyarrow.Table:
        """Give a table: ``images``, ``annotations``, ``categories``, ``versions`` or ``syncs``.

        All of it is in memory; ``file`` is where a file is on this disk.

        Raises:
            InvalidRequest: there is no such table, or no mirror.
            CoirError: pyarrow is not installed.

        """
        columns_of(name)
        self.settings  # noqa: B018 - as above
        with Instant(self.path) as instant:
            return View(name, instant).reader().read_all()

    def query(self, sql: str) -> pyarrow.Table:
        """Give the answer to a query, by DuckDB, on the same tables.

        Raises:
            InvalidRequest: DuckDB does not understand it, it is no query, or there is no mirror.
            CoirError: DuckDB is not installed.

        """
        with self.asking(sql) as query:
            return query.table()

    def asking(self, sql: str) -> Query:
        """Give a query whose rows can be read in batches; the errors are those of `query`."""
        self.settings  # noqa: B018 - as above
        return Query(self.path, sql)

    def close(self) -> None:
        """Close the database."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self
