"""One sync: looks at the server, decides, and carries out what was decided.

Each phase leaves what it did in the database, so that the next sync goes on with it:

1. *reading*: the actions are written into the plan. Interrupted, the listing is finished first,
   from where it stopped, and then a new one is made: a sync that ends holds whatever was on the
   server when it began.
2. *ready*: the plan is whole and allowed; its actions are carried out in batches.
3. *applied*: annotations, then files, of the images that are due.
4. *done*.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from copy import copy, deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from coir.client import Dataset, routes
from coir.client.operations import DatasetCalls, Images
from coir.client.throttle import Throttle
from coir.errors import (
    IncompleteSync,
    InvalidRequest,
    SyncStopped,
    UnexpectedAnswer,
)
from coir.mirror.annotations import Annotations
from coir.mirror.categories import Categories
from coir.mirror.counts import Counts
from coir.mirror.files import Files
from coir.mirror.first_list import actions, kept
from coir.mirror.looking import Look, Looking, follows, is_quick
from coir.mirror.options import Options
from coir.mirror.plan import Action, Tally, obstacle
from coir.mirror.posted import Posted
from coir.mirror.report import SyncReport, Watch
from coir.mirror.settings import FILES_KEPT, Settings
from coir.mirror.store import Store
from coir.mirror.tree import Tree
from coir.mirror.windows import count
from coir.scan import Certificate
from coir.scan.ask import Window
from coir.scan.filter import Compiled, Filter
from coir.scan.prices import Prices

__all__ = ["Sync"]

# Of the time that a listing takes, so much more is spent on looking again into images whose rows
# say nothing new.
AGAIN = 0.125
# So many may be looked into again in that time, at most.
AGAIN_MOST = 10_000
# Seconds that looking for annotations that programs posted may take in any case; otherwise it takes
# no longer than the rest of a sync.
LOOKING = 30.0
# Outlines were moved and files replaced while no feed was followed: its next cursor tells nothing
# of them, and no listing shows them.
ALL_DUE = f"UPDATE images SET annotations_due = 1, file_due = {FILES_KEPT}"  # noqa: S608
# What the original costs, until its own answers say it: measured with 200,000 images.
PRICES = Prices(request=4e-3, count=2.5e-6, row=17e-6)


@dataclass
class Sync:
    """One sync of a mirror with a dataset.

    Args:
        store: what the mirror holds.
        settings: what the mirror is of.
        home: the mirror's folder.
        dataset: what it is made like.
        where: which images are wanted.
        options: how.
        watch: is called with a phase, how much is done, and of how much.

    """

    store: Store
    settings: Settings
    home: Path
    dataset: Dataset
    where: Filter
    options: Options
    watch: Watch | None = None
    counts: Counts = field(default_factory=Counts)
    number: int = 0
    mode: str = "full"
    certificate: Certificate | None = None
    listing_seconds: float = 0.0
    obstacle: tuple[str, str] | None = None
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._counting = Lock()
        self.dataset = copy(self.dataset)
        self.dataset.transport = self.dataset.transport.telling(self._sending)
        self.store.syncs.server_clock = self.dataset.transport.clock.now
        self.transport = self.dataset.transport.paced(Throttle(self.options.max_rps))
        self.calls = DatasetCalls(self.transport, self.dataset.info)
        self.started = time.monotonic()
        self.posted = Posted(self.transport, self.store, self.options.concurrency, self.watch)
        self.prices = self.store.database.setting("prices", Prices) or deepcopy(PRICES)

    def _sending(self) -> None:
        with self._counting:
            self.counts.requests += 1

    # -- the whole ----------------------------------------------------------------------

    def run(self) -> SyncReport:
        """Make the mirror like the server.

        Raises:
            SyncStopped: more would be removed, or replaced, than is allowed; nothing was.
            CoirError: the server cannot be reached, or fails; what was done stays.

        """
        self._finish_interrupted()
        while self._read():
            # What the interrupted listing had read is old by now.
            self.store.syncs.done(self.number, self.counts, self.prices)
            self.counts = Counts()
        return self._fetch()

    def plan(self) -> Iterator[Action]:
        """Give the actions of a sync, and change nothing; then `planned` tells their numbers."""
        look = self._looked(None)
        yield from actions(look.steps)
        self.certificate = look.reader.certificate
        self.judge(look.reader.tally, look.mode)

    def judge(self, tally: Tally, mode: str) -> None:
        """Find out whether a plan with these numbers is allowed; `planned` then says so."""
        self.tally, self.mode = tally, mode
        self.counts.images_unchanged = tally.unchanged
        self._tell(tally)
        self.obstacle = self._obstacle(tally)

    def planned(self) -> SyncReport:
        """Say what a plan would do.

        Raises:
            SyncStopped: it would not be allowed.

        """
        if self.obstacle is not None:
            raise self._stopped(*self.obstacle)
        return self._report(dry_run=True)

    def carry_out(self, actions: Iterable[Action], counts: Counts, mode: str) -> SyncReport:
        """Carry out actions that were decided before, in a mode, and fetch what is due then."""
        self._finish_interrupted()
        (self.home / "listing").unlink(missing_ok=True)  # it is older than what the plan makes
        self.mode, self.counts = "plan", counts
        self.number = self.store.syncs.begin(self.mode)
        if mode != "feed":  # it does not tell what the filter meant
            self.store.syncs.forget_meant()
        self.store.note(actions)
        self.store.syncs.ready(self.number, self.mode, counts, None)
        self._carry_out()
        return self._fetch()

    # -- looking ------------------------------------------------------------------------

    def _read(self) -> bool:
        """Look at the server, and carry out what differs; says whether an old listing went on."""
        progress = Tree(self.home.parent).own(".coir/listing")
        resumed = progress.exists() or kept(self.store.database) is not None
        try:
            self._look(progress)
        except InvalidRequest:
            # Behind a proxy that strips filters a listing keeps no progress; and what another
            # version of coir has left is of no use.
            progress.unlink(missing_ok=True)
            self._look(None)
        except SyncStopped:
            progress.unlink(missing_ok=True)  # the next sync is to see what became of it
            raise
        progress.unlink(missing_ok=True)  # the plan is whole
        self._carry_out()
        return resumed and self.mode == "full"

    def _look(self, progress: Path | None) -> None:
        self.number = self.store.syncs.begin(self.mode)
        if self._looks_for_posted():
            self.posted.begin(self.number)
        try:
            look = self._looked(progress)
        except SyncStopped:
            self.store.syncs.stopped(self.number)
            raise
        self.mode, reader = look.mode, look.reader
        held = self.store.held()
        if held and not look.goes_on:
            self.store.note(actions(look.steps))
        else:
            self.store.act(self.number, self.counts, look.steps)
        self.counts.images_unchanged = reader.tally.unchanged
        self.certificate, self.listing_seconds = reader.certificate, reader.seconds
        self._allowed(reader.tally)
        if held and self.mode == "full" and look.cursor is not None:
            with self.store.database.write() as connection:
                connection.execute(ALL_DUE)
        self.store.syncs.ready(
            self.number,
            self.mode,
            self.counts,
            self.certificate,
            cursor=look.cursor,
            meant=reader.compiled.params,
        )

    def _looked(self, progress: Path | None) -> Look:
        """Look at the server.

        Raises:
            SyncStopped: the filter, which meant something before, means nothing any more.

        """
        looking = Looking(
            dataset=self.dataset,
            where=self.where,
            options=self.options,
            store=self.store,
            transport=self.transport,
            prices=self.prices,
            watch=self.watch,
        )
        try:
            reader = looking.reader()
        except InvalidRequest as error:
            if not self.store.syncs.last():
                raise
            hint = f"It is in the mirror's filter; nothing was removed. {error.hint}"
            raise self._stopped(error.message, hint) from error
        return looking.look(reader, progress)

    def _stopped(self, why: str, hint: str) -> SyncStopped:
        return SyncStopped(why, hint=hint, report=self._report(dry_run=True))

    def _obstacle(self, tally: Tally) -> tuple[str, str] | None:
        followed = self.mode == "feed"
        return obstacle(tally, self.store.held(), self.options.limits, followed=followed)

    def _allowed(self, tally: Tally) -> None:
        self.obstacle = self._obstacle(tally)
        if self.obstacle is not None:
            self.store.syncs.stopped(self.number)
            self._tell(tally)
            self.planned()

    def _tell(self, tally: Tally) -> None:
        """Say what a plan would do; what is done is counted as it is done."""
        self.counts.images_added = tally.added
        self.counts.images_changed = tally.changed
        self.counts.images_removed = tally.removed

    # -- doing --------------------------------------------------------------------------

    def _finish_interrupted(self) -> None:
        """Carry out a plan that was whole when the process that made it ended."""
        waiting = self.store.syncs.unfinished()
        if waiting is None:
            return
        self.number, self.mode, self.counts = waiting
        self._carry_out()
        self.store.syncs.done(self.number, self.counts, self.prices)
        self.counts = Counts()

    def _carry_out(self) -> None:
        total = self.store.planned_number()
        done = 0
        while number := self.store.carry_out(self.number, self.counts):
            done += number
            if self.watch is not None:
                self.watch("applying", done, total)
        self.store.syncs.applied(self.number)

    def _annotations(self, categories: Categories) -> None:
        if self.options.annotations == "none":
            return
        if self.options.annotations == "full":
            self.store.look_into_all(self.number)
        fetch = Annotations(
            dataset=self.calls,
            in_bulk="coco" in self.dataset.server.info.features,
            store=self.store,
            sync=self.number,
            counts=self.counts,
            concurrency=self.options.concurrency,
            watch=self.watch,
            is_gone=self._is_gone,
        )
        fetch.due()
        if self.mode == "full" and not follows(self.dataset):
            spent = time.monotonic() - self.started
            self.posted.look(fetch, until=time.monotonic() + max(LOOKING, spent))
            fetch.due()
            self._look_again(fetch)
        if self.mode != "quick" or self.counts.annotations_added:
            categories.hold()  # those of the annotations that came, and hid in other images
            fetch.due()

    def _looks_for_posted(self) -> bool:
        wanted = self.options.annotations != "none" and not is_quick(self.options, self.store)
        return wanted and not follows(self.dataset)

    def _look_again(self, fetch: Annotations) -> None:
        part = self.options.recheck
        if part is not None:
            number = math.ceil(self.store.held() * part)
            fetch.again(self.store.longest_ago(self.number, number))
        else:
            until = time.monotonic() + self.listing_seconds * AGAIN
            fetch.again(self.store.longest_ago(self.number, AGAIN_MOST), until)

    def _files(self) -> None:
        Files(
            images=Images(self.transport),
            store=self.store,
            tree=Tree(self.home.parent),
            directory=self.dataset.info.directory,
            sync=self.number,
            counts=self.counts,
            kept=self.settings.images,
            conditional=self.dataset.server.info.coir is not None,
            concurrency=self.options.concurrency,
            watch=self.watch,
            is_gone=self._is_gone,
        ).due()

    def _is_gone(self, image_id: int) -> bool:
        """Whether an image that could not be fetched was deleted meanwhile: no trouble, then.

        The next look at the server says so, too.
        """
        there = count(self.dataset.info.id, Compiled(), Window(image_id, image_id + 1))
        try:
            return self.transport.run(there) == 0
        except UnexpectedAnswer:  # behind a proxy that strips filters
            return self.transport.run(routes.details(image_id)) is None

    def _fetch(self) -> SyncReport:
        """Fetch what is due, and end.

        Raises:
            IncompleteSync: of some images it could not be fetched.

        """
        categories = Categories(
            self.transport, self.dataset.info.id, self.store, self.number, self.counts
        )
        if self.mode != "quick":
            categories.hold()
        self._annotations(categories)
        self._files()
        self.store.syncs.done(self.number, self.counts, self.prices)
        report = self._report()
        if self.counts.images_failed or self.counts.files_failed:
            raise IncompleteSync(
                f"Of {self.counts.images_failed:,} images the annotations, and of "
                f"{self.counts.files_failed:,} the file could not be fetched.",
                hint="`coir status DIR` lists them; the next sync tries again.",
                report=report,
            )
        return report

    def _report(self, *, dry_run: bool = False) -> SyncReport:
        return SyncReport(
            sync=self.number,
            mode=self.mode,
            counts=self.counts,
            certificate=self.certificate,
            seconds=time.monotonic() - self.started,
            dry_run=dry_run,
            due=self.store.number_due("annotations"),
            unseen=self.posted.number(),
        )
