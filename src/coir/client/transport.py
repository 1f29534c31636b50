"""Sends requests over HTTP: one policy, a synchronous and an asynchronous sender.

What is retried, and how long to wait, is decided here once: connection failures, 429,
502, 503 and 504, for requests that change nothing, with exponential backoff and jitter,
or the time that ``Retry-After`` asks for. A 500 is not retried: on the original it means
"no such dataset" as often as trouble. Redirects are never followed, so that credentials
reach no other host. Who was allowed only so many requests a second waits before each of them,
retries and logins as well.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, Generic, Self, TypeVar
from urllib.request import getproxies

import anyio
import httpx2
import stamina

from coir.client.clock import ServerClock
from coir.client.closing import AsyncClosing, Closing
from coir.client.credentials import Credentials
from coir.client.exchange import Answer, Operation, Request, Sink
from coir.client.failure import configured, local_files, translated
from coir.client.reply import BUSY, checked
from coir.client.routes import login
from coir.client.throttle import Throttle
from coir.errors import ConnectionFailed, ServerFailed, TLSFailed
from coir.version import __version__

__all__ = ["AsyncTransport", "Transport"]

T = TypeVar("T")
Http = TypeVar("Http", httpx2.Client, httpx2.AsyncClient)

# Retries are told in the certificate; who configures logging sees them there as well, and
# nobody else finds them on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())

CONNECT_TIMEOUT = 10.0
# The longest that an answer may take to come whole, where it is kept in memory: what asks for
# answers of half a second must not wait for good because each byte comes in time. On the original
# the worker is killed after 180 s; the ids of a hundred million images come in less.
ANSWER_TIMEOUT = 300.0
# Longer than any pause a server announces while it restarts, shorter than a coffee break.
DEADLINE = 120.0
WAIT_INITIAL, WAIT_MAX, WAIT_JITTER = 0.2, 8.0, 0.5
# No proxy is the way to one's own machine, whatever HTTP_PROXY says of the rest of the world.
DIRECT = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))


def _untold() -> None:
    """Tell nobody of a request."""


class _Wire(Generic[Http]):
    """What both transports hold: where the server is, who asks, and an HTTP client."""

    _make: type[Http]

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url
        self.credentials = credentials
        self.throttle = Throttle()
        self.clock = ServerClock()
        self.sending = _untold
        with configured(url):
            self._http: Http = self._make(**_settings(url, credentials))

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies of the session, for a program that brings its own HTTP."""
        return dict(self._http.cookies)

    def paced(self, throttle: Throttle) -> Self:
        """Give the same transport, over the same connections, with the pace of ``throttle``."""
        other = copy.copy(self)
        other.throttle = throttle
        return other

    def telling(self, sending: Callable[[], None]) -> Self:
        """Give the same transport, over the same connections, that tells of each request it sends.

        Those that are sent again and logins are among them; any thread may tell.
        """
        other = copy.copy(self)
        other.sending = sending
        return other

    def adopt(self, credentials: Credentials) -> None:
        """Be somebody else from now on; the session is whatever the server made it."""
        self.credentials = credentials
        self._http.headers.pop("authorization", None)
        self._http.headers.update(_bearer(credentials))
        self._http.auth = (
            httpx2.BasicAuth(*basic) if (basic := _basic(credentials)) else httpx2.Auth()
        )

    def _request(self, request: Request) -> httpx2.Request:
        built: httpx2.Request = self._http.build_request(**_arguments(request))
        return built


class Transport(_Wire[httpx2.Client], Closing):
    """Runs operations against one server, synchronously; threads may share it."""

    _make = httpx2.Client

    def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end and give its result."""
        answer: Answer | None = None
        with closing(operation):
            try:
                while True:
                    request = operation.send(answer) if answer else next(operation)
                    answer = self._renewed(request)
            except StopIteration as stop:
                result: T = stop.value
                return result

    def pieces(self, request: Request) -> Generator[bytes]:
        """Give the body of a successful answer while it comes; retried until it begins."""
        answer = self._renewed(replace(request, open=True))
        with closing(checked(request, answer).response) as response, translated(self.url):
            yield from response.iter_bytes()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _renewed(self, request: Request) -> Answer:
        answer = self._patient(request)
        if _session_ended(request, answer, self.credentials):
            self.run(login(self.credentials, again=True))
            answer = self._patient(request)
        return answer

    def _patient(self, request: Request) -> Answer:
        for attempt in _attempts(request):
            with attempt:
                answer = self._once(request)
                answer = _not_busy(request, answer)
                return replace(answer, retries=attempt.num - 1, proof=self.credentials.kind)
        raise AssertionError  # stamina raises what the last attempt raised

    def _once(self, request: Request) -> Answer:
        time.sleep(request.delay + self.throttle.delay())
        self.sending()
        started = time.perf_counter()
        with translated(self.url), local_files():
            response = self._http.send(self._request(request), stream=True)
            self.clock.hear(response.headers)
            body = Body(request, response, started)
            if not body.is_left_open:
                with closing(response):
                    for piece in response.iter_bytes():
                        body.take(piece)
        return body.answer()


class AsyncTransport(_Wire[httpx2.AsyncClient], AsyncClosing):
    """Runs operations against one server, asynchronously, on asyncio or trio."""

    _make = httpx2.AsyncClient

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end and give its result."""
        answer: Answer | None = None
        with closing(operation):
            try:
                while True:
                    request = operation.send(answer) if answer else next(operation)
                    answer = await self._renewed(request)
            except StopIteration as stop:
                result: T = stop.value
                return result

    async def pieces(self, request: Request) -> AsyncGenerator[bytes]:
        """Give the body of a successful answer while it comes; retried until it begins."""
        answer = await self._renewed(replace(request, open=True))
        async with aclosing(checked(request, answer).response) as response:
            with translated(self.url):
                async for piece in response.aiter_bytes():
                    yield piece

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _renewed(self, request: Request) -> Answer:
        answer = await self._patient(request)
        if _session_ended(request, answer, self.credentials):
            await self.run(login(self.credentials, again=True))
            answer = await self._patient(request)
        return answer

    async def _patient(self, request: Request) -> Answer:
        async for attempt in _attempts(request):
            with attempt:
                answer = await self._once(request)
                answer = _not_busy(request, answer)
                return replace(answer, retries=attempt.num - 1, proof=self.credentials.kind)
        raise AssertionError  # stamina raises what the last attempt raised

    async def _once(self, request: Request) -> Answer:
        await anyio.sleep(request.delay + self.throttle.delay())
        self.sending()
        started = time.perf_counter()
        with translated(self.url), local_files():
            response = await self._http.send(self._request(request), stream=True)
            self.clock.hear(response.headers)
            body = Body(request, response, started)
            if not body.is_left_open:
                async with aclosing(response):
                    async for piece in response.aiter_bytes():
                        body.take(piece)
        return body.answer()


