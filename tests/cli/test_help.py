from __future__ import annotations

import pytest
from typer.main import get_command

import coir
from coir.cli.main import app

from .command import coir as run

COMMANDS = list(get_command(app).commands)  # type: ignore[attr-defined]


def test_commands() -> None:
    """The commands are those that the help and the documents know."""
    assert {"ids", "datasets", "serve", "demo"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """Each command has a help that says what it is for and explains each of its options."""
    done = run(command, "--help", env={"COLUMNS": "200"})
    assert (done.code, done.err) == (0, "")
    assert f"Usage: coir {command}" in done.out
    known = get_command(app).commands[command]  # type: ignore[attr-defined]
    for option in known.params:
        if getattr(option, "hidden", False):
            assert not any(one in done.out for one in option.opts)
            continue
        assert option.help, option.name
        assert option.help.split(".")[0][:40] in " ".join(done.out.split())
    assert "COIR_PASSWORD" in done.out or not any(one.name == "username" for one in known.params)


def test_help_of_all() -> None:
    """`coir --help` names each command with its first sentence."""
    done = run("--help")
    assert (done.code, done.err) == (0, "")
    for command in COMMANDS:
        assert f" {command} " in done.out


def test_no_command() -> None:
    """Without a command the help is shown, and the exit code says that nothing was done."""
    done = run()
    assert done.code == 2
    assert "Usage: coir" in done.out + done.err
    assert "Traceback" not in done.err


def test_version() -> None:
    """`coir --version` tells the version."""
    assert run("--version").out == f"coir {coir.__version__}\n"
