"""Which methods a path answers to, and which path only misses its last slash."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

METHODS = ("OPTIONS", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")


def allowed(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """The methods that the path answers to, in the recorded order.

    GET is always one: where there is nothing to read, the answer to it is that there is no page.
    """
    found = {method for method in METHODS if _answers(routes, scope, scope["path"], method)}
    return [method for method in METHODS if method in found | {"OPTIONS", "GET", "HEAD"}]


def misses_slash(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    """Whether the same path with a last slash is one that answers to the method."""
    methods = METHODS if scope["method"] == "OPTIONS" else (scope["method"],)
    return any(_answers(routes, scope, scope["path"] + "/", method) for method in methods)


def _answers(routes: Sequence[BaseRoute], scope: Scope, path: str, method: str) -> bool:
    asked = dict(scope, path=path, method=method)
    return any(route.matches(asked)[0] is Match.FULL for route in routes)
