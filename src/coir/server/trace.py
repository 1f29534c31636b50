"""What is known of one request: its id, its route, who sent it; a line of the log at its end.

The line has neither the path, the query, a header nor the body: each may hold what is secret.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
REQUEST = "coir.request"
# What proxies and programs make: UUIDs, hex, ULIDs. Anything else could forge lines of the log.
FORM = re.compile(r"[A-Za-z0-9._-]{8,64}")
ID_BYTES = 16

log = logging.getLogger(REQUEST)


@dataclass(slots=True)
class Trace:
    """One request, as far as it is known by now."""

    id: str
    route: str | None = None  # as the API describes it, never the path that was asked for
    user: int | None = None
    status: int | None = None


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """The request that this code runs for, also in a thread of its own."""
    return _current.get()


class Tracing:
    """The outermost layer: gives each request its id, and writes its line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = Trace(_id(Headers(scope=scope).get(HEADER)))
        token = _current.set(trace)
        begun = time.perf_counter()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                MutableHeaders(scope=message)[HEADER] = trace.id
            await send(message)

        try:
            await self._app(scope, receive, named)
        finally:
            _write(trace, scope["method"], time.perf_counter() - begun)
            _current.reset(token)


def _id(given: str | None) -> str:
    """The id that the request brought, if it is well-formed, else a new one."""
    return given if given and FORM.fullmatch(given) else secrets.token_hex(ID_BYTES)


def _write(trace: Trace, method: str, seconds: float) -> None:
    told = {
        "request_id": trace.id,
        "method": method,
        "route": trace.route,
        "status": trace.status,
        "ms": round(seconds * 1000, 1),
        "user": trace.user,
    }
    log.info("request", extra={"told": told})
