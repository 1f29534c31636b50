"""Routes whose caller and parameters are found out in the thread of their endpoint.

Left to itself, each `def` among the dependencies has a thread of its own. On the way there and back
a request waits for its turn at the interpreter, which others have at the moment.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from fastapi import Request
from fastapi.params import Depends
from fastapi.routing import APIRoute

__all__ = ["OneThread"]

# A parameter of every endpoint here, as FastAPI sees it; those of this project call it so, too.
REQUEST = "request"


class OneThread(APIRoute):
    """A route that takes one thread, where the dependencies of its endpoint are plain functions.

    They are called one after the other, as the endpoint names them. Where one of them has to be
    waited for, as an upload has, all is as it is without this class.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, _alone(endpoint), **more)


@dataclass(frozen=True, slots=True)
class _Found:
    """How a value is found: by a function, of the request or what others find; or it is that."""

    of: Callable[..., Any]
    needs: tuple[tuple[str, _Found], ...] = ()

    def value(self, request: Request) -> Any:
        if self.of is Request:
            return request
        return self.of(**{name: one.value(request) for name, one in self.needs})


def _alone(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint as one that depends on nothing but the request and its path."""
    if inspect.iscoroutinefunction(endpoint):
        return endpoint
    kept = {REQUEST: _parameter(REQUEST, Request)}
    found: list[tuple[str, _Found]] = []
    for name, annotation in _parameters(endpoint):
        how = _found(annotation)
        if how is not None:
            found.append((name, how))
        elif _dependency(annotation) is None:
            kept[name] = _parameter(name, annotation)
        else:
            return endpoint
    if not any(how.needs for _, how in found):
        return endpoint

    @wraps(endpoint)
    def alone(**given: Any) -> Any:
        request = given.pop(REQUEST)
        return endpoint(**given, **{name: how.value(request) for name, how in found})

    alone.__signature__ = inspect.Signature(list(kept.values()))  # type: ignore[attr-defined]  # PEP 362
    return alone


def _found(annotation: Any) -> _Found | None:
    """How a parameter is found in a thread; None for a part of the path, or what is waited for."""
    if annotation is Request:
        return _Found(Request)
    dependency = _dependency(annotation)
    if not inspect.isfunction(dependency) or _is_waited_for(dependency):
        return None
    needs = [(name, _found(one)) for name, one in _parameters(dependency)]
    known = tuple((name, how) for name, how in needs if how is not None)
    return _Found(dependency, known) if len(known) == len(needs) else None


def _dependency(annotation: Any) -> Callable[..., Any] | None:
    """What finds a parameter; None where it is a part of the path, or the request."""
    for one in getattr(annotation, "__metadata__", ()):
        if isinstance(one, Depends):
            return one.dependency or annotation.__origin__  # a class is its own
    return None


def _is_waited_for(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _parameters(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    known = inspect.signature(function, eval_str=True).parameters
    return [(name, one.annotation) for name, one in known.items()]


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
