"""Where a server is: an address that a person typed, made regular."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit, urlunsplit

from coir.errors import InvalidRequest

__all__ = ["server_url"]

HINT = "Give the address that the browser shows, for example http://localhost:5000"


def server_url(typed: str) -> str:
    """Give the URL below which ``/api/`` lies, without a slash at its end.

    A missing scheme means http; a trailing ``/api`` (as in many copied scripts) and the
    browser's ``#/…`` are dropped; a path prefix stays.

    Raises:
        InvalidRequest: it is not the address of a web server.

    """
    text = typed.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid, parts = False, SplitResult("", "", "", "", "")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_valid:
        raise InvalidRequest(f"'{typed}' is not the address of a server.", hint=HINT)
    if parts.username or parts.password:
        raise InvalidRequest(
            "The server's address holds a user name or password.",
            hint="Leave them out of the address; use --username and COIR_PASSWORD.",
        )
    path = parts.path.rstrip("/").removesuffix("/api").rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
