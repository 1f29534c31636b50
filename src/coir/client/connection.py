"""A server one is connected to, and its datasets: the handles that users hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from coir.client import routes
from coir.client.address import server_url
from coir.client.credentials import Credentials, credentials_of
from coir.client.exchange import Operation
from coir.client.transport import AsyncTransport, Transport
from coir.errors import AuthenticationFailed
from coir.model import DatasetInfo, ServerInfo

__all__ = ["AsyncDataset", "AsyncServer", "Dataset", "Server", "connect", "connect_async"]

NO_SESSION = AuthenticationFailed(
    "The server does not accept this session cookie.",
    hint="It may have expired: log in again in the browser, or use a user name and password.",
)

NO_TOKEN = AuthenticationFailed(
    "The server does not accept this API token.",
    hint="It may have expired or been revoked, which a change of the password does too: make "
    "another.",
)

WRONG_PASSWORD = AuthenticationFailed(
    "The server does not accept this user name and password.",
    hint="Check the spelling of both; the password is case-sensitive.",
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset on a server: what the server tells of it, and the way to reach it."""

    info: DatasetInfo
    server: Server = field(repr=False)


@dataclass(frozen=True, slots=True)
class AsyncDataset:
    """A dataset on a server, reached asynchronously."""

    info: DatasetInfo
    server: AsyncServer = field(repr=False)


class Server:
    """A COCO-Annotator server one is connected to; a context manager that closes itself."""

    def __init__(self, transport: Transport, info: ServerInfo) -> None:
        self.transport = transport
        self.info = info

    @property
    def url(self) -> str:
        """The address below which ``/api/`` lies."""
        return self.transport.url

    def datasets(self) -> list[DatasetInfo]:
        """List the datasets that this user may see (``GET /api/dataset/``)."""
        return self.transport.run(routes.datasets())

    def dataset(self, wanted: str | int) -> Dataset:
        """Give a dataset by its name or id.

        Raises:
            DatasetNotFound: there is none that this user may see.

        """
        return Dataset(self.transport.run(routes.dataset(wanted)), self)

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.url} ({self.info.name} {self.info.version})>"


class AsyncServer:
    """A COCO-Annotator server, asynchronously; use it with ``async with``."""

    def __init__(self, transport: AsyncTransport, info: ServerInfo) -> None:
        self.transport = transport
        self.info = info

    @property
    def url(self) -> str:
        """The address below which ``/api/`` lies."""
        return self.transport.url

    async def datasets(self) -> list[DatasetInfo]:
        """List the datasets that this user may see (``GET /api/dataset/``)."""
        return await self.transport.run(routes.datasets())

    async def dataset(self, wanted: str | int) -> AsyncDataset:
        """Give a dataset by its name or id.

        Raises:
            DatasetNotFound: there is none that this user may see.

        """
        return AsyncDataset(await self.transport.run(routes.dataset(wanted)), self)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncServer {self.url} ({self.info.name} {self.info.version})>"


def connect(
    url: str,
    *,
    username: str | None = None,
    password: str | None = None,
    token: Mapping[str, str] | str | None = None,
    basic: bool = False,
) -> Server:
    """Connect to a server, and log in when a user name is given.

    Args:
        url: the address that the browser shows, for example ``http://localhost:5000``.
        username: who to log in as; with it, a session that has ended is renewed.
        password: the password of that user.
        token: instead of both, an API token of coir's own server (``coir_…``), or the
            cookies of a session: a mapping, a ``Cookie`` header, or the value of the cookie
            ``session``.
        basic: send user name and password with each request instead of logging in once;
            the original takes about a tenth of a second to check them each time.

    Raises:
        ConnectionFailed, TLSFailed: there is no answer.
        UnexpectedAnswer: what answers is not a COCO-Annotator server.
        AuthenticationFailed: wrong user name or password.

    """
    credentials = credentials_of(username, password, token, basic)
    transport = Transport(server_url(url), credentials)
    try:
        return Server(transport, transport.run(_greeting(credentials)))
    except BaseException:
        transport.close()
        raise


async def connect_async(
    url: str,
    *,
    username: str | None = None,
    password: str | None = None,
    token: Mapping[str, str] | str | None = None,
    basic: bool = False,
) -> AsyncServer:
    """Connect as `connect` does, asynchronously: use it with ``async with``."""
    credentials = credentials_of(username, password, token, basic)
    transport = AsyncTransport(server_url(url), credentials)
    try:
        return AsyncServer(transport, await transport.run(_greeting(credentials)))
    except BaseException:
        await transport.close()
        raise


def _greeting(credentials: Credentials) -> Operation[ServerInfo]:
    """Find out what answers, before any password is sent to it."""
    info = yield from routes.info()
    if credentials.can_log_in:
        yield from routes.login(credentials)
    elif credentials.cookies or credentials.basic or credentials.token:
        try:
            yield from routes.me()
        except AuthenticationFailed:
            raise _not_accepted(credentials) from None
    return info


def _not_accepted(credentials: Credentials) -> AuthenticationFailed:
    if credentials.token:
        return NO_TOKEN
    return WRONG_PASSWORD if credentials.basic else NO_SESSION
