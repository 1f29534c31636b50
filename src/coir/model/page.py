"""How the pages of the shorter lists are counted."""

from __future__ import annotations

import msgspec

__all__ = ["Pagination"]


class Pagination(msgspec.Struct, frozen=True):
    """Which part of a list of ``total`` was given; pages count from 1."""

    page: int
    pages: int
    total: int
    start: int = 0
    end: int = 0
    showing: int = 0
