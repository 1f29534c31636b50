"""The process that serves: one socket, one line on stdout, a graceful end."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn

from coir.server.app import create_app, open_state
from coir.server.settings import Settings, StartError

# Longer than any page takes; a job stops at its next batch.
GRACE_SECONDS = 10
# As long as clients keep an idle connection: one that the server closes first may carry a request
# into the void (the original's 2 s are why its clients must retry).
IDLE_SECONDS = 75
BACKLOG = 512  # connections that wait while the process is busy with a page


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is under way; returns 0.

    Prints one line, ``coir is serving at http://HOST:PORT``, once connections are accepted.
    Raises `StartError`, also when the address is taken.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    with _bound(settings) as listening:
        config = uvicorn.Config(
            create_app(settings),
            log_config=None,  # uvicorn's own would write to stdout
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=IDLE_SECONDS,
        )
        server = _Announcing(config, _url(listening))
        if threading.current_thread() is threading.main_thread():
            # uvicorn handles them itself while it runs, and raises them again after its graceful
            # end: they must find a handler that does not kill the process.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, server.end)
        server.run(sockets=[listening])
    return 0 if server.started else 1


def work(settings: Settings) -> int:
    """Run jobs until SIGTERM or SIGINT, then leave the running one at a safe point; returns 0.

    Prints one line, ``coir is ready to run jobs``, once it is. Raises `StartError`.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    state = open_state(settings)
    try:
        state.jobs.open()
        sys.stdout.write("coir is ready to run jobs\n")
        sys.stdout.flush()
        ended.wait()
    finally:
        state.close()
    return 0


class _Announcing(uvicorn.Server):
    """A server that says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    def end(self, _number: int, _frame: FrameType | None) -> None:
        """Begin the graceful end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            sys.stdout.write(f"coir is serving at {self._url}\n")
            sys.stdout.flush()


def _bound(settings: Settings) -> socket.socket:
    """A listening socket; bound here so that the port 0 means a free one that can be told."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on a socket whose protocol is named; without it a small
    # answer took 40 ms longer (measured: its second packet waits for the first one's ACK).
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise StartError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}): choose "
            "another port, or 0 for a free one."
        ) from error
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
