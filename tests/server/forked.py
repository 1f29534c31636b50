"""Servers and commands as processes, forked from one that has imported what they import.

Imports are most of what the start of either takes, and tests start hundreds of them. The process
is as any other from there on; that `coir serve` starts from nothing is shown by `Started`, and that
commands do by `cli.command.started`.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
# Nothing of `coir.cli` itself: what it writes to looks at the environment when it is imported.
IMPORTED = ("coir.server.process", "coir.mirror", "coir.uploads", "rich.progress", "typer")
OURS = ("server.running",)  # where a server's `prepare` is found
_context.set_forkserver_preload([*IMPORTED, *OURS])


class Forked:
    """Such a process, as `subprocess.Popen` shows one; its stderr is added to a file."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        prepare: Callable[[], None] | None = None,
        stderr: Path | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="coir-forked-")
        self._stderr = stderr or Path(self._folder.name) / "stderr"
        reading, writing = _context.Pipe(duplex=False)
        given = (module, list(arguments), prepare, writing, self._stderr, dict(os.environ))
        # It ends with the tests, should one of them forget it.
        self._process = _context.Process(target=_run, args=given, daemon=True)
        self._process.start()
        writing.close()
        self.stdout = os.fdopen(os.dup(reading.fileno()), encoding="utf-8")
        reading.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float) -> int:
        """Wait for its end; its exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} did not end")
        return self._process.exitcode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end; the rest of its output."""
        self.wait(timeout)
        with self.stdout, self._folder:
            return self.stdout.read(), self._stderr.read_text()


def ran(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command of coir to its end."""
    with tempfile.TemporaryDirectory(prefix="coir-forked-") as folder:
        places = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        places[0].write_text(stdin)
        given = (list(arguments), dict(environment), places, Path.cwd())
        process = _context.Process(target=_command, args=given, daemon=True)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"coir {' '.join(arguments)} did not end")
        out, err = (place.read_text() for place in places[1:])
        return subprocess.CompletedProcess(["coir", *arguments], process.exitcode, out, err)


def _command(
    arguments: Sequence[str], environment: Mapping[str, str], places: Sequence[Path], folder: Path
) -> None:
    for number, place in enumerate(places):
        opened = os.open(place, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["coir", *arguments]
    importlib.import_module("coir.cli").main()


def _run(
    module: str,
    arguments: Sequence[str],
    prepare: Callable[[], None] | None,
    stdout: Connection,
    stderr: Path,
    environment: Mapping[str, str],
) -> None:
    os.dup2(stdout.fileno(), 1)
    stdout.close()
    with stderr.open("a") as written:
        os.dup2(written.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    if prepare is not None:
        prepare()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
