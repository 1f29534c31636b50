"""The OpenAPI document as a judge of answers."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import httpx2 as httpx
import jsonschema_rs

from .running import Running


class Description:
    """What the document of a server says of the answers with status 200."""

    def __init__(self, server: Running) -> None:
        self.document: dict[str, Any] = server.client().get("/api/openapi.json").json()
        self._validators: dict[tuple[str, str], jsonschema_rs.Validator] = {}

    def errors(self, answer: httpx.Response) -> list[str]:
        """What an answer with status 200 has that is not described, or lacks."""
        method, path = answer.request.method, answer.request.url.path
        route = self._route(method, path)
        if route is None:  # what the document leaves out, such as itself under its old name
            return []
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind != "application/json":
            kinds = self._described(*route)
            return [] if kind in kinds or "image/*" in kinds else [f"{route}: {kind}"]
        found = self._validator(*route).iter_errors(answer.json())
        return [f"{method} {path}: {one.instance_path}: {one.message}" for one in found]

    def _route(self, method: str, path: str) -> tuple[str, str] | None:
        """The described route of a request; one without placeholders goes first."""
        for known, route, pattern in self._patterns:
            if known == method and pattern.fullmatch(path):
                return known, route
        return None

    @cached_property
    def _patterns(self) -> list[tuple[str, str, re.Pattern[str]]]:
        found = [
            (method.upper(), path, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)))
            for path, methods in self.document["paths"].items()
            for method in methods
        ]
        return sorted(found, key=lambda one: one[1].count("{"))

    def _described(self, method: str, path: str) -> dict[str, Any]:
        operation = self.document["paths"][path][method.lower()]
        content: dict[str, Any] = operation["responses"]["200"]["content"]
        return content

    def _validator(self, method: str, path: str) -> jsonschema_rs.Validator:
        if (method, path) not in self._validators:
            schema = self._described(method, path)["application/json"]["schema"]
            whole = {"allOf": [schema], "components": self.document["components"]}
            made = jsonschema_rs.Draft202012Validator(whole)
            self._validators[method, path] = made
        return self._validators[method, path]
