"""The whole lists: every image id, or every image, of one instant in a single answer."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from coir.server import snapshot
from coir.server.access import SignedIn
from coir.server.live.presence import annotating
from coir.server.one_thread import OneThread
from coir.server.routes.page import asked_fields
from coir.server.selection import Selection
from coir.server.snapshot import Asked
from coir.server.store.listing import Texts

router = APIRouter(prefix="/api/dataset", route_class=OneThread)

# What `/data` takes beside the folder, the fields and the filters.
PAGING = ("page", "limit", "order", "cursor")


@router.get("/{dataset_id:id}/ids")
def ids(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """``{"total": N, "query": {…}, "ids": […]}``: all that match, ascending, of one instant.

    The query is repeated, so that a client sees when a proxy dropped a part of it.
    """
    asked = Asked.of(request, (*PAGING, "fields"))
    return snapshot.answered(request, caller, dataset_id, asked, "ids", lambda *_: Texts.of_ids())


@router.get("/{dataset_id:id}/rows")
def rows(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """``{"total": N, "query": {…}, "images": […]}``: the images of `/data`, all of one instant.

    By ascending id, a line each; `fields` as on `/data`. The query is repeated, so that a client
    sees when a proxy dropped a part of it.
    """
    asked = Asked.of(request, PAGING)
    fields = asked_fields(asked.given.get("fields", ""))

    def how(connection: Connection, selected: Selection) -> Texts:
        marks = annotating(connection, dataset_id=selected.dataset.id)
        return Texts.of_images(fields, marks)

    return snapshot.answered(request, caller, dataset_id, asked, "images", how)
