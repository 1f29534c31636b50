"""Assisted segmentation, where a package provides a model for it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from coir.server import models
from coir.server.access import SignedIn, visible_image
from coir.server.answers import Refusal, answer, invalid, refused
from coir.server.folders import OutsideError
from coir.server.one_thread import OneThread
from coir.server.parameters import Body, integer
from coir.server.pictures import PictureError, decoded
from coir.server.routes.image import Upload, upload_of
from coir.server.state import state_of

router = APIRouter(prefix="/api/model", route_class=OneThread)

# The original's.
PADDING, THRESHOLD = 50, 80


@router.post("/dextr/{image_id:id}")
def dextr(request: Request, image_id: int, caller: SignedIn, body: Body) -> Response:
    """The outline of what lies between four points of an image."""
    model = models.provided("dextr")
    if model is None:
        raise Refusal(400, {"disabled": True, "message": "DEXTR is disabled"})
    points = _points(body)
    padding, threshold = integer(body, "padding", PADDING), integer(body, "threshold", THRESHOLD)
    state = state_of(request)
    with state.store.read() as connection:
        row = visible_image(connection, caller, image_id)
    if row is None:
        raise refused("Invalid image id")
    try:
        picture = decoded(state.folders.file(row.path), state.settings.max_pixels)
    except PictureError as error:
        raise refused(str(error)) from None
    except (OutsideError, OSError):
        raise refused("The file of this image is not there any more.") from None
    found = model(picture, points, padding, threshold)
    # The original's pages read the misspelt name.
    return answer({"segmentation": found, "segmentaiton": found})


@router.post("/maskrcnn")
def maskrcnn(
    request: Request,
    caller: SignedIn,  # noqa: ARG001 - must be signed in
    sent: Annotated[Upload, Depends(upload_of)],
) -> Response:
    """What is on an uploaded picture, as COCO."""
    model = models.provided("maskrcnn")
    if model is None:
        return answer({"disabled": True, "coco": {}})
    if sent.file is None:
        raise invalid({"image": "Missing required parameter in an uploaded file"})
    try:
        picture = decoded(sent.file.file, state_of(request).settings.max_pixels)
    except PictureError as error:
        raise refused(str(error)) from None
    return answer({"disabled": False, "coco": model(picture)})


def _points(body: dict[str, Any]) -> list[list[float]]:
    points = body.get("points")
    right = (
        isinstance(points, list)
        and len(points) == 4
        and all(
            isinstance(point, list)
            and len(point) == 2
            and all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in point)
            for point in points
        )
    )
    if not right:
        raise invalid({"points": "points must be four pairs of numbers"})
    return list(points or [])
