"""A web server that misbehaves as a test asks it to, and keeps what it was asked."""

from __future__ import annotations

import json as json_
import socket
import socketserver
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

CERTIFICATE = Path(__file__).with_name("self_signed.pem")


class Fault(Enum):
    """What a server does instead of answering."""

    RESET = "break the connection with a reset"
    CLOSE = "close the connection without a word"
    HANG = "never answer"


@dataclass(frozen=True)
class Asked:
    """A request that arrived; header names in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def route(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Given:
    """An answer to give; ``missing`` bytes of its body are announced and not sent.

    With ``pause`` it comes byte by byte, so many seconds apart.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0
    pause: float = 0.0

    @property
    def wire(self) -> bytes:
        """The answer as it is sent."""
        length = {"content-length": str(len(self.body) + self.missing)}
        lines = [f"HTTP/1.1 {self.status} As asked"]
        lines += [f"{name}: {value}" for name, value in (length | dict(self.headers)).items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Reply = Given | Fault | bytes  # bytes are sent as they are, and the connection closed
Route = Sequence[Reply] | Callable[[Asked], Reply]


def json(value: Any, status: int = 200, **headers: str) -> Given:
    """An answer in JSON; an underscore in a header's name stands for a dash."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Given(status, json_.dumps(value).encode(), {"content-type": "application/json"} | named)


def html(title: str, status: int = 200) -> Given:
    """A web page."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>"
    return Given(status, page.encode(), {"content-type": "text/html"})


INFO = "GET /api/info/"
LOGIN = "POST /api/user/login"
ME = "GET /api/user/"
DATASETS = "GET /api/dataset/"
CREATE = "POST /api/dataset/"
DATA = "GET /api/dataset/1/data"

UNAUTHORIZED = json({"success": False, "message": "Authorization required"}, 401)
ORDERLY: Mapping[str, Route] = {
    INFO: [json({"name": "COCO Annotator", "git": {"tag": "v0.11.1"}, "login_enabled": True})],
    LOGIN: [json({"success": True}, set_cookie="session=fresh; HttpOnly; Path=/")],
    ME: [json({"user": {"username": "admin"}})],
    DATASETS: [json([{"id": 1, "name": "birds"}])],
    CREATE: [json({"id": 2, "name": "new"})],
}


def listing(ids: Iterable[int]) -> Callable[[Asked], Given]:
    """The route that lists a dataset, as far as retrieval uses it."""
    have = sorted(ids)

    def answer(asked: Asked) -> Given:
        low = int(asked.params.get("id__gte", 0))
        high = int(asked.params.get("id__lt", 2**63))
        limit = int(asked.params["limit"])
        found = [one for one in have if low <= one < high]
        shown = sorted(found, reverse=asked.params["order"] == "-id")[:limit]
        rows = [{"id": one, "file_name": f"{one}.jpg"} for one in shown]
        return json({"total": len(found), "per_page": limit, "images": rows})

    return answer


class Misbehaving:
    """A server on loopback. Each route gives its replies in turn, the last one for ever.

    What is not in ``routes`` is answered as an orderly server does; with ``tls``, over TLS
    with a certificate that its own key signed, for the name ``localhost`` only.
    """

    def __init__(self, routes: Mapping[str, Route] | None = None, *, tls: bool = False) -> None:
        self.routes = {**ORDERLY, **(routes or {})}
        self.asked: list[Asked] = []
        self.connections = 0
        self._turns: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if tls else None
        if self._tls:
            self._tls.load_cert_chain(CERTIFICATE)
        self._server = _Server(("127.0.0.1", 0), self._serve)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def count(self, route: str) -> int:
        """How often a route was asked for."""
        return sum(asked.route == route for asked in self.asked)

    def _serve(self, connection: socket.socket, *_: object) -> None:
        connection.settimeout(20)
        with self._lock:
            self.connections += 1
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as file:
                while (asked := _read(file)) and self._answer(connection, asked):
                    pass
        except OSError:
            pass  # the other side went away, which is its right

    def _answer(self, connection: socket.socket, asked: Asked) -> bool:
        """Give the next reply; says whether the connection may be used again."""
        reply = self._next(asked)
        match reply:
            case Given():
                pieces = [bytes([one]) for one in reply.wire] if reply.pause else [reply.wire]
                for piece in pieces:
                    connection.sendall(piece)
                    self._ended.wait(reply.pause)
                return not reply.missing
            case bytes():
                connection.sendall(reply)
            case Fault.RESET:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case Fault.HANG:
                self._ended.wait(20)
        return False

    def _next(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            turn = self._turns[asked.route]
            self._turns[asked.route] += 1
        replies = self.routes.get(asked.route, [html("404 Not Found", 404)])
        if callable(replies):
            return replies(asked)
        return replies[min(turn, len(replies) - 1)]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        self.RequestHandlerClass(request, client_address, self)


def _read(file: Any) -> Asked | None:
    """Read a request; None at the end of the connection, and for what is not HTTP."""
    if file.peek(1)[:1] == b"\x16":  # the beginning of TLS
        return None
    first = file.readline().decode("latin-1").split()
    if not first:
        return None
    headers = {}
    while line := file.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    url = urlsplit(first[1])
    params = {name: values[0] for name, values in parse_qs(url.query).items()}
    return Asked(first[0], url.path, params, headers, body)
