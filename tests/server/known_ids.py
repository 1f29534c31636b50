"""Makes generated requests name things that exist: loaded by schemathesis, which finds it by name.

Ids are drawn from all numbers, and the few that exist would never be among them.
"""

from __future__ import annotations

from typing import Any

import schemathesis

# One more than there are of each kind, so that some of them lead nowhere.
KNOWN = 7
IDS = ("id", "image_id", "category_id", "dataset_id", "annotation_id")
# Not of the administrator who asks: a new password would end their session.
NAME = "bob"


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Ids and names of the scene."""
    for name, value in (path_parameters or {}).items():
        if isinstance(value, int) and value >= 0:
            path_parameters[name] = value % KNOWN
        elif name == "username" and value:
            path_parameters[name] = NAME if len(value) % 2 else value
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Ids of the scene."""
    return _known(query)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Ids of the scene, also of the image that a page saves."""
    if isinstance(body, dict) and isinstance(image := body.get("image"), dict):
        image.setdefault("id", len(image))
    return _known(body)


def _known(values: Any) -> Any:
    if isinstance(values, dict):
        for name in IDS:
            if isinstance(values.get(name), int):
                values[name] %= KNOWN
    return values
