"""How long ago something was, in the words of the contract."""

from __future__ import annotations

from coir.server.store.engine import now_ms

PERIODS = (
    ("year", 365 * 24 * 3600),
    ("month", 30 * 24 * 3600),
    ("day", 24 * 3600),
    ("hour", 3600),
    ("minute", 60),
)


def ago(moment: int) -> str:
    """The largest whole unit since ``moment`` (milliseconds since 1970): ``3 seconds``."""
    number, unit = max(0, now_ms() - moment) // 1000, "second"
    for name, seconds in PERIODS:
        if number >= seconds:
            number, unit = number // seconds, name
            break
    return f"{number} {unit}{'' if number == 1 else 's'}"
