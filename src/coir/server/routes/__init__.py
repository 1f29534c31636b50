"""The routes, one module for each first word behind /api/."""

import coir.server.paths  # noqa: F401 - registers the convertor `id` that the routes use
from coir.server.routes.admin import router as admin
from coir.server.routes.annotation import router as annotation
from coir.server.routes.annotator import router as annotator
from coir.server.routes.category import router as category
from coir.server.routes.changes import router as changes
from coir.server.routes.coco import router as coco
from coir.server.routes.dataset import router as dataset
from coir.server.routes.export import router as export
from coir.server.routes.health import router as health
from coir.server.routes.image import router as image
from coir.server.routes.info import router as info
from coir.server.routes.model import router as model
from coir.server.routes.openapi import router as openapi
from coir.server.routes.page import router as page
from coir.server.routes.task import router as task
from coir.server.routes.token import router as token
from coir.server.routes.undo import router as undo
from coir.server.routes.user import router as user
from coir.server.routes.whole import router as whole

ROUTERS = (
    health,
    info,
    openapi,
    undo,
    user,
    token,
    dataset,
    page,
    whole,
    changes,
    image,
    category,
    annotation,
    annotator,
    task,
    model,
    coco,
    export,
    admin,
)

__all__ = ["ROUTERS"]
