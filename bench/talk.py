"""Words on stderr while the bench runs; the table alone is on stdout."""

from __future__ import annotations

import sys

__all__ = ["say"]

WIDTH = 78


def say(words: str, *, passing: bool = False) -> None:
    """Say what happens; ``passing`` words give way to the next, and need a terminal."""
    if passing and not sys.stderr.isatty():
        return
    start = "\r" if sys.stderr.isatty() else ""
    end = "" if passing else "\n"
    print(f"{start}{words[:WIDTH]:{WIDTH if start else 0}}", end=end, file=sys.stderr, flush=True)
