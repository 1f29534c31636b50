"""No more requests a second than a person allowed."""

from __future__ import annotations

from coir.errors import InvalidRequest

__all__ = ["Throttle"]


class Throttle:
    """Hands out times to send at, evenly spaced; None means as fast as the plan wants."""

    def __init__(self, max_rps: float | None) -> None:
        if max_rps is not None and not max_rps > 0:
            raise InvalidRequest("The requests per second must be more than 0.")
        self._spacing = 1.0 / max_rps if max_rps else 0.0
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Give the seconds to wait before the next request, and take its place."""
        at = max(now, self._next)
        self._next = at + self._spacing
        return at - now
