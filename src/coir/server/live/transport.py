"""Polling and WebSocket of either revision, in front of a server that speaks revision 4.

The server behind is asked in its own words only, as an ASGI application: packets that it must
not see are held back, and those of revision 3 are translated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coir.server.live.packets import (
    PROBE,
    REVISIONS,
    SEPARATOR,
    MalformedError,
    Revision,
)

CONNECT = "40"  # the beginning of the default namespace
CLOSE = "1"
NOTHING = "6"
MALFORMED = 1007  # the status with which a WebSocket ends that sent no packets


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's query asks of the transport."""

    revision: Revision
    transport: str
    sid: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server behind answered to a request."""

    status: int
    body: bytes

    @property
    def packets(self) -> list[str]:
        """The packets in it."""
        return self.body.decode().split(SEPARATOR) if self.body else []


Answer = Callable[[str, str], Awaitable[None]]


class Transport:
    """Translates for one server. ``answer`` sends a packet to a connection of it."""

    def __init__(self, server: ASGIApp, answer: Answer) -> None:
        self._server = server
        self._answer = answer

    async def open(self, asked: Asked, scope: Scope, send: Send, receive: Receive) -> None:
        """Begin a connection by polling; the client waits for the default namespace as well."""
        reply = await self._ask(scope, None)
        packets = reply.packets
        if reply.status == 200 and asked.revision.connects:
            sid = msgspec.json.decode(packets[0][1:])["sid"]
            await self._ask(scope, sid, CONNECT)
            packets += (await self._ask(scope, sid)).packets
        await self._send(asked, reply, packets)(scope, receive, send)

    async def poll(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for packets; a client that hangs up meanwhile has gone."""
        waiting = asyncio.ensure_future(self._ask(scope, asked.sid))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not waiting.done():
                waiting.cancel()  # to the server behind this is the end of the connection
        with suppress(asyncio.CancelledError):
            reply = await waiting
            await self._send(asked, reply, reply.packets)(scope, receive, send)

    async def post(
        self, asked: Asked, scope: Scope, receive: Receive, send: Send, body: bytes
    ) -> None:
        """Pass packets on. Raises `MalformedError` before the first, if one is none."""
        assert asked.sid is not None  # noqa: S101 - a request without it is not passed here
        taken = [asked.revision.inward(packet) for packet in asked.revision.split(body)]
        for one in taken:
            if one.answered is not None:
                await self._answer(asked.sid, one.answered)
        passed = [one.passed for one in taken if one.passed is not None]
        if CLOSE in passed:  # the server behind leaves a poll waiting
            await self._answer(asked.sid, NOTHING)
        reply = Reply(200, b"OK")
        if passed:
            reply = await self._ask(scope, asked.sid, *passed)
        await PlainTextResponse(reply.body, reply.status)(scope, receive, send)

    async def websocket(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Translate a WebSocket until its end; its connect message has been read already."""
        stream = _Stream(asked, receive, send)
        await self._server(_scope(scope, asked.sid), stream.receive, stream.send)

    async def _ask(self, scope: Scope, sid: str | None, *packets: str) -> Reply:
        """Ask the server behind: with packets they are posted, without it is polled."""
        body = SEPARATOR.join(packets).encode()
        status = 500
        parts: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        asked = dict(_scope(scope, sid), method="POST" if packets else "GET")
        asked["headers"] = [(b"content-length", str(len(body)).encode())]
        await self._server(asked, receive, send)
        return Reply(status, b"".join(parts))

    @staticmethod
    def _send(asked: Asked, reply: Reply, packets: Sequence[str]) -> Response:
        if reply.status != 200:
            return PlainTextResponse(reply.body, reply.status)
        shown = list(_outward(asked.revision, packets))
        # A poll that brings nothing still brings a packet.
        return PlainTextResponse(asked.revision.join(shown or [NOTHING]))


class _Stream:
    """The two directions of one WebSocket."""

    def __init__(self, asked: Asked, receive: Receive, send: Send) -> None:
        self._asked = asked
        self._receive = receive
        self._send = send
        self._first: list[Message] = [{"type": "websocket.connect"}]
        if asked.sid is None and asked.revision.connects:
            self._first.append(_text(CONNECT))
        self._trying = asked.sid is not None
        self._open = True

    async def receive(self) -> Message:
        """The next message that the server behind is to see."""
        if self._first:
            return self._first.pop(0)
        message = await self._packet()
        if message["type"] == "websocket.disconnect":
            self._open = False
            if self._trying:
                # The server behind goes back to polling only when the first packet on a
                # WebSocket is a wrong one; at the end of it, it would answer each poll at once.
                self._trying = False
                return _text(NOTHING)
        self._trying = False
        return message

    async def send(self, message: Message) -> None:
        """Show the client a message of the server behind."""
        if message["type"] == "websocket.send":
            packet = message.get("text")
            shown = None if packet is None else self._asked.revision.outward(packet)
            if shown is not None and self._open:
                await self._send(_text(shown, "send"))
        elif message["type"] != "websocket.close":
            await self._send(message)
        elif self._open:
            self._open = False
            await self._send(message)

    async def _packet(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            try:
                # A binary message is no packet, as an empty one is none.
                packet = message.get("text") or ""
                if self._trying and packet == PROBE:
                    return _text(PROBE)
                taken = self._asked.revision.inward(packet)
            except MalformedError as error:
                closing = {"type": "websocket.close", "code": MALFORMED, "reason": str(error)}
                await self.send(closing)
                return {"type": "websocket.disconnect", "code": MALFORMED}
            if taken.answered is not None:
                await self._send(_text(taken.answered, "send"))
            if taken.passed is not None:
                return _text(taken.passed)


def asked_of(query: dict[str, str]) -> Asked | None:
    """What a query asks; None when it is of no revision or transport that there is."""
    revision = REVISIONS.get(query.get("EIO", ""))
    transport = query.get("transport", "polling")
    # `j` asks for answers as scripts, which any page could include.
    if revision is None or transport not in ("polling", "websocket") or "j" in query:
        return None
    return Asked(revision, transport, query.get("sid"))


def _outward(revision: Revision, packets: Iterable[str]) -> Iterable[str]:
    for packet in packets:
        shown = revision.outward(packet)
        if shown is not None:
            yield shown


def _scope(scope: Scope, sid: str | None) -> dict[str, Any]:
    """The scope of a request to the server behind."""
    kind = "websocket" if scope["type"] == "websocket" else "polling"
    query = {"EIO": "4", "transport": kind} | ({} if sid is None else {"sid": sid})
    return dict(scope, query_string=urlencode(query).encode())


def _text(packet: str, kind: str = "receive") -> Message:
    return {"type": f"websocket.{kind}", "text": packet}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
