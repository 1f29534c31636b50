"""A real proxy on loopback that does to requests and answers what a test asks of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

# What the original declares; anything else is "unknown" to something that validates.
DECLARED = frozenset({"page", "limit", "folder", "order"})

Tamper = Callable[[str, dict[str, str], bytes], "bytes | int | tuple[int, bytes] | None"]


def untouched(_path: str, _params: dict[str, str], body: bytes) -> bytes:
    """Leave an answer as it is."""
    return body


class Proxy:
    """Passes requests on to ``upstream``.

    ``strip`` drops the query parameters of ``stripped`` routes that the original does not declare;
    ``tamper`` gets
    the path, the query and the body of each answer, and gives a body, a status to answer
    with instead, both, or None to break the connection. Unless ``original`` is false, it hides
    what coir's server offers beside the original's routes. It serves below ``prefix``, at ``host``.
    """

    def __init__(
        self,
        upstream: str,
        *,
        strip: bool = False,
        tamper: Tamper = untouched,
        original: bool = True,
        prefix: str = "",
        host: str = "127.0.0.1",
    ) -> None:
        self.prefix, self.original = prefix, original
        self.upstream, self.strip, self.tamper = upstream, strip, tamper
        self.stripped: tuple[str, ...] = ("/data", "/ids")
        self.requests = 0
        self._http = httpx2.Client(base_url=upstream, timeout=30, verify=False)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet: the second of two waits 40 ms for the first to be seen.
            wbufsize = -1

            def do_GET(self) -> None:
                proxy.pass_on(self)

            def do_POST(self) -> None:
                proxy.pass_on(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = type("Server", (ThreadingHTTPServer,), {"address_family": family})
        self._server = kind((host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_address[1]}{prefix}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._http.close()

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        """Ask the server, and answer as ``tamper`` wants."""
        self.requests += 1
        parts = urlsplit(handler.path)
        if not parts.path.startswith(f"{self.prefix}/"):
            handler.send_error(404)
            return
        parts = parts._replace(path=parts.path.removeprefix(self.prefix))
        params = dict(parse_qsl(parts.query))
        if self.strip and parts.path.endswith(self.stripped):
            params = {name: value for name, value in params.items() if name in DECLARED}
        length = int(handler.headers.get("content-length", 0))
        kept = {
            name: value
            for name, value in handler.headers.items()
            if name.lower() in {"cookie", "content-type", "authorization"}
        }
        answer = self._http.request(
            handler.command,
            parts.path + (f"?{urlencode(params)}" if params else ""),
            content=handler.rfile.read(length),
            headers=kept,
        )
        content = answer.content
        if self.original and parts.path == "/api/info/":
            content = json.dumps({**answer.json(), "coir": None}).encode()
        body = self.tamper(parts.path, params, content)
        if body is None:
            handler.close_connection = True
            return
        status = answer.status_code
        if isinstance(body, int):
            status, body = body, b'{"message": "Internal Server Error"}'
        elif isinstance(body, tuple):
            status, body = body
        handler.send_response(status)
        for name in ("content-type", "set-cookie"):
            if name in answer.headers:
                handler.send_header(name, answer.headers[name])
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
