"""Every error that coir raises, each with its exit code.

    CoirError                     1  anything below
    ├── InvalidRequest            2  what was asked for makes no sense; nothing was sent
    │   └── MirrorBusy           14  another process is at work on the mirror
    ├── ConnectionFailed          3  no answer: refused, unknown host, reset, timed out
    │   └── TLSFailed             4  the server's certificate was not accepted
    ├── UnexpectedAnswer          5  an answer that no COCO-Annotator server gives
    ├── AuthenticationFailed      6  no credentials, or wrong ones
    ├── DatasetNotFound           7  no such dataset, or no permission to see it
    ├── PermissionDenied          8  visible, but not allowed
    ├── ServerFailed              9  the server answered with an error of its own
    ├── IncompleteScan           10  a listing ended without proof that it is whole
    ├── IncompleteUpload         11  some files were not uploaded
    ├── IncompleteSync           12  of some images annotations or files could not be fetched
    └── SyncStopped              13  more would be removed or replaced than is allowed; nothing was

The message is one sentence on what happened; ``hint`` is the next thing to try. Neither
ever holds a password or a cookie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "AuthenticationFailed",
    "CoirError",
    "ConnectionFailed",
    "DatasetNotFound",
    "IncompleteScan",
    "IncompleteSync",
    "IncompleteUpload",
    "InvalidRequest",
    "MirrorBusy",
    "PermissionDenied",
    "ServerFailed",
    "SyncStopped",
    "TLSFailed",
    "UnexpectedAnswer",
]


class CoirError(Exception):
    """The root of coir's errors: a sentence, and the next thing to try."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidRequest(CoirError):
    """What was asked for makes no sense; nothing was sent."""

    exit_code = 2


class MirrorBusy(InvalidRequest):
    """Another process is at work on the mirror; ``pid`` is its number, None where unknown."""

    exit_code = 14

    def __init__(self, message: str, *, hint: str = "", pid: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class ConnectionFailed(CoirError):
    """The server gave no answer: refused, unknown host, reset or timed out."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", timed_out: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.timed_out = timed_out


class TLSFailed(ConnectionFailed):
    """The server's certificate was not accepted."""

    exit_code = 4


class UnexpectedAnswer(CoirError):
    """An answer that no COCO-Annotator server gives: HTML, broken JSON, wrong types."""

    exit_code = 5


class AuthenticationFailed(CoirError):
    """The server wants credentials, or refused the ones it was given."""

    exit_code = 6


class DatasetNotFound(CoirError):
    """No such dataset, or no permission to see it: the server tells nobody which."""

    exit_code = 7


class PermissionDenied(CoirError):
    """The object is visible, but this user may not do that with it."""

    exit_code = 8


class ServerFailed(CoirError):
    """The server answered with an error of its own.

    ``status`` is the HTTP status; ``retry_after`` the seconds it asked to wait, if it did.
    """

    exit_code = 9

    def __init__(
        self, message: str, *, hint: str = "", status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after

    @property
    def is_of_one(self) -> bool:
        """Whether it may be about one thing alone: the original's 500 where that is damaged."""
        return self.status == 500


class IncompleteScan(CoirError):
    """A listing ended without proof that it is whole.

    ``certificate`` says why; ``ids`` are the image ids retrieved until then, ascending.
    Where images were iterated they have been handed out already, and ``ids`` is empty.
    """

    exit_code = 10

    def __init__(
        self, message: str, *, hint: str = "", certificate: Any, ids: Sequence[int]
    ) -> None:
        super().__init__(message, hint=hint)
        self.certificate = certificate
        self.ids = ids


class IncompleteUpload(CoirError):
    """Some files were refused, or could not be sent; ``report`` says what became of each."""

    exit_code = 11

    def __init__(self, message: str, *, hint: str = "", report: Any) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class IncompleteSync(CoirError):
    """Of some images annotations or files could not be fetched; ``report`` says what was done.

    The rest of the mirror is like the server, and the next sync tries those images again.
    """

    exit_code = 12

    def __init__(self, message: str, *, hint: str = "", report: Any) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class SyncStopped(CoirError):
    """More images of a mirror would be removed, or be others, than is allowed.

    ``report`` says what would be.
    """

    exit_code = 13

    def __init__(self, message: str, *, hint: str = "", report: Any) -> None:
        super().__init__(message, hint=hint)
        self.report = report
