"""Small changes that no answer waits for: when somebody was seen, when a token was used.

A thread writes them: a request that reads must not wait for whoever writes.
"""

from __future__ import annotations

import logging
import queue
import threading

from sqlalchemy import Update
from sqlalchemy.exc import SQLAlchemyError

from coir.server.store.engine import Store

log = logging.getLogger(__name__)


class Notes:
    """Writes them, in the order in which they come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[tuple[Update, str, threading.Event] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="coir-notes")

    def open(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is there, and end; a process that serves nobody has nothing to note."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def add(self, change: Update, about: str) -> threading.Event:
        """Have a change written, and tell when; ``about`` says what it is, where it cannot be."""
        written = threading.Event()
        self._queue.put((change, about, written))
        return written

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            change, about, written = item
            try:
                with self._store.write() as connection:
                    connection.execute(change)
            except SQLAlchemyError:
                log.warning("%s was not noted.", about, exc_info=True)
            written.set()
