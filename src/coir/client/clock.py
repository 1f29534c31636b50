"""What a server's clock says, as far as its answers tell it: a second word on what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

__all__ = ["ServerClock"]


class ServerClock:
    """A server's clock, by the ``Date`` of its last answer; threads may share it.

    ``monotonic`` gives seconds, and is never set back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._heard: tuple[str, float] | None = None

    def hear(self, headers: Mapping[str, str]) -> None:
        """Take what an answer tells; one without a date tells nothing."""
        if date := headers.get("date"):
            self._heard = (date, self._monotonic())

    def now(self) -> float | None:
        """Give the seconds since 1970 by that clock, as it has gone on; None where unknown."""
        if self._heard is None:
            return None
        date, at = self._heard
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return None
        return told + self._monotonic() - at
