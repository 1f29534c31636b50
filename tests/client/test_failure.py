from __future__ import annotations

import inspect
import ssl
from collections.abc import Iterator

import httpx2
import pytest

from coir.client.failure import translated
from coir.errors import CoirError, ConnectionFailed, InvalidRequest, TLSFailed, UnexpectedAnswer

SERVER = "http://localhost:5000"
REQUEST = httpx2.Request("GET", f"{SERVER}/api/info/")


def _below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _foreign() -> list[type[Exception]]:
    """Every exception that httpx2 has, whether or not it is below its own root."""
    shown = vars(httpx2).values()
    roots = {one for one in shown if inspect.isclass(one) and issubclass(one, Exception)}
    found = {kind for root in roots for kind in _below(root)}
    mine = [kind for kind in found if kind.__module__.split(".")[0] == "httpx2"]
    return sorted(
        (kind for kind in mine if not issubclass(kind, Warning)), key=lambda kind: kind.__name__
    )


def _made(kind: type[Exception]) -> Exception:
    """An exception of a kind, with whatever its constructor asks for."""
    made = kind.__new__(kind)
    Exception.__init__(made, "as they say.")
    return made


def test_tree_is_walked() -> None:
    """The walk over httpx2's exceptions finds the ones outside of its own tree too."""
    names = {kind.__name__ for kind in _foreign()}
    assert {"HTTPError", "ReadError", "StreamClosed", "InvalidURL", "CookieConflict"} <= names


@pytest.mark.parametrize("kind", _foreign(), ids=lambda kind: kind.__name__)
def test_every_foreign_error(kind: type[Exception]) -> None:
    """Every exception of httpx2 becomes one of coir's, with a sentence and a hint."""
    with pytest.raises(CoirError) as raised, translated(SERVER):
        raise _made(kind)
    assert raised.value.message.endswith(".")
    assert ".." not in raised.value.message
    assert raised.value.hint
    assert isinstance(raised.value.__cause__, kind)


@pytest.mark.parametrize(
    ("foreign", "kind"),
    [
        (httpx2.ConnectError("refused"), ConnectionFailed),
        (httpx2.ConnectTimeout("slow"), ConnectionFailed),
        (httpx2.ReadTimeout("slow"), ConnectionFailed),
        (httpx2.ReadError("reset"), ConnectionFailed),
        (httpx2.RemoteProtocolError("Server disconnected"), ConnectionFailed),
        (httpx2.RemoteProtocolError("peer closed connection"), ConnectionFailed),
        (httpx2.RemoteProtocolError("illegal status line"), UnexpectedAnswer),
        (httpx2.DecodingError("not gzip"), UnexpectedAnswer),
        (httpx2.InvalidURL("no"), InvalidRequest),
        (httpx2.UnsupportedProtocol("no"), InvalidRequest),
    ],
    ids=str,
)
def test_kind(foreign: Exception, kind: type[CoirError]) -> None:
    """What broke decides the kind of error, and so its exit code."""
    with pytest.raises(CoirError) as raised, translated(SERVER):
        raise foreign
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("foreign", "timed_out"),
    [(httpx2.ReadTimeout(""), True), (httpx2.ConnectTimeout(""), False),
     (httpx2.ReadError(""), False)],
)  # fmt: skip
def test_timed_out(foreign: Exception, timed_out: bool) -> None:
    """Only an answer that was begun too late counts as asking for too much."""
    with pytest.raises(ConnectionFailed) as raised, translated(SERVER):
        raise foreign
    assert raised.value.timed_out is timed_out


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (ssl.SSLCertVerificationError("self-signed"), "certificate"),
        (ssl.SSLError("wrong version number"), "does not speak TLS"),
    ],
)
def test_tls(cause: ssl.SSLError, says: str) -> None:
    """A failure of TLS is told from other failures to connect, however deep it lies."""
    inner, outer = httpx2.TransportError("inner"), httpx2.ConnectError("outer")
    inner.__context__, outer.__cause__ = cause, inner
    with pytest.raises(TLSFailed, match=says), translated(SERVER):
        raise outer


def test_others_pass() -> None:
    """What is nobody's network error, such as an interrupt, passes unchanged."""
    for mine in (KeyboardInterrupt(), ValueError("mine"), InvalidRequest("mine")):
        with pytest.raises(type(mine)) as raised, translated(SERVER):
            raise mine
        assert raised.value is mine
