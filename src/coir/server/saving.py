"""What the annotation page sends when it saves: read, checked, and turned into changes.

Nothing here knows the database. What is absent from the page's message stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from coir.geometry import outline
from coir.paper import PaperError, rings
from coir.server.answers import invalid, unsuccessful
from coir.server.parameters import integer, mapping, optional_text
from coir.server.store.database import json_text

# A session is the time from opening an image to saving it; nobody sits longer than a week.
MAX_SESSION_MS = 7 * 24 * 3600 * 1000
# Of what the page may change as it is.
JSON_CHANGES = ("metadata", "keypoints")


@dataclass(frozen=True, slots=True)
class SavedAnnotation:
    """What the page says of one annotation."""

    id: int
    changes: dict[str, Any]
    sessions: list[dict[str, Any]]
    drawing: list[Any]  # the paper.js object; empty when the outline did not change

    def changed(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the changes that are none yet; ``stored`` has JSON as text."""
        return {
            name: value
            for name, value in self.changes.items()
            if stored[name] != (json_text(value) if name in JSON_CHANGES else value)
        }

    def shape(self, width: int, height: int, known: str) -> dict[str, Any]:
        """The columns that follow from the drawing; none without one, or of the one known.

        The page sends the drawings of all annotations with each save; of those that nobody has
        touched nothing needs to be computed.
        """
        if not self.drawing or json_text(self.drawing) == known:
            return {}
        try:
            made = outline(rings(self.drawing, width, height), width, height)
        except PaperError as error:
            message = f"The outline of annotation {self.id} cannot be read: {error}."
            raise unsuccessful(message) from None
        return {
            "segmentation": made.rings,
            "area": made.area,
            "bbox": list(made.box),
            "paper_object": self.drawing,
        }


@dataclass(frozen=True, slots=True)
class Saved:
    """What the page says of one image."""

    image_id: int
    metadata: dict[str, Any] | None
    preferences: dict[str, Any] | None
    categories: dict[int, dict[str, Any]] = field(default_factory=dict)
    annotations: list[SavedAnnotation] = field(default_factory=list)

    @classmethod
    def of(cls, body: dict[str, Any], username: str) -> Saved:
        """The message in a body, or a refusal that says what is wrong with it."""
        image = mapping(body, "image")
        image_id = integer(image or {}, "id")
        if image is None or image_id is None:
            raise invalid({"image": "Missing required parameter in the JSON body: image.id"})
        saved = cls(image_id, mapping(image, "metadata"), mapping(body, "user"))
        for category in _objects(body, "categories"):
            category_id = integer(category, "id")
            if category_id is not None:
                saved.categories[category_id] = category
            saved.annotations.extend(
                _annotation(one, username) for one in _objects(category, "annotations")
            )
        return saved


def _objects(given: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    value = given.get(name)
    if value is None:
        return iter(())
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return iter(value)
    raise invalid({name: f"{name} must be a list of objects"})


def _annotation(given: dict[str, Any], username: str) -> SavedAnnotation:
    annotation_id = integer(given, "id")
    if annotation_id is None:
        raise invalid({"annotations": "an annotation without an id; make it first"})
    changes: dict[str, Any] = {
        "metadata": mapping(given, "metadata"),
        "color": optional_text(given, "color"),
        "keypoints": _keypoints(given),
        "isbbox": None if given.get("isbbox") is None else bool(given["isbbox"]),
    }
    drawing = given.get("compoundPath") or []
    if not isinstance(drawing, list):
        raise invalid({"compoundPath": "compoundPath must be a paper.js object"})
    return SavedAnnotation(
        annotation_id,
        {name: value for name, value in changes.items() if value is not None},
        [_session(one, username) for one in _objects(given, "sessions")],
        drawing,
    )


def _keypoints(given: dict[str, Any]) -> list[Any] | None:
    """Triples of x, y and visibility."""
    value = given.get("keypoints")
    if value is None:
        return None
    right = isinstance(value, list) and len(value) % 3 == 0 and all(map(_is_number, value))
    if not right:
        raise invalid({"keypoints": "keypoints must be x, y and visibility of each, in one list"})
    return list(value)


def _session(given: dict[str, Any], username: str) -> dict[str, Any]:
    """A stretch of work, as it is kept in the events."""
    start, spent, tools = given.get("start"), given.get("milliseconds"), given.get("tools")
    if not (_is_number(start) and _is_number(spent) and 0 <= spent <= MAX_SESSION_MS):
        raise invalid({"sessions": "a session has a start and milliseconds, not below 0"})
    if tools is not None and not (
        isinstance(tools, list) and all(isinstance(tool, str) for tool in tools)
    ):
        raise invalid({"sessions": "the tools of a session are a list of texts"})
    return {
        "_cls": "SessionEvent",  # what the original calls the only kind there is
        "created_at": {"$date": int(start)},
        "user": username,
        "milliseconds": int(spent),
        "tools_used": tools or [],
    }


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53
