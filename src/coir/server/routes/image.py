"""Images: listing, uploading, downloading and deleting them."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection, Row, and_, false, func, insert, select, update
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse

from coir.server import copying
from coir.server.access import (
    SignedIn,
    managed_dataset,
    managed_image,
    visible_dataset,
    visible_dataset_ids,
    visible_image,
)
from coir.server.answers import Refusal, answer, invalid, refused, unsuccessful
from coir.server.contents import ONE, Contents
from coir.server.folders import OutsideError, logical_directory, segments
from coir.server.live.presence import annotating
from coir.server.one_thread import OneThread
from coir.server.pagination import page_count
from coir.server.parameters import (
    ANYWHERE,
    Body,
    integer,
    integers,
    parsed_integer,
    query,
    truth,
)
from coir.server.pictures import THUMBNAIL, PictureError, has_picture_name, measure
from coir.server.sample import sampled
from coir.server.state import ServerState, state_of
from coir.server.storage import Incoming
from coir.server.store.engine import now_ms
from coir.server.store.tables import images

router = APIRouter(prefix="/api/image", route_class=OneThread)

DEFAULT_PER_PAGE = 50
MAX_DEPTH = 32  # of folders in an uploaded file's name; a path must stay below the system's limit
VANISHED = (
    "The file of an image with this name has vanished, and this is another one: delete the image, "
    "or choose another name."
)
CACHE_SECONDS = 43_200  # recorded
DATASET = "Id of dataset to insert image into"
TAKEN = "file already exists"
# The fields that the list shows, in the recorded order; the constant ones have no column.
CONSTANTS: dict[str, Any] = {"annotating": [], "is_modified": False}
FIELDS = (
    "id",
    "dataset_id",
    "category_ids",
    "path",
    "width",
    "height",
    "file_name",
    "annotated",
    "annotating",
    "num_annotations",
    "metadata",
    "deleted",
    "milliseconds",
    "events",
    "regenerate_thumbnail",
    "is_modified",
)
# Fields of the original that it shows for no image either; and other names of the id.
UNSET = {
    *("_id", "pk", "thumbnail_url", "image_url", "coco_url", "date_captured", "license"),
    "deleted_date",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent, and the parameters beside it."""

    file: UploadFile | None
    given: dict[str, str]


async def upload_of(request: Request) -> AsyncIterator[Upload]:
    """The upload in the body; its temporary file is closed at the end of the request."""
    async with request.form(max_files=1, max_fields=20) as form:
        file = form.get("image")
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        yield Upload(file if isinstance(file, UploadFile) else None, query(request) | texts)


@router.get("/")
def listed(request: Request, caller: SignedIn) -> Response:
    """A page of all images that the caller may see, by id."""
    given = query(request)
    page = parsed_integer("page", given.get("page", "1"))
    per_page = parsed_integer("per_page", given.get("per_page", str(DEFAULT_PER_PAGE)))
    if page < 1:
        raise invalid({"page": "pages count from 1"})
    if per_page == 0:
        raise invalid({"per_page": "a page of 0 images has no number; ask for 1 or more"})
    names = _fields(given.get("fields"))
    columns = [images.c.id, *(images.c[name] for name in names if name not in (*CONSTANTS, "id"))]
    with state_of(request).store.read() as connection:
        visible = and_(
            images.c.deleted == false(), images.c.dataset_id.in_(visible_dataset_ids(caller))
        )
        total = connection.execute(
            select(func.count()).select_from(images).where(visible)
        ).scalar_one()
        offset = min((page - 1) * abs(per_page), total)
        asked = select(*columns).where(visible).order_by(images.c.id)
        rows = connection.execute(asked.limit(abs(per_page)).offset(offset)).mappings().all()
        marks = annotating(connection) if "annotating" in names else {}
    shown = []
    for row in rows:
        values = CONSTANTS | dict(row) | {"annotating": marks.get(row["id"], [])}
        shown.append({name: values[name] for name in names})
    return answer(
        {
            "total": total,
            "pages": page_count(total, per_page),
            "page": page - 1,
            "fields": given.get("fields"),
            "per_page": per_page,
            "images": shown,
        }
    )


