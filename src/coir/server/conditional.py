"""ETags of JSON, so that who asks again for what they have is told so in a line.

The server works as much as before; what is saved is the way, and the client's decoding. The tag is
a weak one: an answer means the same however it is encoded.
"""

from __future__ import annotations

import hashlib
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What may lie in a browser's cache on a disk: lists and labels, nothing about users or tokens; and
# nothing whose GET changes something.
PLACES = re.compile(
    r"/api/dataset/(data|[0-9]+/(data|stats|coco))?"
    r"|/api/(image|category|annotation|annotator/data)/([0-9]+(/coco)?|data)?"
)
# The answer of a page ends with how long it took, which is no reason to send it again.
TIME = re.compile(rb',"time_ms":[0-9]+\}\Z')
TAIL = 40  # longer than that, and all that has to be searched for it


class Conditional:
    """Gives answers their tags, and sends 304 in the place of what the client has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        asked = scope["type"] == "http" and scope["method"] == "GET"
        if not asked or not PLACES.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _can_have_a_tag(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            begun, start = start, None
            if "body" in message and not message.get("more_body"):  # a HEAD may have none
                tag = _tag(message["body"])
                headers = MutableHeaders(scope=begun)
                headers["ETag"] = tag
                if _includes(known, tag):
                    del headers["content-length"], headers["content-type"]
                    begun["status"], message["body"] = 304, b""
            await send(begun)
            await send(message)

        await self._app(scope, receive, tagged)


def _can_have_a_tag(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    kind = headers.get("content-type", "")
    return message["status"] == 200 and kind == "application/json" and "etag" not in headers


def _tag(body: bytes) -> str:
    said = hashlib.blake2b(body[:-TAIL], digest_size=16)
    said.update(TIME.sub(b"", body[-TAIL:]))
    return f'W/"{said.hexdigest()}"'


def _includes(known: str, tag: str) -> bool:
    """Whether an If-None-Match names the tag; weak ones are compared as strong ones are."""
    return known.strip() == "*" or tag.removeprefix("W/") in (
        one.strip().removeprefix("W/") for one in known.split(",")
    )
