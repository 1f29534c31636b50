"""run.py says what it can do, and what it cannot."""

from __future__ import annotations

import ast
import subprocess
import sys

from .project import ROOT

OLD = """
import runpy, sys
sys.version_info, sys.version = (3, 10, 14, "final", 0), "3.10.14 (main)"
sys.argv = ["run.py", "demo"]
runpy.run_path("run.py", run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_is_told_without_setting_anything_up() -> None:
    """`--help`, `help` and nothing at all name the commands and end with 0."""
    told = [run("run.py", *arguments) for arguments in (["--help"], ["help"], [])]
    assert [one.returncode for one in told] == [0, 0, 0]
    assert told[0].stdout == told[1].stdout == told[2].stdout
    for command in ("demo", "test", "coir"):
        assert f"python3 run.py {command} " in told[0].stdout


def test_every_command_that_help_names_exists() -> None:
    """Help names only commands that run.py knows."""
    named = {
        line.split()[2] for line in run("run.py", "--help").stdout.splitlines()
        if line.strip().startswith("python3 run.py")
    }  # fmt: skip
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert named <= functions


def test_an_unknown_command_is_named() -> None:
    """A mistyped command is repeated, with the help, and ends with 2."""
    told = run("run.py", "dmeo")
    assert told.returncode == 2
    assert told.stdout.startswith("run.py: no command 'dmeo'.\n")
    assert "python3 run.py demo" in told.stdout


def test_an_old_python_is_refused_in_a_sentence() -> None:
    """On a Python that is too old run.py says so, and touches nothing."""
    told = run("-c", OLD)
    assert told.returncode == 2
    assert told.stdout == "coir needs Python 3.11 or newer; this is 3.10.14.\n"
    assert told.stderr == ""


def test_an_old_python_can_read_run_py() -> None:
    """run.py has no syntax that a Python too old for coir would trip over before it can say so."""
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
