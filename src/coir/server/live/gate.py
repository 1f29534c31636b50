"""Who may open a connection for live events, and how large a request may be."""

from __future__ import annotations

from http.cookies import CookieError

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coir.server.answers import Refusal, answer, refused, unauthorized
from coir.server.live.channel import MAX_BYTES, VISITOR, Channel
from coir.server.live.packets import MalformedError
from coir.server.live.transport import Asked, Transport, asked_of
from coir.server.live.visitor import Credentials, Visitor
from coir.server.origin import ELSEWHERE, host_of
from coir.server.sessions import COOKIE
from coir.server.settings import Settings
from coir.server.stream import HEAD
from coir.server.tokens import bearer

PATH = "/socket.io/"
# Somebody with a tab for each image of a morning has some twenty.
MAX_CONNECTIONS = 50


class Gate:
    """Answers what is for `PATH`; everything else is for the application."""

    def __init__(self, app: ASGIApp, channel: Channel, settings: Settings) -> None:
        self._app = app
        self._channel = channel
        self._origins = frozenset(filter(None, map(str.strip, settings.origins.split(","))))
        self._transport = Transport(channel.serve, channel.answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket") or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await receive()  # its connect message
        try:
            await self._serve(scope, receive, send)
        except Refusal as refusal:
            response = answer(refusal.body, refusal.status)
            response.headers.update(refusal.headers)
            await response(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        asked = _asked(connection)
        self._check_origin(connection.headers)
        shown = _credentials(connection)
        if asked.sid is None:
            visitor = await self._visitor(connection, shown)
            scope = dict(scope) | {VISITOR: visitor}
        elif not _agree(shown, self._channel.credentials(asked.sid)):
            raise refused("There is no such connection; begin a new one.")
        if scope["type"] == "websocket":
            await self._transport.websocket(asked, scope, receive, send)
        elif scope["method"] == "POST":
            await self._post(asked, scope, receive, send)
        elif asked.sid is None:
            await self._transport.open(asked, scope, send, receive)
        else:
            await self._transport.poll(asked, scope, receive, send)

    async def _post(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        assert asked.sid is not None  # noqa: S101 - `_asked` refuses a POST without it
        try:
            body = await _body(receive)
            await self._transport.post(asked, scope, receive, send, body)
        except MalformedError as error:
            self._channel.end(asked.sid)
            raise refused(f"This is no packet of the protocol: {error}.") from None

    async def _visitor(self, connection: HTTPConnection, shown: Credentials) -> Visitor:
        """Who opens a connection, or the refusal of it."""
        if not self._channel.is_open:
            raise refused("The server is ending.", 503)
        address = connection.client.host if connection.client else ""
        visitor = await to_thread.run_sync(self._channel.visitor, shown, address)
        if visitor is None:
            raise unauthorized(bearer(shown.authorization) is not None)
        if self._channel.connections(visitor.caller.id) >= MAX_CONNECTIONS:
            raise refused(f"A user has {MAX_CONNECTIONS} live connections at most.", 429)
        return visitor

    def _check_origin(self, headers: Headers) -> None:
        """Refuse what a page of another place makes a browser send.

        WebSocket knows no other protection. Only the host is compared: what stands before the
        server may speak HTTPS.
        """
        origin = headers.get("origin")
        if origin is None:
            if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
                raise refused(ELSEWHERE, 403)
        elif origin not in self._origins and host_of(origin) != headers.get("host", "").lower():
            raise refused(f"Pages of {origin} may not connect; see --origins.", 403)


def _asked(connection: HTTPConnection) -> Asked:
    """What a request asks, or its refusal."""
    scope = connection.scope
    method = "GET" if scope["type"] == "websocket" else scope["method"]
    if method not in ("GET", "POST") or scope.get(HEAD):
        raise Refusal(405, {"message": "GET or POST"}, {"Allow": "GET, POST"})
    asked = asked_of(dict(connection.query_params))
    if asked is None or (asked.transport == "websocket") != (scope["type"] == "websocket"):
        raise refused(
            "The client is using an unsupported version of the Socket.IO or Engine.IO protocols, "
            "or another transport than it says."
        )
    if method == "POST" and asked.sid is None:
        raise refused("A connection begins with a GET.")
    return asked


def _credentials(connection: HTTPConnection) -> Credentials:
    try:
        cookie = connection.cookies.get(COOKIE)
    except CookieError:
        cookie = None
    return Credentials(cookie, connection.headers.get("authorization"))


def _agree(shown: Credentials, opened: Credentials | None) -> bool:
    """Whether a request may use a connection: clients in Python show nothing after the handshake.

    The connection's id is a secret; but a page whose user has changed begins anew.
    """
    return (
        opened is not None
        and shown.cookie in (None, opened.cookie)
        and shown.authorization in (None, opened.authorization)
    )


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedError("half of a request")
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BYTES:
            raise refused(f"The request is larger than {MAX_BYTES} bytes.", 413)
        if not message.get("more_body"):
            return body
