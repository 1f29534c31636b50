"""The process that serves: one socket, one line on stdout, a graceful end."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType

import uvicorn

from coir.server import logs
from coir.server.app import create_app, open_state
from coir.server.live.channel import MAX_BYTES, Channel
from coir.server.settings import Settings, StartError
from coir.server.state import ServerState

# As long as clients keep an idle connection: one that the server closes first may carry a request
# into the void (the original's 2 s are why its clients must retry).
IDLE_SECONDS = 75
BACKLOG = 512  # connections that wait while the process is busy with a page
# To close the database, once no request is under way.
CLOSING_SECONDS = 5
CUT = 1

log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is under way; returns 0.

    Prints one line, ``coir is serving at http://HOST:PORT``, once connections are accepted.
    Raises `StartError`, also when the address is taken.
    """
    logs.configure(settings.log)
    with _bound(settings) as listening:
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            log_config=None,  # uvicorn's own would write to stdout
            access_log=False,
            server_header=False,
            forwarded_allow_ips=settings.proxies,
            timeout_graceful_shutdown=settings.grace_seconds,
            timeout_keep_alive=IDLE_SECONDS,
            ws="wsproto",
            ws_max_size=MAX_BYTES,
            ws_per_message_deflate=False,  # small messages, and a state for each connection
        )
        server = _Draining(config, _url(listening), app.state.server, app.state.channel)
        if threading.current_thread() is threading.main_thread():
            # uvicorn handles them itself while it runs, and raises them again after its graceful
            # end: they must find a handler that does not kill the process.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, server.handle_exit)
        # What lives as long as the process needs no looking after: a collection of all of it took
        # 160 ms, which every request of the moment waited for.
        gc.collect()
        gc.freeze()
        server.run(sockets=[listening])
    return 0 if server.started else 1


def work(settings: Settings) -> int:
    """Run jobs until SIGTERM or SIGINT, then leave the running one at a safe point; returns 0.

    Prints one line, ``coir is ready to run jobs``, once it is. Raises `StartError`.
    """
    logs.configure(settings.log)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    state = open_state(settings)
    try:
        state.sending.open()
        state.jobs.open()
        sys.stdout.write("coir is ready to run jobs\n")
        sys.stdout.flush()
        ended.wait()
        _end_within(settings.grace_seconds)
    finally:
        state.close()
    return 0


class _Draining(uvicorn.Server):
    """A server that says when it accepts connections, and ends without losing a request."""

    def __init__(
        self, config: uvicorn.Config, url: str, state: ServerState, channel: Channel
    ) -> None:
        super().__init__(config)
        self._url = url
        self._state = state
        self._channel = channel
        self._until = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Say that the end is near, and begin it, at once if a person or a second signal asks."""
        seconds = self._state.settings.drain_seconds
        if sig == signal.SIGTERM and seconds and not self._state.draining.is_set():
            self._until = time.monotonic() + seconds
        else:
            self._until = 0.0
            super().handle_exit(sig, frame)
        self._state.draining.set()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now."""
        if self._until and time.monotonic() > self._until:
            return True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announce the address."""
        await super().startup(sockets=sockets)
        if self.started:
            sys.stdout.write(f"coir is serving at {self._url}\n")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests finish, jobs come to a safe point, and both end in time."""
        self._state.jobs.stop()
        self._state.followers.end_waiting()
        _end_within(self._state.settings.grace_seconds)
        await self._channel.end_all()  # a poll would wait for its end
        await super().shutdown(sockets)


def _end_within(grace_seconds: int) -> None:
    end = threading.Timer(grace_seconds + CLOSING_SECONDS, _cut)
    end.daemon = True
    end.start()  # and is never cancelled: Python's own end waits for threads, too


def _cut() -> None:
    """End what does not end by itself: what it wrote is whole or not there, as at a power cut.

    Nothing less ends a thread that waits, say for a disk.
    """
    log.error("Something was still under way at the end of its time, and was cut.")
    logging.shutdown()
    os._exit(CUT)


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
