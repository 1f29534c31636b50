"""Clients of the live events: of today, and of the original's time word by word."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx2 as httpx
import socketio
import websocket

from .running import Running

# Generous: two cores may be busy with other tests.
WAIT_SECONDS = 60
KINDS = ("polling-4", "websocket-4", "upgrade-4", "polling-3", "websocket-3", "upgrade-3")

Headers = dict[str, str]
Event = tuple[str, Any]


def cookie(client: httpx.Client) -> Headers:
    """The headers with which a program shows the session of a client."""
    return {"Cookie": f"session={client.cookies['session']}"}


class Listener:
    """A connection; what it is told waits in `events`."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()

    def send(self, event: str, data: Any) -> Any:
        """Send an event; gives the server's answer to it."""
        raise NotImplementedError

    def close(self) -> None:
        """Take leave."""
        raise NotImplementedError

    def next(self) -> Event:
        """The next event."""
        return self.events.get(timeout=WAIT_SECONDS)

    def none(self) -> bool:
        """Whether nothing waits."""
        return self.events.empty()


class Today(Listener):
    """python-socketio, which speaks Engine.IO 4."""

    def __init__(self, server: Running, headers: Headers, transports: list[str]) -> None:
        super().__init__()
        self._client = socketio.Client(reconnection=False)
        self.gone = threading.Event()
        self._client.on("*", lambda event, data: self.events.put((event, data)))
        self._client.on("disconnect", lambda *_: self.gone.set())
        self._client.connect(server.url, headers=headers, transports=transports)
        assert self._client.transport() == transports[-1]

    def send(self, event: str, data: Any) -> Any:
        return self._client.call(event, data, timeout=WAIT_SECONDS)

    def close(self) -> None:
        http = self._client.eio.http
        self._client.disconnect()
        if http is not None:
            http.close()


class Old(Listener):
    """Engine.IO 3, packet by packet: the client pings, the server begins the namespace."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: queue.Queue[Any] = queue.Queue()
        self.gone = threading.Event()

    def write(self, packet: str) -> None:
        raise NotImplementedError

    def send(self, event: str, data: Any) -> Any:
        # JavaScript writes characters as they are.
        self.write("427" + json.dumps([event, data], ensure_ascii=False))
        return self._answers.get(timeout=WAIT_SECONDS)

    def dispose(self) -> None:
        """Let go of what is open."""
        raise NotImplementedError

    def ping(self) -> str:
        """Ping; the answer."""
        self.write("2")
        answer: str = self._answers.get(timeout=WAIT_SECONDS)
        return answer

    def took(self, packet: str) -> None:
        """Sort a packet in."""
        if packet.startswith("42"):
            event, data = json.loads(packet[2:])
            self.events.put((event, data))
        elif packet.startswith("437"):
            self._answers.put(json.loads(packet[3:])[0])
        elif packet.startswith("3"):
            self._answers.put(packet)
        else:
            assert packet in ("6", "1", "41"), packet

    def listen(self, packets: Callable[[], Iterator[str]]) -> None:
        """Sort all packets in, in a thread."""

        def read() -> None:
            try:
                for packet in packets():
                    self.took(packet)
            finally:
                self.dispose()
                self.gone.set()

        self._thread = threading.Thread(target=read, daemon=True)
        self._thread.start()


def lengths(body: bytes) -> list[str]:
    """The packets of a text payload, whose lengths count as JavaScript does, in UTF-16."""
    rest, packets = body.decode().encode("utf-16-le"), []
    while rest:
        number, _, _ = rest.decode("utf-16-le").partition(":")
        begin = 2 * (len(number) + 1)
        end = begin + 2 * int(number)
        packets.append(rest[begin:end].decode("utf-16-le"))
        rest = rest[end:]
    return packets


class OldPolling(Old):
    """The polling transport, with payloads as clients in JavaScript or in Python write them.

    Observed of socket.io-client 2.0.4, 2.2.0 and 2.5.0: `GET …&t=Q8UjCR3&b64=1` (`t` is the time,
    `b64` is theirs outside of browsers), `POST` of `45:42["annotating",…]` as
    `text/plain;charset=UTF-8`, a packet in each; to end, `2:41` and then `1:1` while a poll waits.
    """

    def __init__(self, server: Running, headers: Headers, *, binary: bool = False) -> None:
        super().__init__()
        self._binary = binary
        self._http = server.client(headers=headers)
        path = "/socket.io/?EIO=3&transport=polling"
        if not binary:
            path += "&t=Q8UjCR3&b64=1"
        opened = self._http.get(path)
        assert opened.status_code == 200, opened.text
        first, *more = lengths(opened.content)
        self.handshake = json.loads(first[1:])
        assert more[0] == "40"
        for packet in more[1:]:  # what was told meanwhile comes with the handshake
            self.took(packet)
        self.path = f"{path}&sid={self.handshake['sid']}"
        self.upgraded = False
        self.listen(self._packets)

    def _packets(self) -> Iterator[str]:
        with suppress(httpx.TransportError):  # the server has ended
            while not self.upgraded and (answer := self._http.get(self.path)).status_code == 200:
                yield from lengths(answer.content)

    def dispose(self) -> None:
        """Nothing: the server's clients are closed with it, and `close` may be writing."""

    def _post(self, packet: str) -> httpx.Response:
        if self._binary:
            content = packet.encode()
            frame = b"\0" + bytes(map(int, str(len(content)))) + b"\xff"
            return self._http.post(self.path, content=frame + content)
        size = len(packet.encode("utf-16-le")) // 2
        kind = {"Content-Type": "text/plain;charset=UTF-8"}
        return self._http.post(self.path, content=f"{size}:{packet}".encode(), headers=kind)

    def write(self, packet: str) -> None:
        answer = self._post(packet)
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        self.write("41")
        self._post("1")  # the server may have ended the connection by now
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()


