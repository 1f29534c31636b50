"""Windows of ids, and the requests that a plan makes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["WIDEST", "Ask", "Purpose", "Reply", "Window"]

# More ids than any dataset spans, and a number that every database takes.
WIDEST = 2**62


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The ids from ``start`` up to, and without, ``stop``."""

    start: int
    stop: int

    @property
    def width(self) -> int:
        """How many ids fit into it."""
        return self.stop - self.start

    def __contains__(self, image_id: int) -> bool:
        return self.start <= image_id < self.stop

    def cut(self, width: int) -> tuple[Window, Window | None]:
        """Give its first ``width`` ids, and the rest if there is one."""
        middle = self.start + max(1, width)
        if middle >= self.stop:
            return self, None
        return Window(self.start, middle), Window(middle, self.stop)

    def __str__(self) -> str:
        return f"[{self.start}, {self.stop})"


class Purpose(enum.Enum):
    """Why a request is made."""

    HIGHEST = "the largest id"
    LOWEST = "the smallest id"
    EMPTY = "whether filters are obeyed"
    ABOVE = "whether the largest id is the last"
    BELOW = "whether the smallest id is the first"
    READ = "the rows of a window"
    COUNT = "whether a window is full"
    PAGE = "a page of rows"
    SNAPSHOT = "the ids of one instant"
    CLOSE = "the count at the end"
    LOCATE = "the count of a part"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for rows of the dataset by id: page ``page`` of at most ``limit`` rows.

    ``window`` bounds the ids; ``attempt`` counts the times that it was asked in vain.
    """

    purpose: Purpose
    window: Window | None = None
    limit: int = 1
    page: int = 1
    attempt: int = 0

    @property
    def params(self) -> dict[str, str]:
        """The query of ``GET /api/dataset/{id}/data``, or of ``…/ids`` for a snapshot."""
        order = "-id" if self.purpose is Purpose.HIGHEST else "id"
        params = {"page": str(self.page), "limit": str(self.limit), "order": order}
        if self.purpose is Purpose.SNAPSHOT:
            params = {}  # all there is, and always by id
        if self.window is not None:
            params |= {"id__gte": str(self.window.start), "id__lt": str(self.window.stop)}
        return params

    @property
    def offset(self) -> int:
        """How many rows lie before its page."""
        return (self.page - 1) * self.limit

    def again(self) -> Ask:
        """Give the same request, for another attempt."""
        return replace(self, attempt=self.attempt + 1)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request: the count of its window, the ids and rows that came with it.

    ``seconds`` is the time it took; ``per_page`` how many rows the server gives at most, in
    its own words, where that is less than was asked for.
    """

    total: int
    ids: Sequence[int]
    rows: Sequence[Any] = ()
    seconds: float = 0.0
    per_page: int | None = None

    def limit(self, ask: Ask) -> int:
        """How many rows could come: what was asked for, or what the server gives."""
        given = self.per_page
        return given if given is not None and 0 < given < ask.limit else ask.limit
