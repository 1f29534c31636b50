"""The OpenAPI 3.1 document: the routes and their descriptions, with what `operations` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from coir.server.operations import JSON, OPERATIONS, Operation
from coir.server.schemas import COMPONENTS, of
from coir.server.scopes import SCOPES, needed
from coir.server.sessions import COOKIE

ABOUT = """The API of COCO-Annotator, as coir serves it.

Sign in with `POST /api/user/login`, which sets the session cookie, or with HTTP Basic or an API
token (`Authorization: Bearer`) on any route. Each route says which tokens it takes; the others
are answered with 403. A path ends in a slash exactly where it does here. Dates are
`{"$date": milliseconds}`. What is not visible to the caller does not exist: the answer is the
same.
"""
FILTERS = {
    "name": "filters",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "Any field of an image with an operator, such as `id__gt=7`, "
    "`annotated=true` or `path__contains=x`; a field that does not exist is refused.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
ID = {"type": "integer", "minimum": 0}


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The document of an application's routes."""
    made = get_openapi(title="coir", version=version("coir"), description=ABOUT, routes=routes)
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            known = OPERATIONS.get((method.upper(), path), Operation())
            _complete(operation, method, path, known)
    made["components"] = {
        "schemas": dict(COMPONENTS),
        "securitySchemes": {
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            "basic": {"type": "http", "scheme": "basic"},
            "token": {"type": "http", "scheme": "bearer"},
        },
    }
    made["security"] = [{"session": []}, {"basic": []}, {"token": []}]
    return made


def _complete(operation: dict[str, Any], method: str, path: str, known: Operation) -> None:
    words = [word.strip("{}") for word in path.split("/")[2:] if word]
    operation["operationId"] = "_".join([method, *words]).replace(".", "_")
    operation["tags"] = [words[0]]
    operation["summary"] = operation["description"].partition("\n")[0]
    parameters = operation.pop("parameters", [])
    for parameter in parameters:
        if parameter["schema"]["type"] == "integer":
            parameter["schema"] = ID
    parameters += [
        {"name": name, "in": "query", "schema": schema} for name, schema in known.query.items()
    ]
    parameters += [FILTERS] if known.filters else []
    if parameters:
        operation["parameters"] = parameters
    if known.body:
        operation["requestBody"] = _body(known.body, known.body_type)
    statuses = set(known.statuses)
    if 401 in statuses:
        # The token's scope is too narrow; passwords were tried too often (HTTP Basic).
        statuses |= {403, 429}
        operation["description"] += f"\n\n{_about_tokens(method, path)}"
    else:
        operation["security"] = []
    answered: dict[str, Any] = {
        kind: {"schema": known.answer if kind == JSON else {}} for kind in known.answers
    }
    operation["responses"] = {"200": {"description": "What was asked for.", "content": answered}}
    refusal = {JSON: {"schema": of("Refusal")}}
    if known.body:
        statuses.add(413)
    html: dict[str, Any] = {"text/html": {"schema": {}}}
    if "{" in path:  # what stands there leads to no route, such as a negative number
        statuses.add(404 if method == "get" else 405)
    for status in sorted(statuses):
        operation["responses"][str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": refusal | (html if status in {404, 405} else {}),
        }


def _about_tokens(method: str, path: str) -> str:
    least = needed(method.upper(), path)
    if least is None:
        return "No API token is taken here."
    return f"API tokens: {' or '.join(SCOPES[SCOPES.index(least) :])}."


def _body(fields: Mapping[str, Any], kind: str) -> dict[str, Any]:
    required = [name.rstrip("*") for name in fields if name.endswith("*")]
    schema = {
        "type": "object",
        "properties": {name.rstrip("*"): value for name, value in fields.items()},
        "required": required,
    }
    return {"required": bool(required), "content": {kind: {"schema": schema}}}
