"""A server one is connected to, and its datasets: the handles that users hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coir.client import routes
from coir.client.address import server_url
from coir.client.call import Reach, Way, call
from coir.client.closing import AsyncClosing, Closing
from coir.client.credentials import Credentials, credentials_of
from coir.client.exchange import Operation, Request, query
from coir.client.operations import (
    Account,
    Admin,
    Annotations,
    Annotator,
    Categories,
    DatasetCalls,
    Exports,
    Images,
    Jobs,
    Models,
    Tokens,
    Undo,
)
from coir.client.reply import decoded
from coir.client.transport import AsyncTransport, Transport
from coir.errors import AuthenticationFailed
from coir.model import DatasetInfo, DatasetPage, ServerInfo

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


class _Calls(Reach[Way]):
    """What a server can be asked, in groups; ``info`` is what it said of itself."""

    def __init__(self, transport: Way, info: ServerInfo) -> None:
        super().__init__(transport)
        self.info = info
        self.account = Account(transport)
        self.admin = Admin(transport)
        self.annotations = Annotations(transport)
        self.annotator = Annotator(transport)
        self.categories = Categories(transport)
        self.exports = Exports(transport)
        self.images = Images(transport)
        self.jobs = Jobs(transport)
        self.models = Models(transport)
        self.tokens = Tokens(transport)
        self.undo = Undo(transport)

    @property
    def url(self) -> str:
        """The address below which ``/api/`` lies."""
        return self.transport.url

    @call
    def datasets(self) -> Operation[list[DatasetInfo]]:
        """List the datasets that this user may see: ``GET /api/dataset/``."""
        return routes.datasets()

    @call
    def dataset_page(self, *, page: int = 1, limit: int = 20) -> Operation[DatasetPage]:
        """List them, so many a page, counted from 1, with their counts of images.

        ``GET /api/dataset/data``.
        """
        request = Request("GET", "/api/dataset/data", query(page=page, limit=limit))
        return decoded(request, (yield request), DatasetPage)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} ({self.info.name} {self.info.version})>"


class Server(_Calls[Transport], Closing):
    """A COCO-Annotator server one is connected to; a context manager that closes itself."""

    def dataset(self, wanted: str | int) -> Dataset:
        """Give a dataset by its name or id.

        Raises:
            DatasetNotFound: there is none that this user may see.

        """
        return Dataset(self.transport.run(routes.dataset(wanted)), self)

    def create_dataset(self, name: str, categories: Sequence[str] = ()) -> Dataset:
        """Make a dataset: ``POST /api/dataset/``; categories that do not exist are made.

        Raises:
            InvalidRequest: the name is taken, or can be no folder's.

        """
        return Dataset(self.transport.run(routes.create_dataset(name, categories)), self)

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()


class AsyncServer(_Calls[AsyncTransport], AsyncClosing):
    """A COCO-Annotator server, asynchronously; use it with ``async with``."""

    async def dataset(self, wanted: str | int) -> AsyncDataset:
        """Give a dataset by its name or id, as `Server.dataset` does."""
        return AsyncDataset(await self.transport.run(routes.dataset(wanted)), self)

    async def create_dataset(self, name: str, categories: Sequence[str] = ()) -> AsyncDataset:
        """Make a dataset, as `Server.create_dataset` does."""
        made = await self.transport.run(routes.create_dataset(name, categories))
        return AsyncDataset(made, self)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()


class Dataset(DatasetCalls[Transport]):
    """A dataset on a server: what the server tells of it, and the way to reach it."""

    def __init__(self, info: DatasetInfo, server: Server) -> None:
        super().__init__(server.transport, info)
        self.server = server


class AsyncDataset(DatasetCalls[AsyncTransport]):
    """A dataset on a server, reached asynchronously."""

    def __init__(self, info: DatasetInfo, server: AsyncServer) -> None:
        super().__init__(server.transport, info)
        self.server = server


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
