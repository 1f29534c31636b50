"""A local copy of a dataset: the handle that users hold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from coir.client import Dataset
from coir.errors import InvalidRequest
from coir.mirror import plan_file
from coir.mirror.aging import Aging
from coir.mirror.contents import Contents, PathLike
from coir.mirror.counts import Counts
from coir.mirror.database import Database
from coir.mirror.first_list import drop
from coir.mirror.lock import locked
from coir.mirror.options import Options
from coir.mirror.plan import Action
from coir.mirror.report import SyncReport, Watch
from coir.mirror.settings import known, settle, settled, unsettle
from coir.mirror.store import Store
from coir.mirror.sync import Sync
from coir.mirror.trash import Emptied
from coir.mirror.tree import Tree
from coir.mirror.verify import Verification
from coir.scan.filter import Filter

__all__ = ["Mirror"]


class Mirror(Contents):
    """A local copy of a dataset, in a folder; a context manager that closes itself.

    Args:
        path: the folder. It is made by the first sync.
        create: whether it may be new; without, one that holds no mirror is refused.

    Raises:
        InvalidRequest: there is no mirror.
        CoirError: it cannot be read, or was written by a newer version of coir.

    """

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
            SyncStopped: more images would be removed, or be others, than is allowed; none was.
            IncompleteSync: all but the annotations or files of some images.
            IncompleteScan: the listing could not be shown to be whole; nothing was removed.
            CoirError: something else kept it from its end; the next sync goes on.

        """
        with locked(self._own / "lock"):
            work = self._work(dataset, where, options, watch)
            try:
                return work.run()
            except InvalidRequest:
                unsettle(self.database)  # a mistyped filter is nothing to be held to
                raise

    def plan(
        self,
        dataset: Dataset,
        where: Filter | None = None,
        options: Options | None = None,
        *,
        watch: Watch | None = None,
    ) -> tuple[list[Action], SyncReport]:
        """Give what a sync would do, and change nothing; the arguments are those of `sync`.

        Raises:
            SyncStopped: it would not be allowed.

        """
        work = self._thought(dataset, where, options, watch)
        actions = list(work.plan())
        return actions, work.planned()

    def write_plan(
        self,
        path: PathLike,
        dataset: Dataset,
        where: Filter | None = None,
        options: Options | None = None,
        *,
        watch: Watch | None = None,
    ) -> SyncReport:
        """Write what a sync would do into a file, and change nothing else; see `apply`.

        Raises:
            SyncStopped: it would not be allowed; it was written even so.

        """
        work = self._thought(dataset, where, options, watch)
        uuid = None if self._opened is None else work.settings.uuid
        plan_file.write(Path(path), plan_file.made(work, uuid))
        return work.planned()

    def apply(
        self,
        path: PathLike,
        dataset: Dataset,
        options: Options | None = None,
        *,
        watch: Watch | None = None,
    ) -> SyncReport:
        """Carry out a plan that `write_plan` wrote, with the guards of a sync.

        What happened on the server since then, the next sync sees.

        Raises:
            InvalidRequest: it is no plan, was edited, or does not fit the mirror as it is now.
            SyncStopped: more images would be removed than is allowed; nothing was removed.

        """
        plan = plan_file.read(Path(path))
        with locked(self._own / "lock"):
            thought = self._thought(dataset, plan.head.where, options, watch)
            uuid = None if self._opened is None else thought.settings.uuid
            plan_file.fitting(plan, thought, uuid)
            thought.judge(plan.head.counts, plan.head.mode)
            thought.planned()
            work = self._work(dataset, plan.head.where, options, watch)
            counts = Counts(images_unchanged=plan.head.counts.unchanged)
            return work.carry_out(plan.actions, counts, plan.head.mode)

    def _work(
        self, dataset: Dataset, where: Filter | None, options: Options | None, watch: Watch | None
    ) -> Sync:
        """Give a sync of the mirror, which is made where there is none."""
        chosen = options or Options()
        if self._opened is None:
            self._opened = Database(self.path / "coir.db", create=True)
        self.database.checkpoint()
        before, settings = known(self.database), settled(self.database, dataset, where, chosen)
        if before is not None and before.server_url != settings.server_url:
            # A listing that was begun at the old address cannot be gone on with at the new one.
            (self._own / "listing").unlink(missing_ok=True)
            with self.database.write() as connection:
                drop(connection)
        settle(self.database, settings)
        return Sync(self.store, settings, self._own, dataset, settings.where, chosen, watch)

    def _thought(
        self, dataset: Dataset, where: Filter | None, options: Options | None, watch: Watch | None
    ) -> Sync:
        """Give a sync that is only to be planned."""
        chosen = options or Options()
        database = self._opened or Database(Path(":memory:"), create=True)
        settings = settled(database, dataset, where, chosen)
        return Sync(Store(database), settings, self._own, dataset, settings.where, chosen, watch)

    def verify(
        self, dataset: Dataset | None = None, *, deep: bool = False, watch: Watch | None = None
    ) -> Verification:
        """Compare the mirror with the dataset, or with itself; nothing is changed.

        Iterate what it gives: an outcome for each image, ascending by id; then ask for its verdict.
        Without ``deep`` the rows are compared, by a complete listing, and the sizes of files; with
        it all annotations and what is in the files, here and on the server.

        Raises:
            InvalidRequest: nothing was synced yet, or the mirror is of something else.

        """
        settings = self.settings
        if dataset is not None:
            settled(self.database, dataset, None, Options())
        return Verification(self.store, Tree(self.path), settings, dataset, deep, watch=watch)

    def gc(self, older_than: timedelta | None = None) -> Emptied:
        """Empty the trash; with ``older_than``, of what was put there so long ago.

        Where the clock was wrong then, it counts from the next sync, or `gc`, at which it was not.

        Raises:
            MirrorBusy: a sync is under way.

        """
        self.settings  # noqa: B018 - refuses a folder without a mirror
        with locked(self._own / "lock"):
            if older_than is None:
                return self.trash.empty()
            aging = Aging(self.database)
            return self.trash.empty(aging.older(self.trash.folders(), older_than.total_seconds()))
