"""Requests and answers as values, so that each route is written once.

An *operation* is a generator that yields the requests it needs, receives their answers,
and returns its result. It does no I/O: a synchronous and an asynchronous transport run
the same operations.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeVar

__all__ = ["Answer", "Operation", "Request", "Sink", "given", "query"]

T = TypeVar("T")

# On the original a request is answered within 180 s or its worker is killed; a listing
# asks for answers of about half a second. A minute without a byte means that none comes.
READ_TIMEOUT = 60.0


class Sink(Protocol):
    """What the body of an answer goes into, piece by piece: an open file, or what acts as one.

    When an attempt begins anew it is taken to its beginning and emptied.
    """

    def seek(self, offset: int, /) -> int:
        """Go to a place."""
        ...

    def truncate(self) -> int:
        """Drop what lies behind it."""
        ...

    def write(self, piece: bytes, /) -> int:
        """Take a piece."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask: a method, a path below the server's address, and what goes with it.

    ``headers`` are beside those that every request has, or in their place; lower-case names.

    The body is ``json``, or ``form`` fields with ``files`` (name and content by field; of
    an open file, from its beginning). ``attempts`` is how often it may be sent when no answer
    comes or the server is busy; only requests that change nothing are ever sent twice.

    The body of a successful answer goes ``into`` a file from its beginning instead of into
    memory, or is left to be read while it comes when ``open`` is set. ``delay`` is how many
    seconds to wait before it is sent.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes | BinaryIO]] | None = None
    into: Sink | None = None
    open: bool = False
    delay: float = 0.0
    attempts: int = 5
    read_timeout: float = READ_TIMEOUT

    @property
    def safe(self) -> bool:
        """Whether sending it twice does the same as sending it once."""
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers with lower-case names, body; seconds it took.

    ``retries`` counts the times the request was sent in vain before; ``response`` is the
    transport's own, where the body was left to be read. ``proof`` is the kind of credentials with
    which it was asked for; those were accepted once.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    retries: int = 0
    response: Any = None
    proof: str = ""


Operation: TypeAlias = Generator[Request, Answer, T]


def given(**values: Any) -> dict[str, Any]:
    """Give the values that are not None: what a body says of the rest is nothing."""
    return {name: value for name, value in values.items() if value is not None}


def query(**values: Any) -> dict[str, str]:
    """Give the values that are not None as a query has them: ``true``, ``1,2,3``."""
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, Iterable) else str(value)
