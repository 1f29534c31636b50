"""Annotations: listing, making, changing and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, given
from coir.client.reply import checked, decoded
from coir.model import Annotation

__all__ = ["Annotations"]

Polygons = Sequence[Sequence[float]]


class Annotations(Reach[Way]):
    """The annotations: ``server.annotations``."""

    @call
    def all(self) -> Operation[list[Annotation]]:
        """List every annotation that the user may see, of all datasets: ``GET /api/annotation/``.

        All in memory; without ``paper_object``. For those of one dataset there is
        ``dataset.coco()``.
        """
        request = Request("GET", "/api/annotation/")
        return decoded(request, (yield request), list[Annotation])

    @call
    def get(self, annotation_id: int) -> Operation[Annotation]:
        """Give an annotation: ``GET /api/annotation/{id}``.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        request = Request("GET", f"/api/annotation/{annotation_id}")
        return decoded(request, (yield request), Annotation)

    @call
    def create(
        self,
        image_id: int,
        category_id: int | None = None,
        *,
        segmentation: Polygons = (),
        keypoints: Sequence[float] = (),
        isbbox: bool = False,
        metadata: Mapping[str, Any] | None = None,
        color: str | None = None,
    ) -> Operation[Annotation]:
        """Make an annotation: ``POST /api/annotation/``.

        ``segmentation`` is a list of polygons, each x, y, x, y, … in pixels; ``keypoints`` are
        x, y, visibility (0 to 2) of each; ``color`` is ``#rrggbb``. The original leaves area
        and box at 0.

        Raises:
            InvalidRequest: there is no such image, or a value is of the wrong kind.

        """
        body = given(
            image_id=image_id,
            category_id=category_id,
            segmentation=[list(polygon) for polygon in segmentation],
            keypoints=list(keypoints),
            isbbox=isbbox,
            metadata=metadata,
            color=color,
        )
        request = Request("POST", "/api/annotation/", json=body)
        return decoded(request, (yield request), Annotation)

    @call
    def change(
        self,
        annotation_id: int,
        category_id: int | None,
        *,
        segmentation: Polygons | None = None,
        keypoints: Sequence[float] | None = None,
        isbbox: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
        color: str | None = None,
    ) -> Operation[Annotation]:
        """Change an annotation: ``PUT /api/annotation/{id}``.

        The category becomes what is given, and None takes it away; of the rest, None leaves
        things as they are. The original changes the category only.

        Raises:
            InvalidRequest: there is none that this user may see, or a value is of the wrong kind.

        """
        shape = None if segmentation is None else [list(polygon) for polygon in segmentation]
        points = None if keypoints is None else list(keypoints)
        body = given(
            category_id=category_id,
            segmentation=shape,
            keypoints=points,
            isbbox=isbbox,
            metadata=metadata,
            color=color,
        )
        request = Request("PUT", f"/api/annotation/{annotation_id}", json=body)
        return decoded(request, (yield request), Annotation)

    @call
    def delete(self, annotation_id: int) -> Operation[None]:
        """Delete an annotation, to be undone with `Undo`: ``DELETE /api/annotation/{id}``.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        request = Request("DELETE", f"/api/annotation/{annotation_id}")
        checked(request, (yield request))
