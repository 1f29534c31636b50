"""The description of the API says what the server does."""

from __future__ import annotations

import re
from typing import Any

import pytest

from coir.server.operations import OPERATIONS

from .roles import ROUTES, TABLE
from .running import Running

ELSEWHERE = {("GET", "/api/swagger.json"), ("GET", "/api/docs"), ("GET", "/api/")}


@pytest.fixture(scope="module")
def document(server: Running) -> dict[str, Any]:
    answer = server.client().get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


@pytest.fixture(scope="module")
def described(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_described(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Each route is in the document, once, with what `operations` says of it, and no other."""
    assert described.keys() == ROUTES - ELSEWHERE == OPERATIONS.keys()
    ids = [operation["operationId"] for operation in described.values()]
    assert len(ids) == len(set(ids))


def test_every_status_is_described(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Whatever a route answers to a role is among the answers described, and 401 exactly where
    one must sign in."""
    for row in TABLE:
        if (row.method, row.path) in ELSEWHERE:
            continue
        operation = described[row.method, row.path]
        assert {str(status) for status in row.statuses} <= operation["responses"].keys(), row
        assert ("401" in operation["responses"]) == (row.statuses[0] == 401), row
        assert (operation.get("security") == []) == (row.statuses[0] != 401), row


def test_document_is_of_its_form(
    document: dict[str, Any], described: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """OpenAPI 3.1: path parameters are those of the path, references lead somewhere, and each
    operation has a sentence."""
    assert document["openapi"].startswith("3.1.")
    named = set(re.findall(r"'\$ref': '([^']+)'", str(document)))
    assert named == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    for (_, path), operation in described.items():
        found = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert found == set(re.findall(r"\{(\w+)\}", path))
        assert operation["summary"].endswith((".", ":")), path
        assert "422" not in operation["responses"]


def test_every_success_is_described(described: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Each answer in JSON has a schema that says more than that it is JSON, and would refuse
    something else; that the server keeps to them is shown where it is asked (test_contract.py,
    test_access.py, test_fuzzing.py)."""
    for route, operation in described.items():
        for kind, content in operation["responses"]["200"]["content"].items():
            assert bool(content["schema"]) == (kind == "application/json"), route


def test_required_fields_are_required(server: Running) -> None:
    """Where a field of the body is required, a body without it is refused."""
    admin = server.user("admin")
    for (method, path), operation in OPERATIONS.items():
        if any(name.endswith("*") for name in operation.body):
            answer = admin.request(method, re.sub(r"\{\w+\}", "1", path), json={})
            assert answer.status_code == 400, path


def test_old_name_and_page(server: Running) -> None:
    """`swagger.json` is the same document; the page for people loads nothing from elsewhere."""
    client = server.client()
    assert client.get("/api/swagger.json").content == client.get("/api/openapi.json").content
    page = client.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "openapi.json" in page.text
    assert "//" not in re.sub(r"<!doctype html>", "", page.text)
