"""Where a server is: an address that a person typed, made regular."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

from coir.errors import InvalidRequest

__all__ = ["server_url"]

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|://")
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
        parts = urlsplit(text if SCHEME.match(text) else f"http://{text}")
        valid = parts.port != 0 and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        parts, valid = SplitResult("", "", "", "", ""), False
    if "@" in (parts.netloc if valid else text):
        # Not shown: a mistyped address with a password in it is no less secret.
        raise InvalidRequest(
            "The server's address holds a user name or password.",
            hint="Leave them out of the address; use --username and COIR_PASSWORD.",
        )
    if not valid or any(char.isspace() for char in parts.netloc):
        raise InvalidRequest(f"'{typed}' is not the address of a server.", hint=HINT)
    path = re.sub(r"(/|/api|\s)*$", "", parts.path)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
