"""Assisted segmentation: models that other packages provide as entry points.

The group is `coir.models`; each entry point is a function, loaded at its first use.

- `dextr`: ``(picture, points, padding, threshold)`` gives polygons, each a flat list x, y, x, y…
  in pixels. The picture is a `PIL.Image.Image`, the points are four pairs of numbers on the
  outline, padding is in pixels, the threshold in percent.
- `maskrcnn`: ``(picture)`` gives a COCO object with `images`, `categories` and `annotations`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

log = logging.getLogger(__name__)

GROUP = "coir.models"

Model = Callable[..., Any]


@cache
def provided(name: str) -> Model | None:
    """The model of this name, or None when no package provides it or it cannot be loaded."""
    for entry in entry_points(group=GROUP, name=name):
        try:
            model: Model = entry.load()
        except Exception:
            # A package of somebody else: whatever breaks in it, the server goes on without it.
            log.exception("the model %s of %s cannot be loaded", name, entry.value)
        else:
            return model
    return None
