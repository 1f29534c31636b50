"""Writes the help of every command into docs/cli.md: ``python -m tests.docs.command_help``."""

from __future__ import annotations

import json
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


# One process for all: what it imports takes most of the time of each.
PROGRAM = """
import contextlib, io, json, sys
from coir.cli.main import app
for command in json.load(sys.stdin):
    name, *words = command.split()
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        app([*words, "--help"], prog_name=name, standalone_mode=False)
    print(json.dumps(shown.getvalue()))
"""


def helps_of(commands: list[str]) -> dict[str, str]:
    """What each ``COMMAND --help`` prints, at a fixed width and without colours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, "TERMINAL_WIDTH": str(WIDTH), "TERM": "dumb", "PYTHONIOENCODING": "utf-8"},
        input=json.dumps(commands),
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    texts = [json.loads(line).strip().splitlines() for line in shown.splitlines()]
    trimmed = ["\n".join(line.rstrip() for line in text).strip() for text in texts]
    return dict(zip(commands, trimmed, strict=True))


def rendered(page: str) -> str:
    """The page with the help that the commands give now."""
    helps = helps_of([found["command"] for found in PLACE.finditer(page)])

    def section(found: re.Match[str]) -> str:
        command = found["command"]
        return f"<!-- help: {command} -->\n\n```text\n{helps[command]}\n```\n"

    return PLACE.sub(section, page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
