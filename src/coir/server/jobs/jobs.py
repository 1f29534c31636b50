"""Begins jobs, runs them, and looks after those that nobody looks after any more."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from coir.server.jobs import book
from coir.server.jobs.book import Book, Order, Ticket
from coir.server.jobs.job import Job, JobCancelled, JobEnded, JobLost, Kind, Progress, Run
from coir.server.jobs.queue import Queue
from coir.server.store.engine import Store

log = logging.getLogger(__name__)

# How soon a running job hears that it was cancelled, and what is ready is noticed.
BEAT_SECONDS = 0.5
RENEW_SECONDS = book.LEASE_MS / 1000 / 4
LOOK_SECONDS = 2.0


class Jobs:
    """The jobs of the processes over one database and one queue."""

    def __init__(
        self,
        store: Store,
        queue: Path | str,
        kinds: Mapping[str, Kind],
        sweep: Callable[[], None],
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._sweep = sweep
        self._book = Book(store, kinds)
        # The queue makes its tables; of two processes that start together, one at a time.
        with store.write():
            self._queue = Queue(queue, self._run)
        self._running: Job | None = None
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="coir-jobs")
        # Called after each commit that changed the progress of a job of this process, in its
        # thread: one that takes long makes the job take long.
        self.listeners: list[Callable[[Progress], None]] = []

    def open(self) -> None:
        """Begin to run jobs in this process, first those that an earlier end interrupted."""
        self._sweep()
        self._queue.start()
        self._keeper.start()

    def stop(self) -> None:
        """Have the running job left at its next safe point; it begins again elsewhere."""
        self._queue.stopping.set()

    def close(self) -> None:
        """Stop, and wait for it."""
        self._queue.stop()
        self._stopped.set()
        if self._keeper.is_alive():
            self._keeper.join()
        self._queue.close()

    def begin(self, order: Order, *, join: bool = True) -> Ticket:
        """Queue a job; while one of its group on the dataset is unfinished, give that instead.

        Unless it must not ``join`` another: two exports are not of the same categories, two
        imports not of the same file.
        """
        with self._store.write() as connection:
            ticket = self.enter(connection, order, join=join)
        self.call(ticket)
        return ticket

    def enter(self, connection: Connection, order: Order, *, join: bool = True) -> Ticket:
        """Write a job down in a transaction, together with what it is about; then `call`."""
        return book.enter(connection, order, join=join)

    def call(self, ticket: Ticket) -> None:
        """Have a job run that is written down."""
        self._queue.put([ticket.id])

    def cancellable(self, kind: str) -> bool:
        """Whether jobs of a kind can be cancelled."""
        return kind in self._kinds and self._kinds[kind].cancellable

    def _run(self, task_id: int) -> None:
        run = self._book.claim(task_id)
        if run is None:
            return
        job = Job(self._store, run, self._queue.stopping, self._tell)
        self._running = job
        try:
            self._do(job, run)
        except JobLost:
            log.warning("job %d was taken over by another process", task_id)
        except JobEnded as ended:
            self._book.close(job, ended)
            if not isinstance(ended, JobCancelled):
                self._queue.put([task_id])
        except OperationalError:
            # It cannot be written down either; the lease runs out.
            log.exception("job %d lost the database", task_id)
        finally:
            self._running = None
        self._sweep()
        self._look()

    def _do(self, job: Job, run: Run) -> None:
        try:
            self._kinds[run.kind].work(run)(job)
        except (JobEnded, OperationalError):
            raise
        except Exception as error:
            log.exception("job %d failed", run.task_id)
            job.error(f"The job failed: {type(error).__name__}; see the server's log.")
        job.finish()

    def _tell(self, progress: Progress) -> None:
        for listener in self.listeners:
            try:
                listener(progress)
            except Exception:  # the job's work is done, whoever was to hear of it
                log.exception("the progress of job %d was not told", progress.id)

    def _keep(self) -> None:
        """Renew the lease of what runs, hear of its end, and find what nobody was told of."""
        renewed: tuple[Job | None, float] = (None, 0.0)
        looked = 0.0
        # Also while the process ends: the job is at work until its next safe point.
        while not self._stopped.wait(BEAT_SECONDS):
            job, now = self._running, time.monotonic()
            try:
                if job is not None:
                    if self._book.cancelled(job.run):
                        job.cancelled.set()
                    if renewed[0] is not job or now - renewed[1] > RENEW_SECONDS:
                        self._book.renew(job.run)
                        renewed = job, now
                elif now - looked > LOOK_SECONDS:
                    looked = now
                    self._look()
            except JobLost:
                if job is not None and job is self._running:
                    job.lost.set()
            except Exception as error:  # a database that is away now comes back
                log.warning("the jobs cannot be looked after: %r", error)

    def _look(self) -> None:
        """Ask for what may begin, unless something is asked for already."""
        if self._queue.idle():
            self._queue.put(self._book.ready())
