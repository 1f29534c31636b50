"""Lists in pages: the numbers that the contract's two kinds of pages show."""

from __future__ import annotations

import math

from coir.server.answers import invalid
from coir.server.parameters import integer

DEFAULT_LIMIT = 20


def page_count(total: int, limit: int) -> int:
    """The recorded number of pages: one too many when the limit divides the total.

    A negative limit gives a negative number, rounded towards zero (recorded: per_page=-2).
    """
    whole = total // abs(limit)
    return (whole if limit > 0 else -whole) + 1


def paginated(given: dict[str, str], total: int) -> tuple[dict[str, int], int, int]:
    """The recorded `pagination` of a list with `total` rows, its offset and its limit.

    A page below 1 is the first; beyond the last the original crashes.
    """
    page = integer(given, "page", 1) or 0
    limit = integer(given, "limit", DEFAULT_LIMIT) or 0
    if limit < 1:
        raise invalid({"limit": "a page has at least 1 row"})
    count = math.ceil(total / limit) if limit < total else 1
    current = max(page, 1)
    if current > count:
        raise invalid({"page": f"the last page is {count}"})
    start = (current - 1) * limit
    shown = {"start": start, "end": min(start + limit, total), "pages": count, "page": page}
    return shown | {"total": total}, start, limit
