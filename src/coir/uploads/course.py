"""The course of an upload: which file is next, and when to stop trying. It does no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Set

from coir.errors import (
    AuthenticationFailed,
    CoirError,
    ConnectionFailed,
    DatasetNotFound,
    IncompleteUpload,
    PermissionDenied,
    ServerFailed,
)
from coir.uploads.choice import Choice, Chosen
from coir.uploads.report import Outcome, UploadPhase, UploadProgress, UploadReport

__all__ = ["Course"]

# A connection breaks now and then; a server that is gone is not asked for each of many files.
IN_A_ROW = 5
BUSY = {429, 502, 503, 504}


class Course:
    """What is to send, less what is there by folder and file name, and what became of it."""

    def __init__(self, chosen: Choice, there: Set[str | None]) -> None:
        self.waiting = deque(one for one in chosen.files if one.name not in there)
        self.present = tuple(one.name for one in chosen.files if one.name in there)
        self.passed_over = chosen.passed_over
        self.total = len(self.waiting)
        self.outcomes: list[Outcome] = []
        self._in_a_row = 0

    def next(self) -> Chosen | None:
        """Give the next file to send; None when there is none, or no use in it."""
        if not self.waiting or self._in_a_row >= IN_A_ROW:
            return None
        return self.waiting.popleft()

    def ended(self, outcome: Outcome) -> UploadProgress:
        """Enter what became of a file."""
        self.outcomes.append(outcome)
        if isinstance(outcome.error, AuthenticationFailed | DatasetNotFound | PermissionDenied):
            self._in_a_row = IN_A_ROW
        elif _of_the_server(outcome.error):
            self._in_a_row += 1
        else:
            self._in_a_row = 0
        return UploadProgress(UploadPhase.SEND, len(self.outcomes), self.total, outcome)

    def report(self) -> UploadReport:
        """Say what became of each file.

        Raises:
            IncompleteUpload: of some, nothing.

        """
        report = UploadReport(
            uploaded=tuple(sorted(self._those(failed=False), key=_name)),
            present=self.present,
            failed=tuple(sorted(self._those(failed=True), key=_name)),
            untried=tuple(one.name for one in self.waiting),
            passed_over=self.passed_over,
        )
        if report.whole:
            return report
        count = len(report.failed) + len(report.untried)
        raise IncompleteUpload(
            f"{count:,} of {self.total:,} files could not be uploaded.",
            hint="Repeat the command when that is mended: what is there is not sent again.",
            report=report,
        )

    def _those(self, *, failed: bool) -> list[Outcome]:
        return [one for one in self.outcomes if (one.error is not None) is failed]


def _of_the_server(error: CoirError | None) -> bool:
    """Whether another file would meet the same."""
    busy = isinstance(error, ServerFailed) and error.status in BUSY
    return busy or isinstance(error, ConnectionFailed)


def _name(outcome: Outcome) -> str:
    return outcome.name
