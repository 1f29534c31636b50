from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
import stamina

import coir
from coir.client import Server, connect, routes
from coir.client.exchange import Operation, Request
from coir.client.reply import decoded
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    ConnectionFailed,
    DatasetNotFound,
    InvalidRequest,
    ServerFailed,
    TLSFailed,
    UnexpectedAnswer,
)
from coir.model import DatasetInfo, Image

from .misbehaving import (
    CERTIFICATE,
    CREATE,
    DATA,
    DATASETS,
    INFO,
    LOGIN,
    ME,
    UNAUTHORIZED,
    Asked,
    Fault,
    Misbehaving,
    Reply,
    Route,
    html,
    json,
    listing,
)

pytestmark = pytest.mark.usefixtures("hurried")

BIRDS = json([{"id": 1, "name": "birds"}])
BUSY = json({"message": "busy"}, 503)
NEVER = "http://127.0.0.1:9"  # the port "discard", where nothing listens


def opened(server: Misbehaving) -> Server:
    return connect(server.url, username="admin", password="hush")


@pytest.mark.parametrize(
    "replies",
    [
        [BUSY, BUSY, BIRDS],
        [json({}, 429), BIRDS],
        [html("Bad Gateway", 502), html("Gateway Timeout", 504), BIRDS],
        [Fault.RESET, BIRDS],
        [Fault.CLOSE, BIRDS],
        [Fault.RESET, Fault.CLOSE, BUSY, Fault.RESET, BIRDS],
        [json([{"id": 1, "name": "birds"}]).__class__(200, b'[{"id":', missing=9), BIRDS],
    ],
    ids=["503", "429", "gateways", "reset", "closed", "all", "truncated"],
)
def test_read_is_sent_again(replies: list[Reply]) -> None:
    """A request that changes nothing is sent again while the network or the server is at fault."""
    with Misbehaving({DATASETS: replies}) as server, opened(server) as connection:
        assert [one.name for one in connection.datasets()] == ["birds"]
        assert server.count(DATASETS) == len(replies)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(BUSY, ServerFailed), (Fault.RESET, ConnectionFailed), (Fault.CLOSE, ConnectionFailed)],
    ids=["503", "reset", "closed"],
)
def test_read_is_given_up(reply: Reply, kind: type[CoirError]) -> None:
    """What stays at fault is given up after five attempts, with the last one's error."""
    with Misbehaving({DATASETS: [reply]}) as server, opened(server) as connection:
        with pytest.raises(kind) as raised:
            connection.datasets()
        assert server.count(DATASETS) == 5
    assert raised.value.hint


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (BUSY, ServerFailed),
        (json({}, 429, retry_after="0"), ServerFailed),
        (Fault.RESET, ConnectionFailed),
        (Fault.CLOSE, ConnectionFailed),
        (json({}, 500), ServerFailed),
        (UNAUTHORIZED, AuthenticationFailed),
    ],
    ids=["503", "429", "reset", "closed", "500", "401"],
)
def test_write_is_sent_once(reply: Reply, kind: type[CoirError]) -> None:
    """A request that changes something is sent once, whatever happens to it."""
    with Misbehaving({CREATE: [reply]}) as server, opened(server) as connection:
        with pytest.raises(kind):
            connection.transport.run(routes.create_dataset("new"))
        assert server.count(CREATE) == 1
        assert server.count(LOGIN) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_sent_once(method: str) -> None:
    """Only GET is ever sent twice: an answer may be lost after the work was done."""

    def operation() -> Operation[list[DatasetInfo]]:
        request = Request(method, "/api/dataset/")
        return decoded(request, (yield request), list[DatasetInfo])

    route = f"{method} /api/dataset/"
    with Misbehaving({route: [Fault.RESET]}) as server, opened(server) as connection:
        with pytest.raises(ConnectionFailed):
            connection.transport.run(operation())
        assert server.count(route) == 1


def test_scan_of_a_folder_is_started_once() -> None:
    """The GET of the contract that starts a job is sent once."""
    route = "GET /api/dataset/1/scan"
    with Misbehaving({route: [Fault.RESET]}) as server, opened(server) as connection:
        with pytest.raises(ConnectionFailed):
            connection.dataset("birds").scan_folder()
        assert server.count(route) == 1


