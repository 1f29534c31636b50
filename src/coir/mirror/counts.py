"""What a sync did, as numbers."""

from __future__ import annotations

import msgspec

__all__ = ["Counts"]


class Counts(msgspec.Struct):
    """How many of each kind a sync added, changed and removed, and what it looked at.

    ``images_looked_into`` counts images whose annotations were fetched; ``files_fetched`` those
    whose file was, ``files_kept`` those whose file was asked after and had not changed;
    ``bytes_fetched`` are the files'.
    """

    images_added: int = 0
    images_changed: int = 0
    images_removed: int = 0
    images_unchanged: int = 0
    images_looked_into: int = 0
    images_failed: int = 0
    annotations_added: int = 0
    annotations_changed: int = 0
    annotations_removed: int = 0
    categories_added: int = 0
    categories_changed: int = 0
    categories_removed: int = 0
    files_fetched: int = 0
    files_kept: int = 0
    files_failed: int = 0
    bytes_fetched: int = 0
    requests: int = 0
