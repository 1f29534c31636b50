"""What the annotation page loads and saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, given
from coir.client.reply import checked, decoded
from coir.model import AnnotatorData

__all__ = ["Annotator"]


class Annotator(Reach[Way]):
    """What the annotation page loads and saves: ``server.annotator``."""

    @call
    def load(self, image_id: int) -> Operation[AnnotatorData]:
        """Give an image with the categories of its dataset and its annotations.

        ``GET /api/annotator/data/{id}``; also what the user may do, and the neighbouring images.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        request = Request("GET", f"/api/annotator/data/{image_id}")
        return decoded(request, (yield request), AnnotatorData)

    @call
    def save(
        self,
        image_id: int,
        categories: Sequence[Mapping[str, Any]],
        *,
        dataset_id: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        preferences: Mapping[str, Any] | None = None,
    ) -> Operation[None]:
        """Save what was drawn in an image: ``POST /api/annotator/data``.

        Each category is a mapping with its ``id`` and ``annotations``, each of which has its
        ``id`` and what changed of it, as the page sends it: ``compoundPath`` is its outline as
        paper.js writes it, in pixels from the middle of the image. An annotation has to be
        made first. ``metadata`` is the image's. The original asks for ``dataset_id`` as well,
        and erases what is left out.

        Raises:
            InvalidRequest: there is no such image, or something cannot be read; coir's server
                has saved nothing then.

        """
        drawn = [one["id"] for one in categories if one.get("annotations")]
        image = {"id": image_id, "category_ids": drawn} | given(metadata=metadata)
        body: dict[str, Any] = {
            "mode": "segment",
            "image": image,
            "categories": [dict(one) for one in categories],
            "user": dict(preferences or {}),
        }
        if dataset_id is not None:
            body["dataset"] = {"id": dataset_id}
        request = Request("POST", "/api/annotator/data", json=body)
        checked(request, (yield request))
