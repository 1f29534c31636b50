"""No more requests a second than a person allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from coir.errors import InvalidRequest

__all__ = ["Throttle"]


class Throttle:
    """Hands out times to send at, evenly spaced; None means at once. Threads may share it.

    ``clock`` gives seconds, and is never set back.
    """

    def __init__(
        self, max_rps: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if max_rps is not None and not max_rps > 0:
            raise InvalidRequest("The requests per second must be more than 0.")
        self._spacing = 1.0 / max_rps if max_rps else 0.0
        self._clock = clock
        self._next = 0.0
        self._turn = Lock()

    def delay(self) -> float:
        """Give the seconds to wait before the next request, and take its place."""
        with self._turn:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._spacing
        return at - now
