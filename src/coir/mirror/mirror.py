"""A local copy of a dataset: the handle that users hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TypeAlias

import msgspec

from coir.client import Dataset
from coir.client.closing import Closing
from coir.errors import InvalidRequest
from coir.mirror.database import Database
from coir.mirror.lock import locked
from coir.mirror.options import Options
from coir.mirror.plan import Action
from coir.mirror.record import AnnotationRecord, CategoryRecord, ImageRecord
from coir.mirror.report import SyncReport
from coir.mirror.settings import Settings, known, settle, settled
from coir.mirror.store import Store
from coir.mirror.sync import Sync, Watch
from coir.mirror.trash import Trash
from coir.mirror.tree import Tree
from coir.mirror.verify import Verification
from coir.scan.filter import Filter

__all__ = ["Mirror"]

PathLike: TypeAlias = str | os.PathLike[str]


class Mirror(Closing):
    """A local copy of a dataset, in a folder; a context manager that closes itself.

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
            self._opened = Database(self.path / "coir.db")

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

    # -- keeping it ---------------------------------------------------------------------

    def sync(
        self,
        dataset: Dataset,
        where: Filter | None = None,
        options: Options | None = None,
        *,
        watch: Watch | None = None,
    ) -> SyncReport:
        """Make the mirror like the dataset on its server.

        Args:
            dataset: what ``Server.dataset`` gives.
            where: which images are wanted; by default those of the syncs before, at first all.
            options: how.
            watch: is called with a phase, how much is done, and of how much.

        Raises:
            InvalidRequest: the mirror is of something else, or another process is at work on it.
            SyncStopped: more images would be removed than is allowed; nothing was removed.
            IncompleteSync: all but the annotations or files of some images.
            IncompleteScan: the listing could not be shown to be whole; nothing was removed.
            CoirError: something else kept it from its end; the next sync goes on.

        """
        chosen = options or Options()
        with locked(self._own / "lock"):
            if self._opened is None:
                self._opened = Database(self.path / "coir.db", create=True)
            settings = settled(self.database, dataset, where, chosen)
            settle(self.database, settings)
            return Sync(
                self.store, settings, self._own, dataset, settings.where, chosen, watch
            ).run()

    def plan(
        self,
        dataset: Dataset,
        where: Filter | None = None,
        options: Options | None = None,
        *,
        watch: Watch | None = None,
    ) -> tuple[list[Action], SyncReport]:
        """Give what a sync would do, and change nothing; the arguments are those of `sync`."""
        chosen = options or Options()
        database = self._opened or Database(Path(":memory:"), create=True)
        settings = settled(database, dataset, where, chosen)
        work = Sync(Store(database), settings, self._own, dataset, settings.where, chosen, watch)
        actions = list(work.plan())
        return actions, work.planned()

    def verify(
        self, dataset: Dataset | None = None, *, deep: bool = False, watch: Watch | None = None
    ) -> Verification:
        """Compare the mirror with the dataset, or with itself; nothing is changed.

        Iterate what it gives: a finding for each image, ascending by id; then ask for its verdict.
        Without ``deep`` the rows are compared, by a complete listing, and the sizes of files; with
        it all annotations and what is in the files, here and on the server.

        Raises:
            InvalidRequest: nothing was synced yet, or the mirror is of something else.

        """
        settings = self.settings
        if dataset is not None:
            settled(self.database, dataset, None, Options())
        return Verification(self.store, Tree(self.path), settings, dataset, deep, watch=watch)

    def close(self) -> None:
        """Close the database."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self
