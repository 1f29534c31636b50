"""What the scopes of an API token allow, route by route. A route that is not here takes no token.

`read` sees what its user sees. `annotate` works on datasets as well, as far as that can be
undone. `admin` does all that its user may do, but for what would outlive it: passwords and tokens
of one's own, making administrators and setting their passwords. Who revokes a token that leaked
must know that this ends it.
"""

from __future__ import annotations

# Each includes those before it.
SCOPES = ("read", "annotate", "admin")

READ = """
GET /api/user/
GET /api/dataset/
GET /api/dataset/data
GET /api/dataset/{dataset_id}/users
GET /api/dataset/{dataset_id}/stats
GET /api/dataset/{dataset_id}/data
GET /api/dataset/{dataset_id}/ids
GET /api/dataset/{dataset_id}/rows
GET /api/dataset/{dataset_id}/changes
GET /api/dataset/{dataset_id}/coco
GET /api/dataset/{dataset_id}/exports
GET /api/export/{export_id}
GET /api/export/{export_id}/download
GET /api/image/
GET /api/image/{image_id}
GET /api/image/{image_id}/coco
GET /api/category/
GET /api/category/data
GET /api/category/{category_id}
GET /api/annotation/
GET /api/annotation/{annotation_id}
GET /api/annotator/data/{image_id}
GET /api/tasks/
GET /api/tasks/{task_id}/logs
GET /api/undo/list/
"""

ANNOTATE = """
GET /api/info/long_task
POST /api/dataset/
POST /api/dataset/{dataset_id}
POST /api/dataset/{dataset_id}/generate
GET /api/dataset/{dataset_id}/scan
POST /api/dataset/{dataset_id}/coco
POST /api/dataset/{dataset_id}/export
GET /api/dataset/{dataset_id}/export
POST /api/image/
DELETE /api/image/{image_id}
POST /api/image/copy/{from_id}/{to_id}/annotations
POST /api/category/
PUT /api/category/{category_id}
DELETE /api/category/{category_id}
POST /api/annotation/
PUT /api/annotation/{annotation_id}
DELETE /api/annotation/{annotation_id}
POST /api/annotator/data
DELETE /api/tasks/{task_id}
POST /api/tasks/{task_id}/cancel
POST /api/model/dextr/{image_id}
POST /api/model/maskrcnn
POST /api/undo/
"""

ADMIN = """
DELETE /api/dataset/{dataset_id}
POST /api/dataset/{dataset_id}/share
GET /api/dataset/{dataset_id}/reset/metadata
DELETE /api/export/{export_id}
DELETE /api/undo/
GET /api/admin/users
POST /api/admin/user/
GET /api/admin/user/{username}
PATCH /api/admin/user/{username}
DELETE /api/admin/user/{username}
"""

NEEDED = {
    tuple(line.split(" ", 1)): scope
    for scope, routes in zip(SCOPES, (READ, ANNOTATE, ADMIN), strict=True)
    for line in routes.split("\n")
    if line
}


def needed(method: str, path: str) -> str | None:
    """The least scope with which a token may ask for a route; None for a route without one."""
    return NEEDED.get((method, path))


def includes(scope: str, other: str) -> bool:
    """Whether a token of one scope may do what the other allows."""
    return SCOPES.index(scope) >= SCOPES.index(other)