def _page(server: Server) -> object:
    return server.transport.run(routes.images(1, {"limit": "1", "order": "id"}, Image))


@pytest.mark.parametrize("status", [500, 404])
def test_no_dataset(status: int) -> None:
    """A 500 or 404 for a dataset that the list does not have means that there is none."""
    data: dict[str, Route] = {DATA: [json({}, status)], DATASETS: [json([])]}
    with Misbehaving(data) as server, opened(server) as connection:
        with pytest.raises(DatasetNotFound):
            _page(connection)
        assert (server.count(DATA), server.count(DATASETS)) == (1, 1)


def test_dataset_that_fails() -> None:
    """A 500 for a dataset that the list does have is the server's own, and is not repeated."""
    with Misbehaving({DATA: [json({}, 500)]}) as server, opened(server) as connection:
        with pytest.raises(ServerFailed) as raised:
            _page(connection)
        assert (server.count(DATA), server.count(DATASETS)) == (1, 1)
    assert raised.value.status == 500


def test_pause_that_is_asked_for() -> None:
    """The pause is the one that Retry-After asks for."""
    with stamina.set_testing(False):
        replies = [json({}, 429, retry_after="1"), BIRDS]
        with Misbehaving({DATASETS: replies}) as server, opened(server) as connection:
            started = time.monotonic()
            connection.datasets()
            assert 1.0 <= time.monotonic() - started < 3.0


def test_pause_that_is_too_long() -> None:
    """A server that asks to be left alone for an hour is left alone, and the user told so."""
    later = json({}, 429, retry_after="3600")
    with Misbehaving({DATASETS: [later]}) as server, opened(server) as connection:
        with pytest.raises(ServerFailed) as raised:
            connection.datasets()
        assert server.count(DATASETS) == 1
    assert raised.value.retry_after == 3600


def test_session_is_renewed() -> None:
    """When the session ends, it is renewed, and the request sent again with the new one."""
    logins = [
        json({"success": True}, set_cookie=f"session={name}; Path=/") for name in ("one", "two")
    ]
    with (
        Misbehaving({LOGIN: logins, DATASETS: [BIRDS, UNAUTHORIZED, BIRDS]}) as server,
        opened(server) as connection,
    ):
        connection.datasets()
        assert [one.name for one in connection.datasets()] == ["birds"]
        sent = [asked.headers["cookie"] for asked in server.asked if asked.route == DATASETS]
        assert sent == ["session=one", "session=one", "session=two"]


def test_session_is_renewed_once() -> None:
    """A server that refuses the renewed session too is believed."""
    with Misbehaving({DATASETS: [UNAUTHORIZED]}) as server, opened(server) as connection:
        with pytest.raises(AuthenticationFailed):
            connection.datasets()
        assert (server.count(LOGIN), server.count(DATASETS)) == (2, 2)


def test_session_of_a_browser_is_not_renewed() -> None:
    """Without a password there is no new session: the end of the old one is the answer."""
    with Misbehaving({DATASETS: [UNAUTHORIZED]}) as server:
        with connect(server.url, token="old") as connection, pytest.raises(AuthenticationFailed):
            connection.datasets()
        assert (server.count(LOGIN), server.count(DATASETS)) == (0, 1)


def test_password_changed_meanwhile() -> None:
    """When the session ends and the password does not hold any more, that is what is said."""
    refused = json({"success": False, "message": "Could not authenticate user"}, 400)
    login = json({"success": True}, set_cookie="session=one; Path=/")
    with (
        Misbehaving({LOGIN: [login, refused], DATASETS: [UNAUTHORIZED]}) as server,
        opened(server) as connection,
        pytest.raises(AuthenticationFailed, match="does not accept this password"),
    ):
        connection.datasets()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("route", [INFO, LOGIN, DATASETS])
