"""What the answers look like, as JSON Schema: the components of the OpenAPI document.

An object has the fields that are named and no others; one marked with ``?`` may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
ANYTHING: Schema = {}


def listed(items: Schema, about: str = "") -> Schema:
    """A list of equal things."""
    return _about({"type": "array", "items": items}, about)


def or_none(schema: Schema) -> Schema:
    """That, or null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def mapped(values: Schema, about: str = "") -> Schema:
    """An object with any names."""
    return _about({"type": "object", "additionalProperties": values}, about)


def record(fields: Mapping[str, Schema], about: str = "") -> Schema:
    """An object with these fields."""
    schema = {
        "type": "object",
        "properties": {name.rstrip("?"): one for name, one in fields.items()},
        "required": [name for name in fields if not name.endswith("?")],
        "additionalProperties": False,
    }
    return _about(schema, about)


def of(name: str) -> Schema:
    """The component of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _about(schema: Schema, about: str) -> Schema:
    return {**schema, "description": about} if about else schema


TEXTS = listed(TEXT)
INTEGERS = listed(INTEGER)
NUMBERS = listed(NUMBER)
PAIRS = listed(NUMBERS)
COUNTS = mapped(INTEGER, "By name.")
MOMENT = record({"$date": INTEGER}, "Milliseconds since 1970.")
SEGMENTATION: Schema = {"description": "Polygons: x, y, x, y, … of each; as COCO has it."}

USER = {
    "id": record({"$oid": TEXT}),
    "username": TEXT,
    "email?": TEXT,
    "name?": TEXT,
    "online": FLAG,
    "last_seen?": of("Moment"),
    "is_admin": FLAG,
    "preferences": OBJECT,
    "permissions": listed(ANYTHING),
    "new?": FLAG,
}
MEMBER = {name: schema for name, schema in USER.items() if name not in ("id", "preferences")}
ALLOWED = dict.fromkeys(("owner", "edit", "share", "generate", "delete", "download"), FLAG)
DATASET = {
    "id": INTEGER,
    "name": TEXT,
    "directory": TEXT,
    "categories": INTEGERS,
    "owner": TEXT,
    "users": TEXTS,
    "annotate_url": TEXT,
    "default_annotation_metadata": OBJECT,
    "deleted": FLAG,
}
CATEGORY = {
    "id": INTEGER,
    "name": TEXT,
    "supercategory": or_none(TEXT),
    "color?": or_none(TEXT),
    "metadata": OBJECT,
    "creator": TEXT,
    "deleted": FLAG,
    "keypoint_edges": listed(INTEGERS, "Pairs of keypoints, counted from 1."),
    "keypoint_labels": TEXTS,
    "keypoint_colors": listed(or_none(TEXT)),
}
ROW = {
    "id": INTEGER,
    "file_name": TEXT,
    "annotated": FLAG,
    "annotating": listed(TEXT, "Who has it open in the annotator."),
    "num_annotations": INTEGER,
    "path?": TEXT,
    "width?": or_none(INTEGER),
    "height?": or_none(INTEGER),
    "category_ids?": INTEGERS,
    "vanished?": FLAG,
}
IMAGE = {
    "id": INTEGER,
    "dataset_id": INTEGER,
    "category_ids": INTEGERS,
    "path": TEXT,
    "width": or_none(INTEGER),
    "height": or_none(INTEGER),
    "file_name": TEXT,
    "annotated": FLAG,
    "annotating": TEXTS,
    "num_annotations": INTEGER,
    "metadata": OBJECT,
    "deleted": FLAG,
    "milliseconds": INTEGER,
    "events": listed(ANYTHING),
    "regenerate_thumbnail": FLAG,
    "is_modified": FLAG,
}
ANNOTATION = {
    "id": INTEGER,
    "image_id": INTEGER,
    "category_id?": or_none(INTEGER),
    "dataset_id": INTEGER,
    "segmentation": SEGMENTATION,
    "area": NUMBER,
    "bbox": listed(NUMBER, "x, y, width, height."),
    "iscrowd": FLAG,
    "isbbox": FLAG,
    "creator": TEXT,
    "width": or_none(INTEGER),
    "height": or_none(INTEGER),
    "color": or_none(TEXT),
    "keypoints": listed(NUMBER, "x, y, visibility of each."),
    "metadata": OBJECT,
    "paper_object?": {"description": "What was drawn, as paper.js writes it."},
    "deleted": FLAG,
    "milliseconds": INTEGER,
    "events": listed(ANYTHING),
}
PAGINATION = dict.fromkeys(("start", "end", "pages", "page", "total", "showing"), INTEGER)
CHANGE = {
    "kind": {"enum": ["image", "annotation", "category"]},
    "id": INTEGER,
    "change": TEXT,
    "at": of("Moment"),
    "image_id?": INTEGER,
}
TOKEN = {
    "id": INTEGER,
    "name": TEXT,
    "scope": TEXT,
    "created": of("Moment"),
    "expires": of("Moment"),
    "last_used": or_none(of("Moment")),
}
STARTED = {"celery_id": TEXT, "id": INTEGER, "name": TEXT}
TASK = {
    "id": INTEGER,
    "group": TEXT,
    "name": TEXT,
    "completed": FLAG,
    "progress": NUMBER,
    "errors": INTEGER,
    "warnings": INTEGER,
}
EXPORT = {"id": INTEGER, "ago": TEXT, "tags": TEXTS}
DELETED = dict.fromkeys(("name", "instance", "ago", "date"), TEXT) | {"id": INTEGER}
COCO = {name: listed(OBJECT) for name in ("images", "categories", "annotations")}

COMPONENTS: Mapping[str, Schema] = {
    "Moment": MOMENT,
    "Done": record({"success": FLAG}),
    "User": record(USER),
    "Member": record(MEMBER),
    "Token": record(TOKEN),
    "Dataset": record(DATASET),
    "Category": record(CATEGORY),
    "Row": record(ROW, "An image of a page; the last five fields where they were asked for."),
    "Annotation": record(ANNOTATION),
    "Pagination": record(PAGINATION),
    "Permissions": record(ALLOWED),
    "Change": record(CHANGE),
    "Started": record(STARTED, "The job that was started."),
    "Task": record(TASK, "Progress is in percent."),
    "Coco": record(COCO, "https://cocodataset.org/#format-data"),
    "Refusal": {
        "type": "object",
        "properties": {
            "message": {"type": "string", "description": "What is wrong, for people."},
            "success": {"type": "boolean", "description": "False; on some routes only."},
            "errors": mapped(
                TEXT, "What is wrong with each parameter, by name; on some refusals only."
            ),
        },
    },
}

DONE = of("Done")
SIGNED_IN = record({"success": FLAG, "user": of("User")})
ME = record({"user": of("User")})
INFO = record(
    dict.fromkeys(("name", "author", "demo", "repo"), TEXT)
    | {"git": record({"tag": TEXT}), "login_enabled": FLAG, "total_users": INTEGER}
    | {"allow_registration": FLAG, "coir": record({"version": TEXT, "features": TEXTS})}
)
USERS = record(
    dict.fromkeys(("total", "pages", "page", "per_page"), INTEGER)
    | {"users": listed(record({name: one for name, one in USER.items() if name != "preferences"}))}
)
TOKENS = record({"tokens": listed(of("Token"))})
MADE_TOKEN = record({"success": FLAG, "token": TEXT, **TOKEN}, "`token` is shown this once.")
DATASETS = listed(of("Dataset"))
SUMMARY = DATASET | {
    "numberImages": INTEGER,
    "numberAnnotated": INTEGER,
    "permissions": of("Permissions"),
    "first_image_id?": INTEGER,
}
DATASET_PAGE = record(
    {
        "pagination": of("Pagination"),
        "folder": TEXT,
        "datasets": listed(record(SUMMARY)),
        "categories": listed(of("Category")),
    }
)
STATISTICS = record(
    {
        "total": mapped(NUMBER),
        "average": mapped(NUMBER),
        "categories": COUNTS,
        "images_per_category": COUNTS,
        "users": mapped(record({"annotations": INTEGER, "images": INTEGER}), "By name."),
    }
)
PAGE = record(
    {
        "total": INTEGER,
        "per_page": INTEGER,
        "pages": INTEGER,
        "page": or_none(INTEGER),
        "images": listed(of("Row")),
        "next_cursor?": or_none(TEXT),
        "folder": TEXT,
        "directory": TEXT,
        "dataset": of("Dataset"),
        "categories": listed(record({"id": INTEGER, "name": TEXT})),
        "subdirectories": TEXTS,
        "time_ms": INTEGER,
    }
)
QUERY = mapped(TEXT, "What was asked.")
IDS = record({"total": INTEGER, "query": QUERY, "ids": INTEGERS})
ROWS = record({"total": INTEGER, "query": QUERY, "images": listed(of("Row"))})
CHANGES = record({"changes": listed(of("Change")), "query": QUERY, "cursor": TEXT, "more": FLAG})
EXPORTS = listed(record(EXPORT))
ONE_EXPORT = record(
    EXPORT
    | {"dataset_id": INTEGER, "path": TEXT, "categories": INTEGERS, "created_at": of("Moment")}
)
IMAGE_PAGE = record(
    dict.fromkeys(("total", "pages", "page", "per_page"), INTEGER)
    | {
        "fields": or_none(TEXT),
        "images": listed(
            record({name if name == "id" else f"{name}?": one for name, one in IMAGE.items()})
        ),
    }
)
NUMBER_OF_COPIES = record({"annotations_created": INTEGER})
CATEGORIES = listed(of("Category"))
CATEGORY_PAGE = record(
    {
        "pagination": of("Pagination"),
        "page": INTEGER,
        "categories": listed(record(CATEGORY | {"numberAnnotations": INTEGER})),
    }
)
CHANGED_CATEGORY = {"anyOf": [DONE, record({"message": TEXT}, "There was nothing to change.")]}
ANNOTATOR = record(
    {
        "image": record(IMAGE | {"previous": or_none(INTEGER), "next": or_none(INTEGER)}),
        "categories": listed(
            record(
                CATEGORY
                | {"show": FLAG, "visualize": FLAG, "annotations": listed(of("Annotation"))}
            )
        ),
        "dataset": of("Dataset"),
        "preferences": OBJECT,
        "permissions": record(
            {"dataset": of("Permissions"), "image": record({"delete": FLAG, "download": FLAG})}
        ),
        "time_ms": INTEGER,
    }
)
SAVED = record({"success": FLAG, "time_ms": INTEGER})
TASKS = listed(of("Task"))
LOGS = record({"logs": TEXTS})
OUTLINED = record(dict.fromkeys(("segmentation", "segmentaiton"), SEGMENTATION))
FOUND = record({"disabled": FLAG, "coco": OBJECT})
UNDO_LIST = listed(record(DELETED))
TEST_JOB = record({"id": TEXT, "state": TEXT})
STATUS = record({"status": TEXT})
