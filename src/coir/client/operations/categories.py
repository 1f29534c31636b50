"""Categories: listing, making, changing and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coir.client import routes
from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request, given, query
from coir.client.reply import checked, decoded
from coir.model import CategoryInfo, CategoryPage

__all__ = ["Categories"]


class Categories(Reach[Way]):
    """The categories of the server: ``server.categories``."""

    @call
    def all(self) -> Operation[list[CategoryInfo]]:
        """List the categories that the user may see: ``GET /api/category/``."""
        return routes.categories()

    @call
    def page(self, *, page: int = 1, limit: int = 20) -> Operation[CategoryPage]:
        """List them, so many a page, counted from 1, with their numbers of annotations.

        ``GET /api/category/data``.
        """
        request = Request("GET", "/api/category/data", query(page=page, limit=limit))
        return decoded(request, (yield request), CategoryPage)

    @call
    def get(self, category_id: int) -> Operation[CategoryInfo]:
        """Give a category: ``GET /api/category/{id}``.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        request = Request("GET", f"/api/category/{category_id}")
        return decoded(request, (yield request), CategoryInfo)

    @call
    def create(
        self,
        name: str,
        *,
        supercategory: str | None = None,
        color: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        keypoint_labels: Sequence[str] | None = None,
        keypoint_edges: Sequence[tuple[int, int]] | None = None,
        keypoint_colors: Sequence[str] | None = None,
    ) -> Operation[CategoryInfo]:
        """Make a category: ``POST /api/category/``.

        Colours are ``#rrggbb``, by default one that the server chooses; edges are pairs of
        labels, counted from 1, and there are as many colours as labels.

        Raises:
            InvalidRequest: this user has one of this name, or a value is of the wrong kind.

        """
        body = given(
            name=name,
            supercategory=supercategory,
            color=color,
            metadata=metadata,
            keypoint_labels=keypoint_labels,
            keypoint_edges=keypoint_edges,
            keypoint_colors=keypoint_colors,
        )
        request = Request("POST", "/api/category/", json=body)
        return decoded(request, (yield request), CategoryInfo)

    @call
    def replace(
        self,
        category_id: int,
        name: str,
        *,
        supercategory: str | None = None,
        color: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        keypoint_labels: Sequence[str] | None = None,
        keypoint_edges: Sequence[tuple[int, int]] | None = None,
        keypoint_colors: Sequence[str] | None = None,
    ) -> Operation[None]:
        """Say anew what a category is, and erase what is not given: ``PUT /api/category/{id}``.

        The values are those of `create`.

        Raises:
            InvalidRequest: there is none that this user may see, or the name is taken.
            PermissionDenied: it is another's.

        """
        body = given(
            name=name,
            supercategory=supercategory,
            color=color,
            metadata=metadata,
            keypoint_labels=keypoint_labels,
            keypoint_edges=keypoint_edges,
            keypoint_colors=keypoint_colors,
        )
        request = Request("PUT", f"/api/category/{category_id}", json=body)
        checked(request, (yield request))

    @call
    def delete(self, category_id: int) -> Operation[None]:
        """Delete a category, to be undone with `Undo`: ``DELETE /api/category/{id}``.

        Raises:
            InvalidRequest: there is none that this user may see.
            PermissionDenied: it is another's.

        """
        request = Request("DELETE", f"/api/category/{category_id}")
        checked(request, (yield request))
