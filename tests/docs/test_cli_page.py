"""docs/cli.md says all that there is to the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import coir.cli
from coir.errors import CoirError

from .command_help import every_command, rendered
from .pages import read

PAGE = "docs/cli.md"
TALK = Path(coir.cli.__file__).with_name("talk.py")
# They have commands, and no options of their own.
GROUPS = {"admin", "users", "tokens"}
COMMANDS = [(words, params) for words, params in every_command()]


def errors(root: type[CoirError] = CoirError) -> dict[str, int]:
    """Every error by name, with its exit code."""
    found = {root.__name__: root.exit_code}
    for below in root.__subclasses__():
        found |= errors(below)
    return found


def test_the_help_on_the_page_is_current() -> None:
    """The page shows the help that the commands give; `python -m tests.docs.command_help`."""
    assert rendered(read(PAGE)) == read(PAGE)


@pytest.mark.parametrize("words", [" ".join(words) for words, _ in COMMANDS])
def test_every_command_has_a_section(words: str) -> None:
    """Each command has a heading, and its help below it."""
    section = rf"^## {words}\n(?:(?!^## ).)*^<!-- help: {words} -->$"
    assert re.search(section, read(PAGE), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("words", "params"), COMMANDS, ids=[" ".join(w) for w, _ in COMMANDS])
def test_every_option_and_variable_is_on_the_page(words: list[str], params: list[Any]) -> None:
    """Each option, with its short form, and each environment variable is on the page."""
    page = read(PAGE)
    shown = [param for param in params if not getattr(param, "hidden", False)]
    options = [o for p in shown if p.param_type_name == "option" for o in p.opts + p.secondary_opts]
    variables = [param.envvar for param in params if param.envvar]
    missing = [one for one in (*options, *variables) if not re.search(rf"{one}\b", page)]
    assert options or words[-1] in GROUPS, words
    assert missing == []


def test_every_error_has_its_row() -> None:
    """The table of exit codes is the tree of errors, and 0 and 130."""
    rows = re.findall(r"^\| (\d+) \| (?:`(\w+)`)? ?\|", read(PAGE), re.MULTILINE)
    assert {name: int(code) for code, name in rows if name} == errors()
    assert [code for code, name in rows if not name] == ["0", "130"]


def test_every_error_has_a_code_of_its_own() -> None:
    """No two errors share an exit code, and none takes a code that means something else."""
    codes = list(errors().values())
    assert len(set(codes)) == len(codes)
    assert {0, 130}.isdisjoint(codes)


def test_every_event_has_its_row() -> None:
    """The table of events has each kind of line that is written with --json-log."""
    rows = re.findall(r"^\| `(\w+)` \| `", read(PAGE), re.MULTILINE)
    assert set(rows) == set(re.findall(r'"event": "(\w+)"', TALK.read_text(encoding="utf-8")))
