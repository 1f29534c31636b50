"""What is ordered: dataset, filter, manner of reading; the same for both drivers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import to_builtins

from coir.client import routes
from coir.client.exchange import Operation
from coir.client.throttle import Throttle
from coir.errors import InvalidRequest
from coir.model import DatasetInfo, Image, ImageId, ServerInfo
from coir.scan.certificate import Certificate, Context
from coir.scan.details import Filler, checked_fields
from coir.scan.filter import Compiled, Filter
from coir.scan.journal import Journal
from coir.scan.prices import Prices
from coir.scan.run import Run, Watcher

__all__ = ["CONCURRENCY", "Order"]

# More does not help a server of one process: four hide the waiting, and the rest queue.
CONCURRENCY = 4
# What a server announces in /api/info/ when it streams the ids of one instant.
SNAPSHOT = "ids"
# And when the rows of its listing can tell more.
FIELDS = "fields"

Place = TypeVar("Place")


class Order(Generic[Place]):
    """A scan to be made.

    Args:
        dataset: what ``Server.dataset`` gives.
        where: which images are wanted; all of them by default.
        fields: what to tell of each image beyond the listing: any of path, width, height,
            category_ids.
        concurrency: the requests under way at the same time, at most.
        max_rps: the requests a second, at most; None leaves it to the response times.
        since: the certificate of an earlier scan; only what is new since then is wanted.
        resume: a file in which progress is kept; a scan that was interrupted goes on from
            it, and it is removed at the end.
        keep: leave that file at the end, too: whoever puts the rows away removes it when they
            are safe. Another scan takes them from it, and counts again.
        watch: is called with a `Progress` after each answer.

    """

    def __init__(
        self,
        dataset: Place,
        where: Filter | None = None,
        *,
        fields: Sequence[str] = (),
        concurrency: int = CONCURRENCY,
        max_rps: float | None = None,
        since: Certificate | None = None,
        resume: Path | str | None = None,
        keep: bool = False,
        watch: Watcher | None = None,
    ) -> None:
        if concurrency < 1:
            raise InvalidRequest("The concurrency must be at least 1.")
        if since is not None and resume is not None:
            raise InvalidRequest("A scan of what is new cannot be resumed.",
                                 hint="It is short: start it again.")  # fmt: skip
        self.dataset = dataset
        self.filter = where or Filter()
        self.fields = checked_fields(fields)
        self.concurrency = concurrency
        self.throttle = Throttle(max_rps)
        self.since = since
        self.resume = Path(resume) if resume is not None else None
        self.keep = keep
        self.watch = watch
        self._certificate: Certificate | None = None
        # What requests, counts and rows cost in the last run, as far as it learned that.
        self.prices = Prices()

    @property
    def certificate(self) -> Certificate:
        """What the last run proved.

        Raises:
            InvalidRequest: nothing has been run to its end.

        """
        if self._certificate is None:
            raise InvalidRequest(
                "There is no certificate yet.", hint="Read the scan to its end first."
            )
        return self._certificate

    @staticmethod
    def check_size(size: int) -> None:
        """Refuse batches of nothing."""
        if size < 1:
            raise InvalidRequest("A batch must hold at least 1 image.")

    def compile(self, dataset: DatasetInfo, server: ServerInfo) -> Operation[Compiled]:
        """Put the filter into the server's terms, asking for the categories if need be."""
        known = []
        if self.filter.categories:
            visible = yield from routes.categories()
            known = [one for one in visible if one.id in dataset.categories]
        compiled = self.filter.compiled(known)
        if self.fields and FIELDS in server.features:
            compiled = compiled.telling(self.fields)
        return compiled.since(self.since.newest_ids) if self.since else compiled

    def run(
        self,
        dataset: DatasetInfo,
        url: str,
        server: ServerInfo,
        compiled: Compiled,
        *,
        rows: bool,
        known: Sequence[int] = (),
    ) -> Run:
        """Prepare a run.

        Raises:
            InvalidRequest: ``since`` or ``resume`` are about something else.

        """
        context = Context(
            dataset.id,
            dataset.name,
            url,
            server.name,
            server.version,
            self.filter.describe(),
            self.filter.is_stable,
            self.since.ids_sha256 if self.since else None,
            compiled.after_id + 1,
        )
        if self.since is not None:
            _same_question(self.since, context)
        journal = Journal(self.resume, keep=self.keep) if self.resume else None
        return Run(
            context,
            compiled,
            Image if rows else ImageId,
            in_flight=self.concurrency,
            snapshot=not rows and not journal and SNAPSHOT in server.features,
            journal=journal,
            filler=Filler(dataset.id, self.fields if rows else ()),
            known=known,
            follows=self.since.newest_ids if self.since else (),
            watch=self.watch,
        )


def _same_question(since: Certificate, context: Context) -> None:
    asked = since.server_url, since.dataset_id, to_builtins(since.filters)
    if asked != (context.server_url, context.dataset_id, to_builtins(context.filters)):
        raise InvalidRequest(
            f"The certificate is about dataset {since.dataset_id} at {since.server_url} "
            f"with filters {dict(since.filters)}.",
            hint="Use --since with the same server, dataset and filters as then.",
        )
