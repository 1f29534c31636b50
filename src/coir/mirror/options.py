"""How a sync is to be done."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from coir.errors import InvalidRequest
from coir.mirror.plan import Limits

__all__ = ["AnnotationsMode", "Options", "box", "checked_images"]

AnnotationsMode: TypeAlias = Literal["auto", "full", "none"]
SIZE = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")


@dataclass(frozen=True, slots=True)
class Options:
    """How a sync is to be done.

    Args:
        images: which files to keep: ``original``, ``none``, or ``WIDTHxHEIGHT`` in pixels, into
            which pictures are made to fit; None leaves it as it was, at first ``original``.
        annotations: of which images to fetch annotations: ``auto`` of those that may have changed,
            ``full`` of all, ``none`` of none.
        quick: look for new and deleted images only.
        recheck: how much of the mirror is looked into again, as a fraction of its images; None
            for as much as takes an eighth of the listing's time.
        limits: what may be done without being asked again.
        concurrency: requests under way at the same time, at most.
        max_rps: requests a second, at most; None leaves it to the response times.
        moved: the server of the mirror is the same one at another address.

    """

    images: str | None = None
    annotations: AnnotationsMode = "auto"
    quick: bool = False
    recheck: float | None = None
    limits: Limits = field(default_factory=Limits)
    concurrency: int = 4
    max_rps: float | None = None
    moved: bool = False

    def __post_init__(self) -> None:
        if self.images is not None:
            checked_images(self.images)
        if self.annotations not in ("auto", "full", "none"):
            raise InvalidRequest("The annotations are 'auto', 'full' or 'none'.")
        if self.concurrency < 1:
            raise InvalidRequest("The concurrency must be at least 1.")
        if self.recheck is not None and not 0 <= self.recheck <= 1:
            raise InvalidRequest("What is looked into again is a part, from 0 to 1.")


def checked_images(images: str) -> str:
    """Give what says which files to keep.

    Raises:
        InvalidRequest: it says nothing.

    """
    if images in ("original", "none") or SIZE.fullmatch(images):
        return images
    raise InvalidRequest(
        f"'{images}' does not say which files to keep.",
        hint="Use original, none, or a size in pixels such as 640x480.",
    )


def box(images: str) -> dict[str, int]:
    """Give the width and height into which pictures are made to fit; nothing for others."""
    width, sign, height = images.partition("x")
    return {"width": int(width), "height": int(height)} if sign else {}
