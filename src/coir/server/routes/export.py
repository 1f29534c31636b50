"""Finished exports: what they are, their files, and removing them."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request, Response
from sqlalchemy import delete
from starlette.responses import FileResponse

from coir.server.access import SignedIn, downloaded_export
from coir.server.ago import ago
from coir.server.answers import answer, refused
from coir.server.folders import OutsideError
from coir.server.one_thread import OneThread
from coir.server.routes.image import attachment, cache_headers
from coir.server.state import state_of
from coir.server.store.tables import exports

router = APIRouter(prefix="/api/export", route_class=OneThread)

GONE = "The file of this export is not there any more; export again."
MAX_NAME = 150  # of the names of categories in a file's name: file systems take 255 bytes


@router.get("/{export_id:id}")
def get(request: Request, export_id: int, caller: SignedIn) -> Response:
    """One export."""
    with state_of(request).store.read() as connection:
        row = downloaded_export(connection, caller, export_id)
    return answer(
        {
            "id": row.id,
            "dataset_id": row.dataset_id,
            "path": row.path,
            "tags": row.tags,
            "categories": [],
            "created_at": {"$date": row.created_at},
            "ago": ago(row.created_at),
        }
    )


@router.get("/{export_id:id}/download")
def download(request: Request, export_id: int, caller: SignedIn) -> Response:
    """The COCO file."""
    state = state_of(request)
    with state.store.read() as connection:
        row = downloaded_export(connection, caller, export_id)
    try:
        file = state.folders.file(row.path)
        found = file.stat()
    except (OutsideError, OSError):
        raise refused(GONE) from None
    name = f"{row.dataset_name}-{'-'.join(row.tags)}"[:MAX_NAME].replace("/", "-")
    headers = cache_headers() | {"Content-Disposition": attachment(f"{name}.json")}
    return FileResponse(file, media_type="application/json", headers=headers, stat_result=found)


@router.delete("/{export_id:id}")
def remove(request: Request, export_id: int, caller: SignedIn) -> Response:
    """Remove an export and its file."""
    state = state_of(request)
    with state.store.write() as connection:
        row = downloaded_export(connection, caller, export_id)
        connection.execute(delete(exports).where(exports.c.id == export_id))
    with suppress(OutsideError, FileNotFoundError):  # the folder was removed by hand
        state.folders.remove(row.path)
    return answer({"success": True})
