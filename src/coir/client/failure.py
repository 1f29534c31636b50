"""The edge where other libraries' exceptions become coir's errors."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from coir.errors import CoirError, ConnectionFailed, InvalidRequest, TLSFailed, UnexpectedAnswer

__all__ = ["configured", "local_files", "translated"]

# The roots of httpx2's exceptions: it has no common one.
FOREIGN = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, httpx2.CookieConflict)
# What h11 says when the other side went away in the middle: the network, not the protocol.
BROKEN = ("disconnected", "closed connection")
TLS_HINT = (
    "Check the host name and the date of its certificate; if a company's own authority "
    "signed it, set SSL_CERT_FILE to that authority's file."
)


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Let only coir's errors out; ``server`` is the address named in their sentences."""
    try:
        yield
    except FOREIGN as foreign:
        raise _translation(foreign, server) from foreign


@contextmanager
def configured(server: str) -> Iterator[None]:
    """Let only coir's errors out of making an HTTP client, which reads the environment."""
    try:
        with translated(server):
            yield
    except OSError as foreign:
        raise InvalidRequest(
            f"The trusted certificates cannot be read: {_reason(foreign)}.",
            hint="Check what SSL_CERT_FILE and SSL_CERT_DIR name.",
        ) from foreign
    except (ImportError, ValueError) as foreign:
        raise InvalidRequest(
            "The proxy that the environment names is of a kind that coir cannot use.",
            hint="Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; for a SOCKS proxy, "
            "run: pip install 'httpx2[socks]'",
        ) from foreign


@contextmanager
def local_files() -> Iterator[None]:
    """Let only coir's errors out of reading what is sent and writing what comes."""
    try:
        yield
    except OSError as foreign:
        named = f" {foreign.filename}" if foreign.filename else ""
        raise CoirError(
            f"The file{named} could not be read or written: {foreign.strerror or foreign}.",
            hint=_next_step(foreign),
        ) from foreign


def _next_step(foreign: OSError) -> str:
    match foreign.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "Free some space, or raise the limit on it; then run it again."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "Check who owns it and its permissions, and whether the disk takes writing."
        case _:
            return "Check that it is there, its permissions, and the space on the disk."


def _translation(foreign: Exception, server: str) -> CoirError:
    tls = _cause(foreign, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return TLSFailed(f"The certificate of {server} was not accepted: {_reason(foreign)}.",
                         hint=TLS_HINT)  # fmt: skip
    if tls is not None:
        return TLSFailed(
            f"{server} does not speak TLS: {_reason(foreign)}.",
            hint="Check the port, and whether the address begins with http:// instead.",
        )
    match foreign:
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            return ConnectionFailed(
                f"Could not connect to {server}: {_reason(foreign)}.",
                hint="Check the address and port, and that the server is running.",
            )
        case httpx2.TimeoutException():
            return ConnectionFailed(
                f"{server} did not answer in time.",
                hint="The server may be busy; try again later.",
                timed_out=True,
            )
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol():
            return InvalidRequest(
                f"'{server}' is not the address of a web server.",
                hint="An address looks like http://localhost:5000",
            )
        case httpx2.ProxyError():
            return ConnectionFailed(
                f"The proxy on the way to {server} refused: {_reason(foreign)}.",
                hint="Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
            )
        case httpx2.RemoteProtocolError() if not any(one in str(foreign) for one in BROKEN):
            return UnexpectedAnswer(
                f"{server} does not speak HTTP the way a web server does: {_reason(foreign)}.",
                hint="Check the port, and whether it wants https instead of http.",
            )
        case httpx2.DecodingError():
            return UnexpectedAnswer(
                f"The answer of {server} was damaged on its way: {_reason(foreign)}.",
                hint="Try again; if it stays, a proxy in between changes answers.",
            )
        case _:
            return ConnectionFailed(
                f"The connection to {server} broke: {_reason(foreign)}.",
                hint="The server or a proxy may have restarted; try again.",
            )


def _cause(error: BaseException | None, kind: type[Exception]) -> Exception | None:
    """Find the error of a kind that an error was raised from."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _reason(foreign: Exception) -> str:
    """Give the innermost cause in words, without a full stop."""
    return (str(foreign) or type(foreign).__name__).rstrip(".")
