"""What is said to the person: on stderr, so that stdout carries nothing but data.

A person who watches sees a progress bar; a log file gets a line now and then; a program
that asked for JSON gets one object a line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from coir.errors import CoirError
from coir.mirror import SyncReport
from coir.scan import Certificate
from coir.scan.run import Watcher

__all__ = ["Counter", "Voice", "console", "printable", "say", "voice"]

# Often enough to see that it lives, seldom enough for a log.
LINE_SECONDS = 5.0

TOLD_OF_A_SYNC = ("sync", "mode", "dry_run", "counts", "due", "unseen", "seconds")

# Called with the phase, how much is done, and of how much.
Counter = Callable[[str, int, int | None], None]

console = Console(stderr=True, highlight=False)


class Voice:
    """How this process talks: in words, or as JSON; ``quiet`` leaves only errors."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False

    def configure(self, *, json: bool, quiet: bool) -> None:
        """Take over what the options say."""
        self.json, self.quiet = json, quiet

    def say(self, text: str, **data: Any) -> None:
        """Say a sentence; brackets and the like in it are taken literally."""
        if self.quiet:
            return
        self._out(text, {"event": "note", "text": text, **data})

    def warn(self, text: str, **data: Any) -> None:
        """Say what went wrong with a part, while the rest goes on; also when quiet."""
        self._out(text, {"event": "warning", "text": text, **data})

    def fail(self, error: CoirError) -> None:
        """Say what went wrong, and the next thing to try; also when quiet."""
        text = "\n".join(filter(None, (printable(f"Error: {error.message}"), error.hint)))
        data = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        self._out(text, {"event": "error", **data, "exit_code": error.exit_code})

    def done(self, certificate: Certificate) -> None:
        """Tell what was proven."""
        if not self.quiet:
            self._out(certificate.words(), {"event": "done", "certificate": certificate})

    def synced(self, report: SyncReport, text: str = "", **more: Any) -> None:
        """Tell what a sync did, or would do."""
        data = {name: getattr(report, name) for name in TOLD_OF_A_SYNC}
        if not self.quiet:
            self._out(text or report.words(), {"event": "sync", **data, **more})

    @contextmanager
    def progress(self, title: str) -> Iterator[Watcher | None]:
        """Show how far a scan is; gives what it is to call."""
        with self.counting(title) as count:
            if count is None:
                yield None
            else:
                yield lambda now: count(now.phase.value, now.read, now.expected)

    @contextmanager
    def counting(self, title: str) -> Iterator[Counter | None]:
        """Show how far something is; gives what it is to call, or None when nobody looks."""
        if self.quiet:
            yield None
        elif self.json or not console.is_terminal:
            yield self._lines(title)
        else:
            with _bar(title) as count:
                yield count

    def _lines(self, title: str) -> Counter:
        begun = last = time.monotonic()
        now = ""

        def count(phase: str, done: int, total: int | None) -> None:
            nonlocal begun, last, now
            if phase != now:
                begun, now = time.monotonic(), phase
            if time.monotonic() - last < LINE_SECONDS:
                return
            last = time.monotonic()
            rate = round(done / max(last - begun, 0.1))
            of = f" of {total:,}" if total is not None else ""
            self._out(
                f"{title}: {phase}, {done:,}{of}, {rate:,}/s",
                {"event": "progress", "phase": phase, "read": done, "expected": total,
                 "rate": rate},
            )  # fmt: skip

        return count

    def _out(self, text: str, data: dict[str, Any]) -> None:
        if self.json:
            line = msgspec.json.encode({"time": round(time.time(), 3), **data})
            print(line.decode(), file=sys.stderr, flush=True)
        else:
            lines = map(printable, text.split("\n"))
            console.print("\n".join(lines), markup=False, soft_wrap=True)


voice = Voice()


def printable(text: str) -> str:
    """Give a text without what would move the cursor or split a line: servers choose names."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def say(text: str) -> None:
    """Say a sentence."""
    voice.say(text)


@contextmanager
def _bar(title: str) -> Iterator[Counter]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(printable(title), total=None, rate="")

        now, begun = "", 0.0

        def count(phase: str, done: int, total: int | None) -> None:
            nonlocal now, begun
            if phase != now:
                bar.reset(task)
                now, begun = phase, time.monotonic()
            seconds = time.monotonic() - begun
            rate = f"{done / seconds:,.0f}/s" if seconds > 0.2 else ""
            words = f"{printable(title)}: {phase}"
            bar.update(task, description=words, completed=done, total=total, rate=rate)

        yield count