@router.post("/")
def upload(
    request: Request, caller: SignedIn, sent: Annotated[Upload, Depends(upload_of)]
) -> Response:
    """Register an uploaded picture in a dataset; answers its id. No file is ever replaced."""
    state = state_of(request)
    if sent.file is None:
        missing = "PNG or JPG file Missing required parameter in an uploaded file"
        raise invalid({"image": missing})
    dataset_id = integer(dict(sent.given), "dataset_id")
    if dataset_id is None:
        raise invalid({"dataset_id": f"{DATASET} Missing required parameter in {ANYWHERE}"})
    with state.store.read() as connection:
        dataset = visible_dataset(connection, caller, dataset_id, "dataset does not exist")
    relative = _relative(sent.file.filename or "")
    try:
        size = measure(sent.file.file, state.settings.max_pixels)
        incoming = state.folders.reserve(dataset.name, relative)
    except PictureError as error:
        raise refused(str(error)) from None
    except (OutsideError, OSError):
        raise refused("The file cannot be stored in this folder; choose another.") from None
    sent.file.file.seek(0, os.SEEK_END)
    values = {
        "file_sample": sampled(sent.file.file, sent.file.file.tell()),
        "dataset_id": dataset.id,
        "path": logical_directory(dataset.name) + "/".join(relative),
        "file_name": relative[-1],
        "width": size.width,
        "height": size.height,
        "created_at": now_ms(),
    }
    try:
        sent.file.file.seek(0)
        incoming.write(sent.file.file)
        stamp = incoming.stamp()
        values |= {"file_size": stamp.size, "file_mtime_ns": stamp.modified_ns}
        return answer(_register(state, incoming, values))
    finally:
        incoming.discard()


@router.get("/{image_id:id}")
def picture(request: Request, image_id: int, caller: SignedIn) -> Response:
    """The picture as a JPEG that fits into width and height, or the stored bytes."""
    state, given = state_of(request), query(request)
    with state.store.read() as connection:
        row = visible_image(connection, caller, image_id)
    if row is None:
        raise Refusal(400, {"success": False})
    box = (integer(given, "width", 0) or 0, integer(given, "height", 0) or 0)
    if min(box) < 0:
        raise invalid({"width": "width and height cannot be negative"})
    if truth(given, "thumbnail"):
        box = (min(box[0] or THUMBNAIL[0], THUMBNAIL[0]), min(box[1] or THUMBNAIL[1], THUMBNAIL[1]))
    headers = cache_headers()
    if truth(given, "asAttachment"):
        headers["Content-Disposition"] = attachment(row.file_name)
    try:
        file = state.folders.file(row.path)
        if truth(given, "original"):
            return _original(request, file, headers, state.settings.max_pixels)
        content = state.renditions.rendition(row.path, file, box, state.settings.max_pixels)
    except PictureError as error:
        raise unsuccessful(f"{error} original=true gives the stored bytes.") from None
    except (OutsideError, OSError):
        raise unsuccessful("The file of this image is not there any more.") from None
    return Response(content, media_type="image/jpeg", headers=headers)


@router.get("/{image_id:id}/coco")
def coco(request: Request, image_id: int, caller: SignedIn) -> Response:
    """The image, its annotations and their categories as COCO."""
    with state_of(request).store.read() as connection:
        row = visible_image(connection, caller, image_id)
        if row is None:
            raise refused("Invalid image ID")
        forbidden = "You do not have permission to download the image's annotations"
        dataset = managed_dataset(connection, caller, row.dataset_id, "Invalid image ID", forbidden)
        text = b"".join(
            Contents(connection, dataset, ONE, with_empty_images=True, image_id=image_id).pieces()
        )
    return Response(text, media_type="application/json")


@router.post("/copy/{from_id:id}/{to_id:id}/annotations")
def copy(request: Request, from_id: int, to_id: int, caller: SignedIn, body: Body) -> Response:
    """Copy annotations to another image of the same size; `category_ids` says which."""
    wanted = integers(body, "category_ids")
    with state_of(request).store.write() as connection:
        source = visible_image(connection, caller, from_id)
        target = visible_image(connection, caller, to_id)
        if source is None or target is None:
            raise unsuccessful("Invalid image ids")
        if source.id == target.id:
            raise unsuccessful("Cannot copy self")
        if (source.width, source.height) != (target.width, target.height):
            raise unsuccessful("Image sizes do not match")
        number = copying.copy(connection, caller, source, target, wanted)
    return answer({"annotations_created": number})


