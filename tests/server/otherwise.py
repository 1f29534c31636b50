"""What differs in the answers that succeed, and that docs/differences.md lists as different.

As `comparison.differences` tells it: anything else that differs is a fault. The scene has fewer
annotations than the recorded one, and none with an outline but those that were recorded.
"""

from __future__ import annotations

NUMBERED = ("category_ids: 1 elements, recorded 0", "annotated: True, recorded False")

OTHERWISE: dict[str, list[str]] = {
    "info/info.empty_db": ["body.coir: new"],
    "info/cors_simple_origin": ["body.coir: new"],
    "annotation/list": [
        "body[2].area: 900, recorded 0",
        *(f"body[2].bbox[{n}]: {value}, recorded 0" for n, value in enumerate((10, 10, 30, 30))),
    ],
    "image/list": [f"body.images[{n}].annotated: True, recorded False" for n in range(3)],
    "dataset.data.filter/category_ids single": [
        "body.total: 42, recorded 0",
        "body.pages: 15, recorded 1",
        "body.images: 3 elements, recorded 0",
    ],
    "dataset.data.folder/folder='//'": [
        "body.folder: '', recorded '/'",
        "body.directory: '/datasets/d1/', recorded '/'",
        "body.subdirectories: 3 elements, recorded 23",
    ],
    "dataset.misc/stats": [
        "body.total.Annotations: 83, recorded 91",
        "body.average.Annotation Area (px): 0, recorded 850.5494505494505",
        "body.average.Time (ms) per Annotation: 0, recorded 1134.065934065934",
        "body.categories.cat: 42, recorded 48",
        "body.categories.person: 0, recorded 1",
        "body.images_per_category.cat: 42, recorded 46",
        "body.images_per_category.person: 0, recorded 1",
        "body.users.admin.annotations: 83, recorded 91",
        "body.users.admin.images: 61, recorded 67",
    ],
    "export/download": [
        *(
            f"body.images[{n}].{one}"
            for n in range(3)
            for one in (*NUMBERED, "num_annotations: 1, recorded 0")
        ),
        "body.annotations: 0 elements, recorded 89",
    ],
    "tasks/logs_Exporting d1 into CO": ["body.logs: 7 elements, recorded 71"],
    "tasks/list_bob": ["body: 4 elements, recorded 5"],
    "admin/user_get": ["body.password: not there"],
    "admin/user_patch": ["body.password: not there"],
    "undo/list.bob": ["body: 1 elements, recorded 2"],
    "session/other_user_agent": ["a cookie is set or not"],
}
