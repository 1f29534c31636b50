"""Another user of the same server, who asks for something small again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from bench.place import Place

__all__ = ["neighbour"]

# As often as an annotation page talks to its server while somebody works.
PAUSE = 0.1
ROUTE = "/api/user/"
TIMEOUT = 300.0


@contextmanager
def neighbour(place: Place) -> Iterator[list[float]]:
    """Give the seconds that each of a user's requests takes while the context lasts."""
    waits: list[float] = []
    ended = threading.Event()
    with place.connect() as server:
        url, cookies = server.url, dict(server.transport.cookies)

    def work() -> None:
        with httpx2.Client(base_url=url, cookies=cookies, timeout=TIMEOUT) as http:
            while not ended.wait(PAUSE):
                started = time.perf_counter()
                try:
                    http.get(ROUTE)
                except httpx2.TransportError:
                    continue  # an idle connection that the server closed
                waits.append(time.perf_counter() - started)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join(TIMEOUT)