class Body:
    """The body of an answer while it comes: into memory, into a file, or left to the caller.

    Only a success goes into the file; what an earlier attempt left there is removed.
    """

    def __init__(self, request: Request, response: httpx2.Response, started: float) -> None:
        self._response = response
        self._started = started
        self._pieces: list[bytes] = []
        self._file: Sink | None = request.into if response.is_success else None
        self.is_left_open = response.is_success and request.open
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def take(self, piece: bytes) -> None:
        """Take a piece of it.

        Raises:
            httpx2.ReadTimeout: it has taken too long by now.

        """
        if self._file is not None:
            self._file.write(piece)
            return
        self._pieces.append(piece)
        if self._seconds > ANSWER_TIMEOUT:
            raise httpx2.ReadTimeout("The answer takes too long.")

    def answer(self) -> Answer:
        """Give the answer, with what of its body is in memory."""
        return Answer(
            self._response.status_code,
            self._response.headers,
            b"".join(self._pieces),
            self._seconds,
            response=self._response if self.is_left_open else None,
        )

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started


HEADERS = {
    "user-agent": f"coir/{__version__}",
    "accept": "application/json",
    # An answer of a cache would be certified as the server's of this moment.
    "cache-control": "no-cache",
    # A small answer that unpacks to a huge one could take all memory.
    "accept-encoding": "identity",
}


def _settings(url: str, credentials: Credentials) -> dict[str, Any]:
    return {
        "base_url": url,
        "cookies": dict(credentials.cookies),
        "mounts": DIRECT,
        "headers": HEADERS | _bearer(credentials),
        "follow_redirects": False,
        "auth": _basic(credentials),
        # Reading the machine's certificates takes 50 ms: not where there is no TLS, neither
        # to the server nor to a proxy.
        "verify": url.startswith("https:") or bool(getproxies()),
    }


def _bearer(credentials: Credentials) -> dict[str, str]:
    return {"authorization": f"Bearer {credentials.token}"} if credentials.token else {}


def _basic(credentials: Credentials) -> tuple[str, str] | None:
    if not credentials.basic or credentials.username is None:
        return None
    return credentials.username, credentials.password or ""


def _arguments(request: Request) -> dict[str, Any]:
    timeout = httpx2.Timeout(request.read_timeout, connect=CONNECT_TIMEOUT)
    arguments: dict[str, Any] = {"method": request.method, "url": request.path, "timeout": timeout}
    if request.params:
        arguments["params"] = dict(request.params)
    if request.json is not None:
        arguments["json"] = request.json
    headers = {"accept": "*/*"} if request.open or request.into is not None else {}
    if headers or request.headers:
        arguments["headers"] = headers | dict(request.headers)
    if request.form is not None:
        arguments |= {"data": dict(request.form), "files": dict(request.files or {})}
    return arguments


def _attempts(request: Request) -> Any:
    return stamina.retry_context(
        on=_backoff,
        attempts=request.attempts if request.safe else 1,
        timeout=DEADLINE,
        wait_initial=WAIT_INITIAL,
        wait_max=WAIT_MAX,
        wait_jitter=WAIT_JITTER,
    )


def _backoff(error: Exception) -> bool | float:
    """Say whether to send again, or after how many seconds."""
    match error:
        case TLSFailed():
            return False
        case ConnectionFailed(timed_out=timed_out):
            # A request that timed out is asking for too much: whoever planned it must ask for less.
            return not timed_out
        case ServerFailed(retry_after=float(seconds)):
            # Nobody waits longer without a word; sending earlier is what was asked not to do.
            return seconds if seconds <= DEADLINE else False
        case ServerFailed():
            return True
        case _:
            return False


def _not_busy(request: Request, answer: Answer) -> Answer:
    """Raise for a status that says "not now", so that the request is sent again."""
    return checked(request, answer) if answer.status in BUSY else answer


def _session_ended(request: Request, answer: Answer, credentials: Credentials) -> bool:
    return answer.status == 401 and credentials.can_log_in and request.method == "GET"
