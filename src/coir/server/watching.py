"""Watching: a scan for each dataset whose files change while the server runs.

A burst of changes leads to one scan: it begins when a dataset has been quiet for a moment, or when
the changes have gone on for a while. Changes that a scan may have passed already lead to another
one when it has ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import false, func, select
from watchfiles import Change, watch

from coir.server import scanning
from coir.server.jobs.jobs import Jobs
from coir.server.pictures import has_picture_name
from coir.server.store.engine import Store
from coir.server.store.tables import datasets, tasks

log = logging.getLogger(__name__)

# A file that is copied is written to for as long as that takes; between two files less passes.
QUIET_SECONDS = 1.0
# A copy of a large folder goes on for minutes: what is there appears meanwhile.
PATIENCE_SECONDS = 30.0
# Between two looks at what waits, and at the end of the server.
TICK_MS = 250


@dataclass(slots=True)
class _Burst:
    """Changes in one dataset that no scan has begun for."""

    first: float
    last: float

    def is_due(self, now: float) -> bool:
        return now - self.last >= QUIET_SECONDS or now - self.first >= PATIENCE_SECONDS


class Watcher:
    """Starts scans; runs in a thread of its own from `open` to `close`."""

    def __init__(self, root: Path, store: Store, jobs: Jobs) -> None:
        self._root = root
        self._store = store
        self._jobs = jobs
        self._waiting: dict[str, _Burst] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="coir-watch")

    def open(self) -> None:
        """Begin. Each dataset is scanned once: nobody has watched until now."""
        now = time.monotonic()
        with self._store.read() as connection:
            asked = select(datasets.c.name).where(datasets.c.deleted == false())
            for name in connection.execute(asked).scalars():
                self._waiting[name] = _Burst(now, now)
        self._thread.start()

    def close(self) -> None:
        """End; what waits is found at the next start."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        changes = watch(
            self._root,
            watch_filter=self._matters,
            stop_event=self._stopping,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        try:
            for found in changes:
                self._note(path for _, path in found)
                self._begin()
        except Exception:
            # The usual reason is a limit of the system (fs.inotify.max_user_watches).
            log.exception("Watching has ended: changes are found by scans that are started by hand")

    def _matters(self, change: Change, path: str) -> bool:
        """Whether a scan could see it: nothing hidden, and of the files that are there pictures."""
        place = Path(path)
        try:
            below = place.relative_to(self._root).parts
        except ValueError:
            return False
        if not below or any(part.startswith(".") for part in below):
            return False
        return has_picture_name(place.name) or change == Change.deleted or place.is_dir()

    def _note(self, paths: Iterable[str]) -> None:
        now = time.monotonic()
        for path in paths:
            name = Path(path).relative_to(self._root).parts[0]
            self._waiting.setdefault(name, _Burst(now, now)).last = now

    def _begin(self) -> None:
        now = time.monotonic()
        for name in [name for name, burst in self._waiting.items() if burst.is_due(now)]:
            burst = self._waiting.pop(name)
            try:
                begun = self._scan(name)
            except Exception:  # a database that is away comes back
                log.exception("The scan of a changed dataset could not begin; it is tried again")
                begun = False
            if not begun:
                self._waiting[name] = _Burst(burst.first, now)

    def _scan(self, name: str) -> bool:
        """Start a scan; gives whether it sees all that has changed so far."""
        with self._store.read() as connection:
            asked = select(datasets).where(datasets.c.name == name, datasets.c.deleted == false())
            dataset = connection.execute(asked).first()
            newest = connection.execute(select(func.max(tasks.c.id))).scalar() or 0
        if dataset is None:  # no dataset has this folder, or not yet: making one is not scanning it
            return True
        ticket = self._jobs.begin(scanning.order(dataset, dataset.owner_id))
        # One that runs already may have passed the place.
        return ticket.id > newest
