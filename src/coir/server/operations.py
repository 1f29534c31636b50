"""What each route takes and answers beside its path, for the OpenAPI document.

The routes read their parameters themselves, because the contract's rules are its own (a parameter
may stand in the body, the form or the query; any other one of `/data` is a filter).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coir.server import schemas
from coir.server.schemas import (
    DONE,
    FLAG,
    INTEGER,
    INTEGERS,
    NUMBERS,
    OBJECT,
    PAIRS,
    TEXT,
    TEXTS,
    Schema,
    listed,
    of,
)
from coir.server.scopes import SCOPES
from coir.server.tokens import MAX_DAYS

FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}

JSON = "application/json"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Operation:
    """What a route takes and answers.

    Query parameters, body fields (required ones are marked by a star), statuses beside 200, and
    the answer itself where that is JSON; ``answers`` are its kinds.
    """

    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_type: str = JSON
    statuses: tuple[int, ...] = (401,)
    answer: Schema = field(default_factory=lambda: DONE)
    answers: tuple[str, ...] = (JSON,)
    filters: bool = False


SEEN = (400, 401)
MANAGED = (400, 401, 403)
PAGES = {"page": INTEGER, "limit": INTEGER}
CREDENTIALS = {"username*": TEXT, "password*": TEXT}
PERSON = {"name": TEXT, "email": TEXT}
CATEGORY = {
    "name*": TEXT,
    "supercategory": TEXT,
    "color": TEXT,
    "metadata": OBJECT,
    "keypoint_labels": TEXTS,
    "keypoint_edges": {"type": "array", "items": INTEGERS},
    "keypoint_colors": TEXTS,
}
SHAPE = {
    "category_id": INTEGER,
    "segmentation": PAIRS,
    "keypoints": NUMBERS,
    "isbbox": FLAG,
    "metadata": OBJECT,
    "color": TEXT,
}
KIND: Schema = {"enum": ["annotation", "image", "category", "dataset"]}
TARGET: Mapping[str, Schema] = {"id": INTEGER, "instance": KIND}

IMPORT = Operation(
    body={"coco*": FILE, "dry_run": FLAG},
    body_type=MULTIPART,
    statuses=(*SEEN, 413),
    answer=of("Started"),
)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/api/info/"): Operation(statuses=(), answer=schemas.INFO),
    ("GET", "/api/info/long_task"): Operation(statuses=(401, 403), answer=schemas.TEST_JOB),
    ("GET", "/api/openapi.json"): Operation(statuses=(), answer=OBJECT),
    ("GET", "/api/health"): Operation(statuses=(), answer=schemas.STATUS),
    ("GET", "/api/ready"): Operation(statuses=(503,), answer=schemas.STATUS),
    ("POST", "/api/user/register"): Operation(
        body=CREDENTIALS | PERSON, statuses=(400, 403), answer=schemas.SIGNED_IN
    ),
    ("POST", "/api/user/login"): Operation(
        body=CREDENTIALS, statuses=(400, 429), answer=schemas.SIGNED_IN
    ),
    ("GET", "/api/user/"): Operation(answer=schemas.ME),
    ("GET", "/api/user/logout"): Operation(statuses=(401, 403)),
    ("POST", "/api/user/password"): Operation(
        body={"password*": TEXT, "new_password*": TEXT}, statuses=(400, 401, 429)
    ),
    ("GET", "/api/user/tokens"): Operation(answer=schemas.TOKENS),
    ("POST", "/api/user/tokens"): Operation(
        body={
            "name*": TEXT,
            "scope*": {"enum": list(SCOPES)},
            "days": {"type": "integer", "minimum": 1, "maximum": MAX_DAYS},
        },
        statuses=SEEN,
        answer=schemas.MADE_TOKEN,
    ),
    ("DELETE", "/api/user/tokens/{token_id}"): Operation(statuses=SEEN),
    ("GET", "/api/dataset/"): Operation(answer=schemas.DATASETS),
    ("POST", "/api/dataset/"): Operation(
        body={"name*": TEXT, "categories": TEXTS}, statuses=SEEN, answer=of("Dataset")
    ),
    ("GET", "/api/dataset/data"): Operation(
        PAGES | {"folder": TEXT}, statuses=SEEN, answer=schemas.DATASET_PAGE
    ),
    ("POST", "/api/dataset/{dataset_id}"): Operation(
        body={"categories": TEXTS, "default_annotation_metadata": OBJECT}, statuses=SEEN
    ),
    ("DELETE", "/api/dataset/{dataset_id}"): Operation(statuses=MANAGED),
    ("GET", "/api/dataset/{dataset_id}/scan"): Operation(
        {"thumbnails": TEXT}, statuses=MANAGED, answer=of("Started")
    ),
    ("POST", "/api/dataset/{dataset_id}/share"): Operation(body={"users": TEXTS}, statuses=MANAGED),
    ("GET", "/api/dataset/{dataset_id}/users"): Operation(
        statuses=SEEN, answer=listed(of("Member"))
    ),
    ("GET", "/api/dataset/{dataset_id}/stats"): Operation(statuses=SEEN, answer=schemas.STATISTICS),
    ("GET", "/api/dataset/{dataset_id}/reset/metadata"): Operation(statuses=MANAGED),
    ("POST", "/api/dataset/{dataset_id}/generate"): Operation(statuses=(*MANAGED, 410)),
    ("GET", "/api/dataset/{dataset_id}/data"): Operation(
        PAGES | {"folder": TEXT, "order": TEXT, "fields": TEXT, "cursor": TEXT},
        statuses=(400, 401, 404),
        filters=True,
        answer=schemas.PAGE,
    ),
    ("GET", "/api/dataset/{dataset_id}/ids"): Operation(
        {"folder": TEXT}, statuses=(400, 401, 404, 503), filters=True, answer=schemas.IDS
    ),
    ("GET", "/api/dataset/{dataset_id}/rows"): Operation(
        {"folder": TEXT, "fields": TEXT},
        statuses=(400, 401, 404, 503),
        filters=True,
        answer=schemas.ROWS,
    ),
    ("GET", "/api/dataset/{dataset_id}/changes"): Operation(
        {"since": TEXT, "limit": INTEGER, "wait": INTEGER},
        statuses=(400, 401, 404, 410),
        answer=schemas.CHANGES,
    ),
    ("GET", "/api/dataset/{dataset_id}/coco"): Operation(
        statuses=(*MANAGED, 503), answer=of("Coco")
    ),
    ("POST", "/api/dataset/{dataset_id}/coco"): IMPORT,
    ("POST", "/api/dataset/{dataset_id}/export"): IMPORT,
    ("GET", "/api/dataset/{dataset_id}/export"): Operation(
        {"categories": TEXT, "with_empty_images": FLAG}, statuses=MANAGED, answer=of("Started")
    ),
    ("GET", "/api/dataset/{dataset_id}/exports"): Operation(
        statuses=MANAGED, answer=schemas.EXPORTS
    ),
    ("GET", "/api/export/{export_id}"): Operation(statuses=MANAGED, answer=schemas.ONE_EXPORT),
    ("GET", "/api/export/{export_id}/download"): Operation(statuses=MANAGED, answer=of("Coco")),
    ("DELETE", "/api/export/{export_id}"): Operation(statuses=MANAGED),
    ("GET", "/api/image/"): Operation(
        {"page": INTEGER, "per_page": INTEGER, "fields": TEXT},
        statuses=SEEN,
        answer=schemas.IMAGE_PAGE,
    ),
    ("POST", "/api/image/"): Operation(
        body={"image*": FILE, "dataset_id*": INTEGER},
        body_type=MULTIPART,
        statuses=(*SEEN, 413),
        answer=INTEGER,
    ),
    ("GET", "/api/image/{image_id}"): Operation(
        {
            "width": INTEGER,
            "height": INTEGER,
            "thumbnail": TEXT,
            "original": TEXT,
            "asAttachment": TEXT,
        },
        statuses=SEEN,
        answers=("image/jpeg", "image/*"),
    ),
    ("DELETE", "/api/image/{image_id}"): Operation(statuses=MANAGED),
    ("GET", "/api/image/{image_id}/coco"): Operation(statuses=MANAGED, answer=of("Coco")),
    ("POST", "/api/image/copy/{from_id}/{to_id}/annotations"): Operation(
        body={"category_ids": INTEGERS}, statuses=SEEN, answer=schemas.NUMBER_OF_COPIES
    ),
    ("GET", "/api/category/"): Operation(answer=schemas.CATEGORIES),
    ("POST", "/api/category/"): Operation(body=CATEGORY, statuses=SEEN, answer=of("Category")),
    ("GET", "/api/category/data"): Operation(PAGES, statuses=SEEN, answer=schemas.CATEGORY_PAGE),
    ("GET", "/api/category/{category_id}"): Operation(statuses=SEEN, answer=of("Category")),
    ("PUT", "/api/category/{category_id}"): Operation(
        body=CATEGORY, statuses=MANAGED, answer=schemas.CHANGED_CATEGORY
    ),
    ("DELETE", "/api/category/{category_id}"): Operation(statuses=MANAGED),
    ("GET", "/api/annotation/"): Operation(statuses=(401, 503), answer=listed(of("Annotation"))),
    ("POST", "/api/annotation/"): Operation(
        body={"image_id*": INTEGER} | SHAPE, statuses=SEEN, answer=of("Annotation")
    ),
    ("GET", "/api/annotation/{annotation_id}"): Operation(statuses=SEEN, answer=of("Annotation")),
    ("PUT", "/api/annotation/{annotation_id}"): Operation(
        body=SHAPE, statuses=SEEN, answer=of("Annotation")
    ),
    ("DELETE", "/api/annotation/{annotation_id}"): Operation(statuses=SEEN),
    ("GET", "/api/annotator/data/{image_id}"): Operation(statuses=SEEN, answer=schemas.ANNOTATOR),
    ("POST", "/api/annotator/data"): Operation(
        body={
            "image*": OBJECT,
            "categories": {"type": "array", "items": OBJECT},
            "user": OBJECT,
        },
        statuses=SEEN,
        answer=schemas.SAVED,
    ),
    ("GET", "/api/tasks/"): Operation(answer=schemas.TASKS),
    ("GET", "/api/tasks/{task_id}/logs"): Operation(statuses=SEEN, answer=schemas.LOGS),
    ("DELETE", "/api/tasks/{task_id}"): Operation(statuses=SEEN),
    ("POST", "/api/tasks/{task_id}/cancel"): Operation(statuses=SEEN),
    ("POST", "/api/model/dextr/{image_id}"): Operation(
        body={"points*": PAIRS, "padding": INTEGER, "threshold": INTEGER},
        statuses=SEEN,
        answer=schemas.OUTLINED,
    ),
    ("POST", "/api/model/maskrcnn"): Operation(
        body={"image": FILE}, body_type=MULTIPART, statuses=(*SEEN, 413), answer=schemas.FOUND
    ),
    ("GET", "/api/undo/list/"): Operation(
        {"type": TEXT, "limit": INTEGER}, statuses=SEEN, answer=schemas.UNDO_LIST
    ),
    ("POST", "/api/undo/"): Operation(TARGET, TARGET, statuses=SEEN),
    ("DELETE", "/api/undo/"): Operation(TARGET, statuses=SEEN),
    ("GET", "/api/admin/users"): Operation(PAGES, statuses=SEEN, answer=schemas.USERS),
    ("POST", "/api/admin/user/"): Operation(
        body=CREDENTIALS | PERSON | {"is_admin": FLAG}, statuses=SEEN, answer=schemas.SIGNED_IN
    ),
    ("GET", "/api/admin/user/{username}"): Operation(statuses=SEEN, answer=of("User")),
    ("PATCH", "/api/admin/user/{username}"): Operation(
        body=PERSON | {"password": TEXT, "is_admin": FLAG}, statuses=SEEN, answer=of("User")
    ),
    ("DELETE", "/api/admin/user/{username}"): Operation(statuses=SEEN),
}
