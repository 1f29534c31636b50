"""A module of coir as a process, forked from one that has imported what servers import.

Imports are most of what the start of a server takes, and tests start hundreds of them. The process
is as any other from there on; that `coir serve` starts from nothing is shown by `Serving`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["coir.server.process"])


class Forked:
    """Such a process, as `subprocess.Popen` shows one; its stderr is kept in a file."""

    def __init__(
        self, module: str, arguments: Sequence[str], prepare: Callable[[], None] | None = None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="coir-forked-")
        self._stderr = Path(self._folder.name) / "stderr"
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
    with stderr.open("w") as written:
        os.dup2(written.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    if prepare is not None:
        prepare()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
