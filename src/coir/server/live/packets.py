"""Packets of Engine.IO in its revisions 3 and 4, and what is taken of them. No I/O.

Socket.IO 2 speaks revision 3, Socket.IO 3 and later revision 4. They differ in four things: how
packets are put together in an answer of the polling transport, who sends pings, who begins the
default namespace, and how a refused namespace is told. The packets are those of
https://github.com/socketio/engine.io-protocol and https://github.com/socketio/socket.io-protocol;
the server behind speaks revision 4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

# What clients send beside the connection itself; other events have no handler.
EVENTS = frozenset({"annotating", "annotation"})
# A page that was offline for a while sends all it has kept in one request.
MAX_PACKETS = 256
SEPARATOR = "\x1e"

# A namespace, the number under which an answer is awaited, and the arguments.
_PACKET = re.compile(r"(?P<namespace>/[^,]*)?,?(?P<id>[0-9]{0,15})(?P<data>.*)", re.DOTALL)


class MalformedError(Exception):
    """What a client sent is no packet of the protocol."""


@dataclass(frozen=True, slots=True)
class Inward:
    """What becomes of a packet from a client: passed on, answered at once, both or nothing."""

    passed: str | None = None
    answered: str | None = None


DROPPED = Inward()
# What a client says first on a WebSocket, to go on there with what it began by polling.
PROBE = "2probe"


class Revision(Protocol):
    """One revision of Engine.IO, translated from and to revision 4."""

    # Whether the server begins the default namespace without being asked.
    connects: bool

    def split(self, body: bytes) -> list[str]:
        """The packets in the body of a request. Raises `MalformedError`."""

    def join(self, packets: Sequence[str]) -> bytes:
        """Packets as the body of an answer."""

    def inward(self, packet: str) -> Inward:
        """What becomes of a client's packet. Raises `MalformedError`."""

    def outward(self, packet: str) -> str | None:
        """A packet of the server as the client reads it; None for none."""


class Revision4:
    """The revision of the server behind: only what it must not see is held back."""

    connects = False

    def split(self, body: bytes) -> list[str]:
        """Packets between separators."""
        packets = _text(body).split(SEPARATOR)
        if len(packets) > MAX_PACKETS:
            raise MalformedError(f"more than {MAX_PACKETS} packets at once")
        return packets

    def join(self, packets: Sequence[str]) -> bytes:
        """Packets with separators."""
        return SEPARATOR.join(packets).encode()

    def inward(self, packet: str) -> Inward:
        """Whatever is taken, as it is."""
        return Inward(packet) if _is_taken(packet) else DROPPED

    def outward(self, packet: str) -> str | None:
        """The packet as it is."""
        return packet


class Revision3:
    """Clients of Socket.IO 2: they ping, and wait for the default namespace.

    The server behind pings too, and takes each ping of the client for the answer to its own.
    """

    connects = True

    def split(self, body: bytes) -> list[str]:
        """Packets behind their lengths.

        As text, in the units of UTF-16 that JavaScript counts; or as bytes, which clients in
        Python send.
        """
        return _framed(body) if body[:1] in (b"\0", b"\1") else _counted(_text(body))

    def join(self, packets: Sequence[str]) -> bytes:
        """Packets behind their lengths, as text."""
        return "".join(f"{_units(packet)}:{packet}" for packet in packets).encode()

    def inward(self, packet: str) -> Inward:
        """A ping is answered here; a client that begins the default namespace is late."""
        if packet.startswith("2"):
            return Inward("3", "3" + packet[1:])
        if packet.startswith("3") or not _is_taken(packet):
            return DROPPED
        begins = packet.startswith("40") and not packet.startswith("40/")
        return DROPPED if begins else Inward(packet)

    def outward(self, packet: str) -> str | None:
        """No pings; a namespace without a session of its own; an error that is a text."""
        if packet == "2":
            return None
        if packet.startswith("0"):
            handshake = msgspec.json.decode(packet[1:])
            handshake.pop("maxPayload", None)
            return "0" + msgspec.json.encode(handshake).decode()
        if packet.startswith(("40", "44")):
            return _namespace(packet)
        return packet


REVISIONS: dict[str, Revision] = {"3": Revision3(), "4": Revision4()}


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedError("not in UTF-8") from None


def _is_taken(packet: str) -> bool:
    """Whether a packet is one for the server behind. Raises `MalformedError`."""
    kind, data = packet[:1], packet[1:]
    if kind == "4":
        return _is_message_taken(data)
    if kind not in ("1", "2", "3", "5", "6"):
        raise MalformedError(f"no packet begins with {kind!r}")
    return kind in ("1", "3", "5")


def _is_message_taken(message: str) -> bool:
    """Whether a packet of Socket.IO is one for the server behind. Raises `MalformedError`."""
    kind = message[:1]
    if kind not in ("0", "1", "2", "3"):
        raise MalformedError(f"no message of the type {kind!r} is taken")
    found = _PACKET.fullmatch(message, 1)
    if found is None:
        raise MalformedError("no message")
    value = _json(found["data"])
    if kind == "2":
        if not (isinstance(value, list) and value and isinstance(value[0], str)):
            raise MalformedError("an event is a list that begins with its name")
        return value[0] in EVENTS and found["namespace"] in (None, "/")
    return kind != "3"  # nothing is sent that would have to be acknowledged


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise MalformedError("not JSON") from None


def _counted(text: str) -> list[str]:
    packets: list[str] = []
    rest = text.encode("utf-16-le")
    while rest:
        head = re.match(rb"((?:[0-9]\0){1,9}):\0", rest)
        if head is None or len(packets) == MAX_PACKETS:
            raise MalformedError("no packets behind their lengths")
        end = head.end() + 2 * int(head[1].decode("utf-16-le"))
        if end > len(rest):
            raise MalformedError("a packet is shorter than it says")
        packets.append(_utf16(rest[head.end() : end]))
        rest = rest[end:]
    return packets


def _utf16(part: bytes) -> str:
    try:
        return part.decode("utf-16-le")
    except UnicodeDecodeError:
        raise MalformedError("a packet ends inside a character") from None


def _framed(body: bytes) -> list[str]:
    packets: list[str] = []
    while body:
        head = re.match(rb"\0([\0-\x09]{1,9})\xff", body)
        if head is None or len(packets) == MAX_PACKETS:
            raise MalformedError("no texts behind their lengths")
        end = head.end() + int("".join(map(str, head[1])))
        if end > len(body):
            raise MalformedError("a packet is shorter than it says")
        packets.append(_text(body[head.end() : end]))
        body = body[end:]
    return packets


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _namespace(packet: str) -> str:
    """The beginning or the refusal of a namespace, as Socket.IO 2 tells it."""
    found = _PACKET.fullmatch(packet, 2)
    name = (found["namespace"] if found else None) or ""
    opening = packet[:2] + (f"{name}," if name else "")
    if packet[1] == "0":
        return opening
    reason = _json(found["data"]) if found else None
    if isinstance(reason, dict):
        reason = reason.get("message")
    return opening + msgspec.json.encode(reason or "Refused").decode()
