"""Assisted segmentation, where the server has a model for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request
from coir.client.local_file import Source, sent
from coir.client.reply import decoded
from coir.errors import InvalidRequest

__all__ = ["Models"]


class _Outlined(msgspec.Struct):
    segmentaiton: list[list[float]]  # the original's spelling, which coir's server repeats


class _Found(msgspec.Struct):
    disabled: bool
    coco: dict[str, Any]


class Models(Reach[Way]):
    """Assisted segmentation: ``server.models``; `InvalidRequest` where there is no model."""

    @call
    def dextr(
        self,
        image_id: int,
        points: Sequence[tuple[float, float]],
        *,
        padding: int = 50,
        threshold: int = 80,
    ) -> Operation[list[list[float]]]:
        """Outline what lies between four points of an image: ``POST /api/model/dextr/{id}``.

        The points are x, y in pixels, ``padding`` too; ``threshold`` is in percent. Gives
        polygons, each x, y, x, y, … in pixels.
        """
        body = {"points": [list(one) for one in points], "padding": padding, "threshold": threshold}
        request = Request("POST", f"/api/model/dextr/{image_id}", json=body)
        return decoded(request, (yield request), _Outlined).segmentaiton

    @call
    def maskrcnn(self, source: Source, *, name: str | None = None) -> Operation[dict[str, Any]]:
        """Find what is on a picture, as the model's COCO: ``POST /api/model/maskrcnn``.

        ``source`` is a file's path, or the content, which needs a name.
        """
        with sent(source, name) as file:
            request = Request("POST", "/api/model/maskrcnn", form={}, files={"image": file})
            found = decoded(request, (yield request), _Found)
        if found.disabled:
            raise InvalidRequest("The server has no model that finds things on pictures.")
        return found.coco
