"""Writes the help of every command into docs/cli.md: ``python -m tests.docs.command_help``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

from coir.cli.main import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
WIDTH = 88  # narrow enough to be read on the web without scrolling
PLACE = re.compile(r"^<!-- help: (?P<command>[a-z ]+) -->\n(?:\n?```text\n.*?^```\n)?", re.M | re.S)


def every_command() -> Iterator[tuple[list[str], list[object]]]:
    """The words of each command, ``["coir", …]``, and its parameters."""

    def walk(words: list[str], command: object) -> Iterator[tuple[list[str], list[object]]]:
        yield words, list(command.params)  # type: ignore[attr-defined]
        for name, one in sorted(getattr(command, "commands", {}).items()):
            yield from walk([*words, name], one)

    yield from walk(["coir"], get_command(app))


def help_of(words: list[str]) -> str:
    """What ``COMMAND --help`` prints, at a fixed width and without colours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    shown = subprocess.run(
        [Path(sys.executable).with_name(words[0]), *words[1:], "--help"],
        env={**kept, "TERMINAL_WIDTH": str(WIDTH), "TERM": "dumb", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    return "\n".join(line.rstrip() for line in shown.strip().splitlines()).strip()


def rendered(page: str) -> str:
    """The page with the help that the commands give now."""

    def section(found: re.Match[str]) -> str:
        words = found["command"].split()
        return f"<!-- help: {found['command']} -->\n\n```text\n{help_of(words)}\n```\n"

    return PLACE.sub(section, page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
