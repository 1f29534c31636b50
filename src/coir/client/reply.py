"""What an answer means: its status as an error, its body as typed values."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from threading import Lock
from time import time
from typing import Any, TypeVar

import msgspec

from coir.client.exchange import Answer, Request
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
    UnexpectedAnswer,
)

__all__ = ["checked", "decoded", "not_json", "refusal"]

T = TypeVar("T")

NOT_COCO_HINT = (
    "Check the address: open it in a browser and see whether COCO-Annotator appears. "
    "A proxy's login page in between gives the same answer."
)
# What the original, and coir's server, answer with 401 to who is known, and no administrator.
NOT_ADMIN = "Access denied"
# What a 401 means, by the kind of the credentials, and what is next.
NOT_KNOWN = {
    "": (
        "The server asks for a user name and password.",
        "Give --username (the password is asked for), or set COIR_USERNAME and COIR_PASSWORD.",
    ),
    "token": (
        "The server does not accept this API token any more.",
        "It has expired, or was revoked, which a change of the password does too: make another, "
        "and run it again.",
    ),
    "cookies": (
        "The server does not accept this session cookie any more.",
        "It has expired, or was ended: log in again in the browser, or use a user name and "
        "password, and run it again.",
    ),
    "basic": (
        "The server does not accept this user name and password any more.",
        "The password was changed, or the user was removed: run it again with those of now.",
    ),
    "password": (
        "The session has ended.",
        "Run it again: it logs in anew.",
    ),
}
BUSY = {429, 502, 503, 504}


class _Body(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    success: bool
    message: str = ""


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_making = Lock()


def checked(request: Request, answer: Answer) -> Answer:
    """Give the answer back when it is a success.

    Raises:
        AuthenticationFailed: 401.
        PermissionDenied: 403.
        InvalidRequest: 400 or 410 with the server's own words, or 413.
        ServerFailed: 5xx or 429.
        UnexpectedAnswer: a redirect, or any other status.

    """
    if 200 <= answer.status < 300:
        return answer
    raise _error(request, answer)


def decoded(request: Request, answer: Answer, kind: type[T]) -> T:
    """Give the body of a successful answer as ``kind``.

    Raises:
        UnexpectedAnswer: HTML, broken JSON or values of another type; and what
            `checked` raises.

    """
    checked(request, answer)
    try:
        return _decoder(kind).decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise not_json(request, answer, wrong) from wrong


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Give the decoder of a type, made by one thread.

    msgspec learns what a type is made of when it meets it first; a second thread that meets it
    then reads what is not finished, and the process crashes.
    """
    if (known := _decoders.get(kind)) is not None:
        return known
    with _making:
        return _decoders.setdefault(kind, msgspec.json.Decoder(kind))


def not_json(request: Request, answer: Answer, wrong: Exception) -> UnexpectedAnswer:
    """Say that a body is not the JSON it should be, and what it looks like instead."""
    return UnexpectedAnswer(
        f"{_what(request)} answered with {_looks(answer)}: {wrong}.", hint=NOT_COCO_HINT
    )


def refusal(answer: Answer) -> str | None:
    """Give the words with which a route itself refuses, ``"success": false``; None for others.

    A framework, or a proxy, that knows no such route or parameter answers otherwise.
    """
    try:
        body = _decoder(_Refusal).decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if body.success else body.message


def _error(request: Request, answer: Answer) -> CoirError:
    status, message = answer.status, _message(answer)
    asked = _what(request)
    said = f": {message.rstrip('.')}" if message else ""
    match status:
        case 401 if message == NOT_ADMIN:
            return AuthenticationFailed(
                f"The server does not allow this{said}.", hint="Ask an administrator."
            )
        case 401:
            ended, hint = NOT_KNOWN[answer.proof]
            return AuthenticationFailed(ended, hint=hint)
        case 403:
            return PermissionDenied(
                f"The server does not allow this{said}.",
                hint="Ask the dataset's owner to share it with you.",
            )
        case _ if status >= 500 or status == 429:
            return ServerFailed(
                f"{asked} failed on the server with status {status}{said}.",
                hint="Look into the server's log, or try again later.",
                status=status,
                retry_after=retry_after(answer),
            )
        case _ if 300 <= status < 400:
            target = answer.headers.get("location", "elsewhere")
            return UnexpectedAnswer(
                f"{asked} was redirected to {_shown(target)}; coir does not follow, "
                "so that no password travels to another host.",
                hint="If that is the server you mean, give its address.",
            )
        case 413:
            return InvalidRequest(f"The server refused {asked}{said or ': it is too large'}.")
        # Who asks for the headers only gets no words; a 400 is the server's own all the same.
        case 400 | 410 if message is not None or request.method == "HEAD":
            return InvalidRequest(f"The server refused {asked}{said}.")
        case _:
            return UnexpectedAnswer(
                f"{asked} answered with status {status} and {_looks(answer)}.",
                hint=NOT_COCO_HINT,
            )


def retry_after(answer: Answer) -> float | None:
    """Give the seconds that a ``Retry-After`` header asks to wait (RFC 9110, 10.2.3)."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time()) if value else None
    except ValueError:
        return None


def _message(answer: Answer) -> str | None:
    """Give the server's own words, if any; None where the body is no object of JSON."""
    try:
        return _decoder(_Body).decode(answer.body).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _what(request: Request) -> str:
    return f"{request.method} {request.path}"


def _shown(url: str) -> str:
    """Leave out what a redirect's address may carry of secrets."""
    return re.sub(r"//[^/@]*@", "//", url.split("?", 1)[0])


def _looks(answer: Answer) -> str:
    """Say what a body looks like, for a person who has to find out where it came from."""
    start = answer.body[:300].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        title = re.search(rb"<title>\s*([^<]{1,60})", answer.body[:4000], re.IGNORECASE)
        named = f" titled '{title[1].decode(errors='replace').strip()}'" if title else ""
        return f"a web page{named} instead of JSON"
    if start.startswith((b"{", b"[")):
        return "JSON of another kind"
    return "something that is not JSON"