class OldWebSocket(Old):
    """The WebSocket transport, from the beginning or after polling."""

    def __init__(
        self, server: Running, headers: Headers, polling: OldPolling | None = None
    ) -> None:
        super().__init__()
        url = server.url.replace("http", "ws") + "/socket.io/?EIO=3&transport=websocket"
        if polling is not None:
            url += f"&sid={polling.handshake['sid']}"
        self.socket = websocket.create_connection(url, header=headers, timeout=WAIT_SECONDS)
        if polling is None:
            self.handshake = json.loads(self.socket.recv()[1:])
            assert self.socket.recv() == "40"
        else:
            self.socket.send("2probe")
            assert self.socket.recv() == "3probe"
            self.events = polling.events  # it is one connection
            polling.upgraded = True
            assert polling.gone.wait(WAIT_SECONDS)
            self.socket.send("5")
        self.socket.settimeout(None)
        self.listen(self._packets)

    def _packets(self) -> Iterator[str]:
        # A frame that comes while the other thread closes ends the reading, as the close does.
        with suppress(websocket.WebSocketConnectionClosedException, OSError):
            while packet := self.socket.recv():
                yield packet

    def dispose(self) -> None:
        self.socket.shutdown()

    def write(self, packet: str) -> None:
        self.socket.send(packet)

    def close(self) -> None:
        self.socket.send("41")
        self.socket.send_close()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()


@contextmanager
def listening(server: Running, headers: Headers, kind: str) -> Iterator[Listener]:
    """A connection of one kind, closed at the end."""
    found: Listener
    if kind == "polling-3":
        found = OldPolling(server, headers)
    elif kind == "websocket-3":
        found = OldWebSocket(server, headers)
    elif kind == "upgrade-3":
        found = OldWebSocket(server, headers, OldPolling(server, headers))
    else:
        name = kind.removesuffix("-4")
        found = Today(server, headers, ["polling", "websocket"] if name == "upgrade" else [name])
    try:
        yield found
    finally:
        if not found.gone.is_set():
            found.close()


def soon(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes to hold."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False
