"""The description of the API, for programs and for people; open to all, as the original's."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response

from coir.server.answers import answer
from coir.server.openapi import document

router = APIRouter(prefix="/api")

PAGE = Path(__file__).parent.parent / "docs.html"


@router.get("/openapi.json")
def described(request: Request) -> Response:
    """The description of the API, OpenAPI 3.1."""
    return answer(document(request.app.routes))


@router.get("/swagger.json", include_in_schema=False)
def described_as_before(request: Request) -> Response:
    """The same under the original's name."""
    return answer(document(request.app.routes))


@router.get("/docs", include_in_schema=False)
def page() -> Response:
    """A page to read it and to try requests; it loads nothing from elsewhere."""
    return Response(PAGE.read_bytes(), media_type="text/html")
