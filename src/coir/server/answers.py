"""Answers: JSON as the contract shapes it, and the refusals every route may raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

INVALID = "Input payload validation failed"

NOT_FOUND_HTML = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n'
    "<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. If you entered the URL manually please "
    "check your spelling and try again.</p>\n"
)

NOT_ALLOWED = "The method is not allowed for the requested URL."
NOT_ALLOWED_HTML = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n'
    "<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n"
    f"<p>{NOT_ALLOWED}</p>\n"
)

REDIRECT_HTML = (
    "<!DOCTYPE html>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
    '<p>You should be redirected to <a href="{0}">{0}</a>.\n'
)

_encoder = msgspec.json.Encoder()


class Refusal(Exception):
    """An answer other than the one asked for: its status, its body, more headers."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(body.get("message"))
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def answer(body: Any, status: int = 200) -> Response:
    """``body`` as JSON."""
    return Response(_encoder.encode(body), status, media_type="application/json")


def refused(message: str, status: int = 400) -> Refusal:
    """A refusal that says what is wrong."""
    return Refusal(status, {"message": message})


def unsuccessful(message: str, status: int = 400) -> Refusal:
    """A refusal in the form of the routes that answer ``success``."""
    return Refusal(status, {"success": False, "message": message})


def invalid(errors: Mapping[str, str]) -> Refusal:
    """A refusal of parameters: what is wrong with each, by name."""
    return Refusal(400, {"errors": dict(errors), "message": INVALID})


def unauthorized(by_token: bool = False) -> Refusal:
    """The answer to who is not signed in, or sent an API token that is none (RFC 6750, 3.1)."""
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if by_token else {}
    return Refusal(401, {"success": False, "message": "Authorization required"}, headers)
