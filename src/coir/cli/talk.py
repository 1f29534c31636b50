"""What is said to the person: on stderr, so that stdout carries nothing but data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from coir.scan import Progress as ScanProgress
from coir.scan.run import Watcher

__all__ = ["console", "printable", "progress", "say"]

console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Say a sentence; brackets and the like in it are taken literally."""
    lines = map(printable, text.split("\n"))
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """Give a text without what would move the cursor or split a line: servers choose names."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Watcher | None]:
    """Show how far a scan is, while a person is watching; gives what it is to call."""
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(printable(title), total=None, rate="")

        def watch(now: ScanProgress) -> None:
            seconds = bar.tasks[task].elapsed or 0.0
            rate = f"{now.read / seconds:,.0f}/s" if seconds > 0.2 else ""
            bar.update(
                task,
                description=f"{printable(title)}: {now.phase.value}",
                completed=now.read,
                total=now.expected,
                rate=rate,
            )

        yield watch