def test_redirect_to_another_host(route: str, status: int) -> None:
    """A redirect is not followed: no request, and no password, reaches the other host."""
    with Misbehaving() as other:
        path = route.split()[1]
        away = json({}, status, location=f"{other.url}{path}")
        with Misbehaving({route: [away]}) as server:
            with (
                pytest.raises(UnexpectedAnswer, match=other.url) as raised,
                opened(server) as connection,
            ):
                connection.datasets()
            assert server.count(route) == 1
        assert (other.asked, other.connections) == ([], 0)
    assert "hush" not in f"{raised.value!r}"


def test_no_password_to_what_is_no_annotator() -> None:
    """The password is sent only after the server said what it is."""
    with Misbehaving({INFO: [html("Sign in - ACME")]}) as server:
        with pytest.raises(UnexpectedAnswer, match="a web page titled 'Sign in - ACME'"):
            opened(server)
        assert [asked.route for asked in server.asked] == [INFO]
        assert all("hush" not in str(asked) for asked in server.asked)


@pytest.mark.parametrize(
    ("replies", "kind", "says"),
    [
        ([html("Sign in")], UnexpectedAnswer, "a web page titled 'Sign in'"),
        ([json([])], UnexpectedAnswer, "JSON of another kind"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], UnexpectedAnswer, "does not speak HTTP"),
        ([b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nno"],
         UnexpectedAnswer, "damaged"),
        ([json({}, 500)], ServerFailed, "status 500"),
        ([Fault.RESET], ConnectionFailed, "broke"),
        ([Fault.CLOSE], ConnectionFailed, "broke"),
    ],
    ids=["page", "list", "ssh", "gzip", "500", "reset", "closed"],
)  # fmt: skip
def test_greeting(replies: list[Reply], kind: type[CoirError], says: str) -> None:
    """What answers but is no COCO-Annotator server is told at once, with what it looked like."""
    with Misbehaving({INFO: replies}) as server:
        with pytest.raises(kind, match=says) as raised:
            opened(server)
        assert server.count(INFO) <= 2
    assert type(raised.value) is kind
    assert raised.value.hint


def test_refused() -> None:
    """A port where nothing listens is a failure to connect."""
    with pytest.raises(ConnectionFailed, match=f"Could not connect to {NEVER}"):
        connect(NEVER)


def test_unknown_host() -> None:
    """A name that nobody has is a failure to connect."""
    with pytest.raises(ConnectionFailed, match=r"Could not connect to http://nowhere\.invalid"):
        connect("http://nowhere.invalid")


def test_hang() -> None:
    """A server that accepts and never answers is given up after the time of the request."""

    def impatient() -> Operation[list[DatasetInfo]]:
        request = Request("GET", "/api/dataset/", read_timeout=0.2)
        return decoded(request, (yield request), list[DatasetInfo])

    with Misbehaving({DATASETS: [Fault.HANG]}) as server, opened(server) as connection:
        with pytest.raises(ConnectionFailed, match="did not answer in time") as raised:
            connection.transport.run(impatient())
        assert server.count(DATASETS) == 1
    assert raised.value.timed_out


def _trusting(patch: pytest.MonkeyPatch, authority: Path | None) -> None:
    patch.delenv("SSL_CERT_DIR", raising=False)
    if authority is None:
        patch.delenv("SSL_CERT_FILE", raising=False)
    else:
        patch.setenv("SSL_CERT_FILE", str(authority))


def test_self_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is not accepted, and not tried again."""
    _trusting(monkeypatch, None)
    with Misbehaving(tls=True) as server:
        with pytest.raises(TLSFailed, match=r"certificate of .* was not accepted") as raised:
            opened(server)
        assert (server.asked, server.connections) == ([], 1)
    assert "SSL_CERT_FILE" in raised.value.hint


def test_authority_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With SSL_CERT_FILE, as the hint says, the same certificate is accepted for its name."""
    _trusting(monkeypatch, CERTIFICATE)
    with Misbehaving(tls=True) as server:
        with connect(f"https://localhost:{server.port}") as connection:
            assert [one.name for one in connection.datasets()] == ["birds"]
        with pytest.raises(TLSFailed, match=r"certificate of .* was not accepted"):
            connect(server.url)  # 127.0.0.1 is not in it


