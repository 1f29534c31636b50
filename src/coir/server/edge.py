"""What happens to every request and answer at the edge: limits, HEAD, OPTIONS and headers."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coir.server.answers import answer
from coir.server.methods import allowed, misses_slash
from coir.server.settings import Settings
from coir.server.store.postgres import is_away
from coir.server.stream import HEAD
from coir.server.trace import current

log = logging.getLogger(__name__)

ALLOWED_ORIGIN_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
# No route but an upload reads more: an annotation with a long outline stays below a megabyte.
MAX_BODY_BYTES = 10 * 1024 * 1024
# The frame of a multipart body: boundaries, headers and the other fields.
MULTIPART_BYTES = 64 * 1024
UPLOAD_PATHS = ("/api/image/", "/api/model/maskrcnn")
COCO_PATH = re.compile(r"/api/dataset/[0-9]+/(coco|export)")
# A PostgreSQL that is restarted is back within seconds.
RETRY_SECONDS = 5
AWAY = (
    "The database cannot be reached now: try again. A change that was under way may have been made."
)

# An answer is data: opened as a page it runs, loads and frames nothing. The page for people says
# itself what it needs.
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",  # an address names datasets and folders
}


class TooLargeError(Exception):
    """A request body above the limit."""


class Edge:
    """The outermost layer around the routes."""

    def __init__(self, app: ASGIApp, settings: Settings, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._settings = settings
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, Headers(scope=scope).get("origin"))
        if scope["method"] == "OPTIONS" and not misses_slash(self._routes, scope):
            answered = _options(allowed(self._routes, scope), Headers(scope=scope))
            await answered(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        # Every GET answers HEAD as well (recorded: dataset.data head); the process that speaks
        # HTTP leaves the body out, by the method of the scope it made.
        inner = dict(scope, method="GET") | {HEAD: True} if scope["method"] == "HEAD" else scope
        await self._guarded(inner, _limited(receive, limit), send)

    def _limit(self, path: str) -> int:
        """How many bytes a body may have."""
        if path in UPLOAD_PATHS:
            return self._settings.max_upload_bytes + MULTIPART_BYTES
        if COCO_PATH.fullmatch(path):
            return self._settings.max_coco_bytes + MULTIPART_BYTES
        return MAX_BODY_BYTES

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and answer what no handler expected without telling what it was."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # in the middle of what it sent: nobody is there to be answered
        except Exception as error:
            response = _failed(f"{scope['method']} {_route(scope)}", error)
            if started:
                raise  # half an answer is under way: the connection must break
            await response(scope, receive, send)
        finally:
            if (trace := current()) is not None:
                trace.route = _route(scope)


def _failed(what: str, error: Exception) -> Response:
    """The answer to a request that could not be served; the log says why."""
    if isinstance(error, DBAPIError) and is_away(error):
        log.warning("%s: the database cannot be reached: %s", what, str(error.orig).strip())
        response = answer({"message": AWAY}, 503)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response
    log.error("%s failed", what, exc_info=error)
    return answer({"message": "Internal Server Error"}, 500)


def _route(scope: Scope) -> str | None:
    """The route that the router found, as the API describes it."""
    return getattr(scope.get("route"), "path_format", None)


def _options(methods: Sequence[str], asked: Headers) -> Response:
    """The methods of a path; a page of another origin is told which it may use.

    It is told of no header, so that a browser lets it send no JSON: who is new registers with
    JSON alone, and no page may do that for somebody who only looks at it.
    """
    headers = {"Allow": ", ".join(methods)}
    if "access-control-request-method" in asked:
        headers["Access-Control-Allow-Methods"] = ALLOWED_ORIGIN_METHODS
    return Response("", 200, headers, media_type="text/html")


def _limited(receive: Receive, limit: int) -> Receive:
    """The same body, refused as soon as it grows above the limit, whatever it announced."""
    seen = 0

    async def inner() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise TooLargeError(f"The request is larger than {limit} bytes.")
        return message

    return inner


def _with_headers(send: Send, origin: str | None) -> Send:
    """Every answer says what it says to the origins of others: readable, never credentials."""

    async def inner(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin or "*"
            headers.add_vary_header("Cookie")
            if origin:
                headers.add_vary_header("Origin")
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
            # What can be asked for again with its ETag may be kept, by the browser alone.
            keeping = "private, no-cache" if "etag" in headers else "no-store"
            headers.setdefault("Cache-Control", keeping)
        await send(message)

    return inner
