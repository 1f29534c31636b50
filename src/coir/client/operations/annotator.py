"""What the annotation page loads and saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, given
from coir.client.reply import checked, decoded
from coir.errors import InvalidRequest
from coir.model import AnnotatorData

__all__ = ["Annotator"]

# What the original erases where a page leaves it out.
CATEGORY = ("color", "keypoint_edges", "keypoint_labels", "keypoint_colors")
ANNOTATION = ("isbbox", "color", "keypoints", "metadata")


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
        metadata: Mapping[str, Any] | None = None,
        preferences: Mapping[str, Any] | None = None,
    ) -> Operation[None]:
        """Save what was drawn in an image: ``POST /api/annotator/data``.

        Each category is a mapping with its ``id`` and its ``annotations``, each of which has its
        ``id`` and what changed of it, as the page sends it: ``compoundPath`` is its outline as
        paper.js writes it, in pixels from the middle of the image. An annotation has to be
        made first. ``metadata`` is the image's, ``preferences`` the user's. What is not given
        stays: it is loaded first, since the original erases what is left out.

        Raises:
            InvalidRequest: there is no such image, category or annotation in it, or something
                cannot be read; coir's server has saved nothing then.

        """
        loaded = yield from Annotator.load.operation(self, image_id)
        whole = [_whole(loaded, one) for one in categories]
        named = {one["id"] for one in whole if one["annotations"]}
        there = {one.id for one in loaded.categories if one.annotations}
        body = {
            "mode": "segment",
            "user": loaded.preferences if preferences is None else preferences,
            "dataset": {"id": loaded.dataset.id},
            "image": {
                "id": image_id,
                "metadata": loaded.image.metadata if metadata is None else metadata,
                "category_ids": sorted(named | there),
            },
            "categories": whole,
        }
        request = Request("POST", "/api/annotator/data", json=body)
        checked(request, (yield request))


def _whole(loaded: AnnotatorData, category: Mapping[str, Any]) -> dict[str, Any]:
    """Give a category with what was not given of it, and of its annotations."""
    stored = next((one for one in loaded.categories if one.id == category.get("id")), None)
    if stored is None:
        raise InvalidRequest(f"The dataset of this image has no category {category.get('id')}.")
    known = {one.id: one for one in stored.annotations}
    annotations = []
    for one in category.get("annotations", ()):
        if one.get("id") not in known:
            raise InvalidRequest(f"This image has no annotation {one.get('id')} of this category.")
        annotations.append(_kept(known[one["id"]], ANNOTATION) | dict(one))
    return _kept(stored, CATEGORY) | dict(category) | {"annotations": annotations}


def _kept(stored: Any, names: Sequence[str]) -> dict[str, Any]:
    return given(**{name: getattr(stored, name) for name in names})