def test_authority_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An SSL_CERT_FILE that cannot be read is said so."""
    _trusting(monkeypatch, tmp_path / "missing.pem")
    with pytest.raises(InvalidRequest, match="certificates cannot be read"):
        connect("https://localhost:9")


def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment is used for other hosts, and never for one's own machine."""
    with Misbehaving() as server:
        monkeypatch.setenv("HTTP_PROXY", NEVER)
        with connect(server.url) as connection:
            assert connection.info.name == "COCO Annotator"
        with pytest.raises(ConnectionFailed, match="Connection refused"):
            connect("http://labels.example")
        monkeypatch.setenv("HTTP_PROXY", server.url)
        with connect("http://labels.example"):
            pass
        assert server.asked[-1].headers["host"] == "labels.example"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "gopher://127.0.0.1:70"])
def test_proxy_of_another_kind(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be used is said so, with what to install or check."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InvalidRequest, match="proxy") as raised:
        connect("http://labels.example")
    assert "ALL_PROXY" in raised.value.hint


def test_https_to_http() -> None:
    """https to a server that speaks http is a failure of TLS, with the likely remedy."""
    with Misbehaving() as server, pytest.raises(TLSFailed, match="not speak TLS") as raised:
        connect(server.url.replace("http", "https"))
    assert "http://" in raised.value.hint


def test_http_to_https() -> None:
    """http to a server that speaks https is an error of coir's, tried twice at the most."""
    with Misbehaving(tls=True) as server:
        with pytest.raises((ConnectionFailed, UnexpectedAnswer)):
            connect(server.url.replace("https", "http"))
        assert server.connections <= 2


def test_retries_are_counted() -> None:
    """The certificate says how often a request was sent in vain, and that the list is whole."""
    ids = range(10, 40)
    answers = listing(ids)
    turns = iter([BUSY, Fault.RESET])
    routes_: dict[str, Route] = {DATA: lambda asked: next(turns, None) or answers(asked)}
    with Misbehaving(routes_) as server, opened(server) as connection:
        scan = coir.Scan(connection.dataset("birds"), concurrency=1)
        assert list(scan.ids()) == list(ids)
    assert scan.certificate.verdict is coir.Verdict.COMPLETE
    assert scan.certificate.retries == 2


def _asynchronously(url: str, act: Callable[[coir.AsyncServer], object]) -> object:
    async def run() -> object:
        async with await coir.connect_async(url, username="admin", password="hush") as server:
            return await act(server)  # type: ignore[misc]

    return anyio.run(run)


def test_asynchronous_policy() -> None:
    """The asynchronous client retries, gives up and renews the session as the other does."""
    replies = [BUSY, Fault.RESET, UNAUTHORIZED, BIRDS]
    with Misbehaving({DATASETS: replies, CREATE: [BUSY]}) as server:
        found = _asynchronously(server.url, lambda one: one.datasets())
        assert [one.name for one in found] == ["birds"]  # type: ignore[attr-defined]
        assert (server.count(DATASETS), server.count(LOGIN)) == (4, 2)
        with pytest.raises(ServerFailed):
            _asynchronously(server.url, lambda one: one.transport.run(routes.create_dataset("new")))
        assert server.count(CREATE) == 1


def test_asynchronous_redirect() -> None:
    """The asynchronous client follows no redirect either."""
    with Misbehaving() as other:
        away = json({}, 302, location=f"{other.url}/api/dataset/")
        with Misbehaving({DATASETS: [away]}) as server, pytest.raises(UnexpectedAnswer):
            _asynchronously(server.url, lambda one: one.datasets())
        assert (other.asked, other.connections) == ([], 0)


def _datasets(url: str) -> list[DatasetInfo]:
    with connect(url) as connection:
        return connection.datasets()


def _datasets_asynchronously(url: str) -> list[DatasetInfo]:
    datasets: list[DatasetInfo] = _asynchronously(url, lambda one: one.datasets())
    return datasets


@pytest.mark.parametrize("read", [_datasets, _datasets_asynchronously])
def test_an_answer_that_drips(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[str], list[DatasetInfo]]
) -> None:
    """A byte now and then does not keep anybody waiting for good: it counts as a time-out."""
    monkeypatch.setattr("coir.client.transport.ANSWER_TIMEOUT", 0.3)
    drip = replace(BIRDS, body=b" " * 1000 + BIRDS.body, pause=0.01)
    with Misbehaving({DATASETS: [drip]}) as server:
        started = time.monotonic()
        with pytest.raises(ConnectionFailed) as raised:
            read(server.url)
        assert 0.3 <= time.monotonic() - started < 5
    assert raised.value.timed_out


