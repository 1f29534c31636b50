"""What a sync did, for those who asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coir.mirror.counts import Counts
from coir.scan import Certificate

__all__ = ["SyncReport", "Watch", "count_words", "size_words"]

# Is called while something is done: with the phase, how much of it is done, and of how much.
Watch = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did, or with ``dry_run`` would do.

    ``sync`` is its number, ``mode`` how it looked at the server: full, quick or feed;
    ``certificate`` is that of the listing, where there was one; ``due`` counts the images whose
    annotations or files could not be fetched yet. ``unseen`` is of how many of the original's
    annotations it is not known yet whether they are of this dataset.
    """

    sync: int
    mode: str
    counts: Counts
    certificate: Certificate | None
    seconds: float
    dry_run: bool = False
    due: int = 0
    unseen: int = 0

    def line(self) -> str:
        """Give it in one line, for a log."""
        return f"sync {self.sync} ({self.mode}): {count_words(self.counts)}; {self.seconds:.1f} s"

    def words(self) -> str:
        """Give it in words, for a person."""
        counts = self.counts
        images = (
            f"images: {counts.images_added:,} added, {counts.images_changed:,} changed, "
            f"{counts.images_removed:,} removed, {counts.images_unchanged:,} unchanged"
        )
        lines = [images]
        if self.dry_run:
            lines[0] = f"would be done: {images}"
            return "\n".join(lines)
        if counts.images_looked_into:
            lines.append(
                f"annotations: {counts.annotations_added:,} added, "
                f"{counts.annotations_changed:,} changed, {counts.annotations_removed:,} removed; "
                f"of {counts.images_looked_into:,} images"
            )
        if self.unseen:
            lines.append(
                f"annotations that programs may have posted: {self.unseen:,} are not looked at "
                "yet; the next syncs go on, --annotations full looks into all images now"
            )
        if counts.files_fetched or counts.files_kept or counts.files_failed:
            failed = f", {counts.files_failed:,} failed" if counts.files_failed else ""
            lines.append(
                f"files: {counts.files_fetched:,} fetched ({size_words(counts.bytes_fetched)}), "
                f"{counts.files_kept:,} unchanged{failed}"
            )
        lines.append(
            f"sync {self.sync} ({self.mode}): {counts.requests:,} requests, {self.seconds:.1f} s"
        )
        return "\n".join(lines)


def count_words(counts: Counts) -> str:
    """Give what was added, changed and removed, in one line."""
    images = (counts.images_added, counts.images_changed, counts.images_removed)
    annotations = (
        counts.annotations_added,
        counts.annotations_changed,
        counts.annotations_removed,
    )
    parts = [
        f"{what} +{added:,} *{changed:,} -{removed:,}"
        for what, (added, changed, removed) in (("images", images), ("annotations", annotations))
    ]
    if counts.files_fetched:
        parts.append(f"{counts.files_fetched:,} files ({size_words(counts.bytes_fetched)})")
    return ", ".join(parts)


def size_words(number: int) -> str:
    """Give a number of bytes in words, for a person."""
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1_000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit in ("bytes", "kB") else f"{size:,.1f} {unit}"
        size /= 1_000
    raise AssertionError
