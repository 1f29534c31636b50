"""Hands what this process announces to the others: from a thread of its own, in order."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from itertools import count, islice
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from coir.server.live.board import Board

log = logging.getLogger(__name__)

# What was written stays for once to twice as long: readers look four times a second.
KEPT_SECONDS = 30.0
# Of one process, written or waiting, in the time above: the board must not fill a disk. Drawn
# outlines take some kilobytes.
MOST_BYTES = 64 * 1024 * 1024
# In one transaction: the other processes wait for it.
BATCH = 100
# After a failure; and for how long what is announced waits for a database that is away. Later it
# would be news of yesterday to whoever has come back.
FAILED_SECONDS = 1.0
LATE_SECONDS = 10.0
CLOSE_SECONDS = 5.0


class Told(NamedTuple):
    """A text that waits: since when, by the process's own clock, and its number."""

    since: float
    number: int
    text: str


class Sending:
    """What waits to be written to the board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._changed = threading.Condition()
        self._waiting: deque[Told] = deque()
        self._numbers = count(1)
        self._bytes = 0  # that wait, or were written since the board was pruned
        self._lost = 0
        self._is_open = False
        self._thread = threading.Thread(target=self._run, name="coir-live", daemon=True)

    def open(self) -> None:
        """Begin to send."""
        self._is_open = True
        self._thread.start()

    def close(self) -> None:
        """Send what waits, if that can be done soon, and let go of the board."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        self._board.close()

    def put(self, text: str) -> None:
        """Send a text, in its turn; never waits for the database."""
        with self._changed:
            if not self._is_open:
                return
            if self._bytes + len(text) > MOST_BYTES:
                self._lost += 1
                return
            self._bytes += len(text)
            self._waiting.append(Told(time.monotonic(), next(self._numbers), text))
            self._changed.notify()

    def _run(self) -> None:
        pruned = time.monotonic()
        while True:
            batch, is_open = self._next(pruned + KEPT_SECONDS)
            try:
                if batch:
                    self._board.write([(one.number, one.text) for one in batch])
                    self._written(len(batch))
                elif not is_open:
                    return
                if time.monotonic() >= pruned + KEPT_SECONDS:
                    self._board.prune()
                    self._forget()
                    pruned = time.monotonic()
            except SQLAlchemyError:
                log.warning("Other processes cannot be told of events.", exc_info=True)
                if not is_open:
                    return
                time.sleep(FAILED_SECONDS)

    def _next(self, until: float) -> tuple[list[Told], bool]:
        """The next texts, without those that come too late; none when it is time for more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or not self._is_open, max(0.0, until - time.monotonic())
            )
            while self._waiting and self._waiting[0].since < time.monotonic() - LATE_SECONDS:
                self._bytes -= len(self._waiting.popleft().text)
                self._lost += 1
            return list(islice(self._waiting, BATCH)), self._is_open

    def _written(self, number: int) -> None:
        with self._changed:
            for _ in range(number):
                self._waiting.popleft()

    def _forget(self) -> None:
        """Begin a new account."""
        with self._changed:
            self._bytes = sum(len(one.text) for one in self._waiting)
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("%d events were not told to other processes: too much, or too late.", lost)
