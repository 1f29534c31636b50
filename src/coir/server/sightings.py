"""When users were last seen at their datasets, images, annotations and categories."""

from __future__ import annotations

import logging
import queue
import threading

from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError

from coir.server.store.engine import Store, now_ms
from coir.server.store.tables import users

log = logging.getLogger(__name__)

# The routes at which the original notes it.
PLACES = tuple(
    f"/api/{name}" for name in ("dataset", "image", "annotation", "annotator", "category", "export")
)
# How exactly it is known: each writing costs the disk a flush.
SEEN_MS = 60 * 1000
# How long a user's first request in this process waits for its note, so that what is asked next
# shows it. Not longer: a request that reads must not wait for whoever writes.
FIRST_SECONDS = 0.25


class Sightings:
    """Notes who was seen; a thread writes the notes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[int, int] = {}
        self._queue: queue.SimpleQueue[tuple[int, int, threading.Event] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="coir-sightings")

    def open(self) -> None:
        """Begin to write notes."""
        self._thread.start()

    def close(self) -> None:
        """Write what is noted, and end; a process that serves nobody has nothing to note."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def note(self, user_id: int, path: str) -> None:
        """Note that a user asked for this path, if it is one of those that count."""
        if not path.startswith(PLACES):
            return
        moment, last = now_ms(), self._noted.get(user_id)
        if last is not None and moment - last < SEEN_MS:
            return
        self._noted[user_id] = moment
        written = threading.Event()
        self._queue.put((user_id, moment, written))
        if last is None and self._thread.is_alive():
            written.wait(FIRST_SECONDS)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            user_id, moment, written = item
            last = users.c.last_seen  # another process may have written it meanwhile
            before = or_(last.is_(None), last <= moment - SEEN_MS)
            noted = update(users).where(users.c.id == user_id, before)
            try:
                with self._store.write() as connection:
                    connection.execute(noted.values(last_seen=moment))
            except SQLAlchemyError:
                log.warning("That user %d was seen was not noted.", user_id, exc_info=True)
            written.set()
