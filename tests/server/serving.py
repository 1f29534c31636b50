"""`coir serve` as a process, whose log is kept in a file: a pipe that nobody reads fills up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .forked import Forked
from .running import START_SECONDS, Running

END_SECONDS = 30
MODEL = """
def outline(picture, points, padding, threshold):
    return [[*points[0], *points[1], *picture.size, padding, threshold]]

def found(picture):
    return {"images": [{"width": picture.width, "mode": picture.mode}]}
"""


class Serving(Running):
    """A server started by the command, with options; its log can be read while it runs."""

    command = ("coir", "serve")

    def __init__(self, data: Path, *options: str) -> None:
        self._log = data.with_name(f"{data.name}.log")
        super().__init__(data, *options)

    def _started(self, module: str, arguments: Sequence[str]) -> Forked | subprocess.Popen[str]:
        return Forked(module, arguments, type(self).prepare, self._log)

    def log(self) -> str:
        """What it has written to stderr."""
        return self._log.read_text()

    def lines(self, wanted: int) -> list[dict[str, Any]]:
        """The lines of a JSON log, once there are so many."""
        deadline = time.monotonic() + START_SECONDS
        while len(lines := self.log().splitlines()) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        return [json.loads(line) for line in lines]

    def signal(self) -> None:
        """Ask it to end, as a service manager does."""
        os.kill(self.pid, signal.SIGTERM)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait(END_SECONDS)
        for client in self._clients:
            client.close()
        self._process.communicate(timeout=END_SECONDS)
        self.alive.discard(self)
        return code


class Started(Serving):
    """The same, started from nothing."""

    def _started(self, module: str, arguments: Sequence[str]) -> Forked | subprocess.Popen[str]:
        with self._log.open("a") as written:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )


def modelled(data: Path, *options: str) -> Started:
    """A server beside which a package with models is installed: its entry points name `MODEL`."""
    place = data.with_name("package")
    about = place / "some_models-1.dist-info"
    about.mkdir(parents=True)
    (place / "some_models.py").write_text(MODEL)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some-models\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[coir.models]\ndextr = some_models:outline\nmaskrcnn = some_models:found\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(place), prepend=":")
        return Started(data, *options)