def test_every_request_keeps_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries, renewed logins and the requests for details wait their turn as well."""
    at: list[float] = []
    send = Misbehaving._next

    def noted(server: Misbehaving, asked: Asked) -> Reply:
        at.append(time.monotonic())
        return send(server, asked)

    monkeypatch.setattr(Misbehaving, "_next", noted)
    expired: list[Reply] = [BUSY, BUSY, UNAUTHORIZED, BUSY]
    normal = listing([5, 7, 9])
    details = "GET /api/image/"

    def data(asked: Asked) -> Reply:
        return expired.pop(0) if expired else normal(asked)

    one = json({"images": [], "total": 0, "per_page": 1})
    gone = json({"success": False, "message": "Could not load image"}, 400)
    singles = {f"GET /api/annotator/data/{image_id}": [gone] for image_id in (5, 7, 9)}
    routes_ = {DATA: data, details: [one], **singles}
    with Misbehaving(routes_) as server, opened(server) as connection:
        dataset = connection.dataset("birds")
        at.clear()
        scan = coir.Scan(dataset, fields=["width"], max_rps=50)
        assert [image.id for image in scan] == [5, 7, 9]
        assert server.count(LOGIN) == 2
        assert server.count(details) >= 1
        assert sum("/api/annotator/data/" in asked.path for asked in server.asked) == 3
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert len(gaps) > 10
    assert sum(gaps) >= 0.95 * len(gaps) / 50


@pytest.mark.parametrize(
    ("given", "method", "said"),
    [
        ({"token": "coir_hush"}, "GET", "this API token any more"),
        ({"token": "hush"}, "GET", "this session cookie any more"),
        ({"username": "bob", "password": "hush", "basic": True}, "GET", "name and password any"),
        ({"username": "bob", "password": "hush"}, "GET", "this password for user 'bob' any more"),
        ({"username": "bob", "password": "hush"}, "POST", "The session has ended"),
    ],
)
def test_credentials_that_end(given: dict[str, Any], method: str, said: str) -> None:
    """They were accepted before: who holds them is told that they ended, and what is next."""
    refused = json({"success": False, "message": "Could not authenticate user"}, 400)
    welcome = json({"success": True}, set_cookie="session=fresh; HttpOnly; Path=/")
    me = json({"user": {"username": "bob"}})
    known = {LOGIN: [welcome, refused], ME: [me], DATASETS: [UNAUTHORIZED], CREATE: [UNAUTHORIZED]}
    with (
        Misbehaving(known) as server,
        connect(server.url, **given) as connection,
        pytest.raises(AuthenticationFailed, match=said) as told,
    ):
        connection.datasets() if method == "GET" else connection.create_dataset("x")
    assert "un it again" in told.value.hint
    assert "hush" not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_secrets_stay_secret(url: str) -> None:
    """No error of a connection shows the password or the cookie, however it is printed."""
    for given in ({"username": "admin", "password": "hush"}, {"token": "hush"}):
        with pytest.raises(CoirError) as raised:
            connect(url, **given)
        chain: BaseException | None = raised.value
        while chain is not None:
            assert "hush" not in f"{chain!r} {chain} {vars(chain)}"
            chain = chain.__cause__ or chain.__context__


def test_transport_is_closed_when_connecting_fails() -> None:
    """A connection that fails leaves no socket open: warnings are errors here."""
    with (
        Misbehaving({ME: [UNAUTHORIZED]}) as server,
        pytest.raises(AuthenticationFailed, match="does not accept this session cookie"),
    ):
        connect(server.url, token="old")