@router.delete("/{image_id:id}")
def remove(request: Request, image_id: int, caller: SignedIn) -> Response:
    """Soft delete: the image leaves every list; its file and its annotations stay."""
    with state_of(request).store.write() as connection:
        managed_image(connection, caller, image_id)
        gone = {"deleted": True, "deleted_date": now_ms()}
        connection.execute(update(images).where(images.c.id == image_id).values(**gone))
    return answer({"success": True})


def _fields(asked: str | None) -> list[str]:
    """The fields to show; the id is always one of them."""
    if not asked:
        return list(FIELDS)
    names = {name.strip() for name in asked.split(",")}
    if unknown := names - set(FIELDS) - UNSET:
        shown = ", ".join(sorted(unknown))
        raise invalid({"fields": f"images have no field {shown}; there are {', '.join(FIELDS)}"})
    return [name for name in FIELDS if name == "id" or name in names]


def _relative(filename: str) -> list[str]:
    """The place in the dataset that a file's name asks for; nothing hidden, nothing outside."""
    try:
        relative = segments(filename)
    except OutsideError as error:
        raise refused(str(error)) from None
    if not relative or any(segment.startswith(".") for segment in relative):
        raise refused("A file's name cannot be empty, nor it or a folder begin with a dot.")
    if len(relative) > MAX_DEPTH:
        raise refused(f"A file lies at most {MAX_DEPTH} folders deep.")
    if not has_picture_name(relative[-1]):
        raise refused("The name must end in .jpg, .jpeg, .png, .gif, .bmp, .tif or .tiff.")
    return relative


def _register(state: ServerState, incoming: Incoming, values: dict[str, Any]) -> int:
    """Row and file appear together: a scan that sees the file waits for the row."""
    try:
        with state.store.write() as connection:
            image_id = _inserted(connection, values)
            incoming.keep()
    except FileExistsError:
        raise refused(TAKEN) from None
    except BaseException:
        incoming.undo()  # the row was not committed
        raise
    return image_id


def _inserted(connection: Connection, values: dict[str, Any]) -> int:
    asked = select(images).where(
        images.c.dataset_id == values["dataset_id"], images.c.path == values["path"]
    )
    present = connection.execute(asked).first()
    if present is not None:
        return _back(connection, present, values)
    made = insert(images).values(**values).returning(images.c.id)
    image_id: int = connection.execute(made).scalar_one()
    return image_id


def _back(connection: Connection, present: Row[Any], values: dict[str, Any]) -> int:
    """The image whose file vanished, and is sent again; whatever else has the name stays."""
    if not present.vanished or present.deleted:
        raise refused(TAKEN)
    if present.file_sample != values["file_sample"]:
        raise refused(VANISHED)
    kept = {name: values[name] for name in ("file_size", "file_mtime_ns")}
    connection.execute(
        update(images).where(images.c.id == present.id).values(**kept, vanished=False)
    )
    return int(present.id)


def _original(request: Request, file: Path, headers: dict[str, str], max_pixels: int) -> Response:
    media_type = measure(file, max_pixels).media_type
    response = FileResponse(file, media_type=media_type, headers=headers, stat_result=file.stat())
    if request.headers.get("if-none-match") == response.headers["etag"]:
        kept = ("cache-control", "etag", "expires", "last-modified")
        return Response(status_code=304, headers={name: response.headers[name] for name in kept})
    return response


def cache_headers() -> dict[str, str]:
    """The recorded headers for what may be kept for half a day."""
    # Private, where the original says public: a cache between the server and several users must
    # not give one's picture to another.
    expires = datetime.now(UTC) + timedelta(seconds=CACHE_SECONDS)
    return {
        "Cache-Control": f"private, max-age={CACHE_SECONDS}",
        "Expires": format_datetime(expires, usegmt=True),
    }


def attachment(file_name: str) -> str:
    """The header that names a file to be saved."""
    quoted = quote(file_name)
    if quoted == file_name:
        return f"attachment; filename={file_name}"
    return f"attachment; filename*=utf-8''{quoted}"
