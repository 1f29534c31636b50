#!/usr/bin/env python3
"""Set coir up in .venv and run it: `demo`, `test`, `bench`, or any command of coir.

    python3 run.py demo            every image id of a dataset, shown on a real server
    python3 run.py test [ARGS]     every check and test; ARGS go to pytest
    python3 run.py bench [ARGS]    ways to read a dataset, compared; bench/README.md
    python3 run.py coir [ARGS]     the command line of this checkout

Needs Python 3.11 or newer with pip, and nothing else: uv is taken from PATH, or
installed into .venv.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
USER = ["--no-dev", "--extra", "demo"]
DEVELOPER = ["--all-extras"]

# What `test` runs, in this order; all of it runs even when an earlier one failed.
CHECKS = {
    "ruff check": ["ruff", "check"],
    "ruff format": ["ruff", "format", "--check"],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports"],
}
# Of the whole suite, files of tests side by side: they wait for processes more than they compute.
SIDE_BY_SIDE = ["-n", "2", "--dist", "loadfile"]


def main(arguments: list[str]) -> int:
    """Run one command; gives its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python should be told so
        print(f"coir needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
        return 2
    command, *rest = arguments or ["help"]
    commands = {"demo": demo, "test": test, "bench": bench, "coir": coir}
    if command not in commands:
        known = command in {"help", "-h", "--help"}
        print(__doc__ if known else f"run.py: no command '{command}'.\n\n{__doc__}")
        return 0 if known else 2
    try:
        return commands[command](rest)
    except subprocess.CalledProcessError as failed:
        print(f"run.py: `{' '.join(map(str, failed.cmd))}` failed; its words stand above.")
        return 1
    except KeyboardInterrupt:
        print("run.py: interrupted.")
        return 130


def demo(rest: list[str]) -> int:
    """Show what coir does, on a real server with a real dataset."""
    sync("demo", USER)
    return run([BIN / "coir", "demo", *rest])


def bench(rest: list[str]) -> int:
    """Compare ways to read a dataset on one server."""
    sync("demo", USER)
    return run([BIN / "python", "-m", "bench", *rest])


def coir(rest: list[str]) -> int:
    """Run the command line of this checkout."""
    sync("demo", USER)
    return run([BIN / "coir", *rest])


def test(rest: list[str]) -> int:
    """Run every check and every test, and say which failed."""
    sync("dev", DEVELOPER)
    failed = []
    for name, command in CHECKS.items():
        print(f"== {name}", flush=True)
        if run([BIN / command[0], *command[1:]]):
            failed.append(name)
    print("== pytest", flush=True)
    if run([BIN / "pytest", *(rest or SIDE_BY_SIDE)]):
        failed.append("pytest")
    print("== FAILED: " + ", ".join(failed) if failed else "== all passed", flush=True)
    return 1 if failed else 0


def run(command: list[str | Path]) -> int:
    """Run to the end, also when a person presses Ctrl-C: the command tidies up itself."""
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment()) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def environment() -> dict[str, str]:
    """Let uv use this Python and the certificates of this machine, as pip does.

    Compiled modules are kept in .venv also where a machine asks for none beside the sources:
    without them, each server that a test starts takes twice as long.
    """
    settings = {
        "UV_SYSTEM_CERTS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "VIRTUAL_ENV": str(VENV),
    }
    modules = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(VENV / "pycache")}
    return {**settings, **os.environ, **modules, "VIRTUAL_ENV": str(VENV)}


def sync(kind: str, options: list[str]) -> None:
    """Make .venv hold what uv.lock says; at once when it already does."""
    stamp = VENV / ".coir-synced"
    wanted = f"{kind} {fingerprint()}"
    if stamp.exists() and stamp.read_text() in {wanted, f"dev {fingerprint()}"}:
        return
    started = time.monotonic()
    print("Setting up .venv (once; needs the network) …", flush=True)
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    # --inexact keeps uv itself, which may live in this environment.
    command = [uv(), "sync", "--frozen", "--quiet", "--inexact", *options]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True)
    stamp.write_text(wanted)
    print(f"Ready after {time.monotonic() - started:.0f} s.", flush=True)


def uv() -> str:
    """Give a uv to call: the one on PATH, or one installed into .venv."""
    found = shutil.which("uv") or shutil.which("uv", path=str(BIN))
    if found is None:
        pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "uv"]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
        found = str(BIN / "uv")
    return found


def fingerprint() -> str:
    """Change when the lock, the project or the interpreter changes."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
