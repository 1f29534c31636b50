"""The description of the API, for programs and for people; open to all, as the original's."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from fastapi import APIRouter, Request, Response

from coir.server.answers import answer
from coir.server.openapi import document

router = APIRouter(prefix="/api")

PAGE = (Path(__file__).parent.parent / "docs.html").read_bytes()


def _hashes(tag: bytes) -> str:
    """The sources that allow the page's own elements of this name, and no other."""
    found = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), PAGE, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(one).digest()).decode() for one in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


POLICY = (
    f"default-src 'none'; script-src {_hashes(b'script')}; style-src {_hashes(b'style')}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/openapi.json")
def described(request: Request) -> Response:
    """The description of the API, OpenAPI 3.1."""
    return answer(document(request.app.routes))


@router.get("/swagger.json", include_in_schema=False)
def described_as_before(request: Request) -> Response:
    """The same under the original's name."""
    return answer(document(request.app.routes))


@router.get("/", include_in_schema=False)
@router.get("/docs", include_in_schema=False)
def page() -> Response:
    """A page to read it and to try requests; it loads nothing from elsewhere."""
    headers = {"Content-Security-Policy": POLICY}
    return Response(PAGE, media_type="text/html", headers=headers)
