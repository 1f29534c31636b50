"""A real worker process over a data directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .databases import Postgres
from .forked import Forked


class Working:
    """`coir worker`, ready to run jobs."""

    def __init__(self, data: Path) -> None:
        url = Postgres.urls.get(data)
        where = [] if url is None else ["--database", url]
        self._process = self._started(["worker", "--data", str(data), *where])
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "coir is ready to run jobs\n", self.end()

    def _started(self, arguments: list[str]) -> Forked | subprocess.Popen[str]:
        return Forked("coir", arguments)

    def end(self) -> tuple[int | None, str, str]:
        """End it as a service manager does; its exit code and the rest of its output."""
        self._process.terminate()
        out, err = self._process.communicate(timeout=60)
        return self._process.returncode, out, err

    def kill(self) -> None:
        """End it as a power failure does."""
        self._process.kill()
        self._process.communicate(timeout=60)


class StartedWorking(Working):
    """The same, started from nothing."""

    def _started(self, arguments: list[str]) -> Forked | subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "coir", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
