"""Answers that are made while they are sent, so that none has to fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Self

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)

# Set by the edge on the scope of a HEAD request, which the routes see as a GET.
HEAD = "coir.head"


class Stream(StreamingResponse):
    """JSON in pieces; each is made in a thread once the client has taken the one before.

    After ``seconds`` (and the piece that is being made then) it ends where it stands, with the
    connection: the client sees that the answer is cut. ``pieces`` is closed at the end, however
    that comes, also when the client goes.
    """

    media_type = "application/json"

    def __init__(self, pieces: Generator[bytes], seconds: float) -> None:
        super().__init__(pieces)
        self._pieces = pieces
        self._seconds = seconds

    @classmethod
    def begun(cls, pieces: Generator[bytes], seconds: float) -> Self:
        """One whose first piece is made here, where a refusal is still an answer."""
        first = next(pieces)
        return cls(_all(first, pieces), seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or for a HEAD request no more than its headers."""
        try:
            if scope.get(HEAD):
                start = {"status": self.status_code, "headers": self.raw_headers}
                await send({"type": "http.response.start", **start})
                await send({"type": "http.response.body"})
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._pieces.close()

    async def stream_response(self, send: Send) -> None:
        """Send the pieces while there is time."""
        with anyio.move_on_after(self._seconds) as limit:
            await super().stream_response(send)
        if limit.cancelled_caught:
            log.warning("An answer was cut: its client took more than %g s.", self._seconds)


def _all(first: bytes, rest: Generator[bytes]) -> Generator[bytes]:
    try:
        yield first
        yield from rest
    finally:
        rest.close()
