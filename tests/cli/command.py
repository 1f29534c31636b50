"""The real command in a process of its own, with and without a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from server.forked import ran

COMMAND = (str(Path(sys.executable).with_name("coir")),)
# A hang is a failure; two cores may be busy with other tests.
PATIENCE = 30


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        """The lines of stderr."""
        return self.err.splitlines()


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what changes how coir behaves, and with what is given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COIR_") and not name.lower().endswith("_proxy")
    }
    nobody = {"XDG_CONFIG_HOME": "/nonexistent"}  # where `coir login` may have kept something
    return kept | {"COLUMNS": "100", "TERM": "xterm"} | nobody | dict(given or {})


def coir(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Done:
    """Run a command to its end, without a terminal."""
    given = environment(env)
    if env is None or not any(name.startswith("PYTHON") for name in env):
        done = ran(arguments, given, stdin, PATIENCE)
    else:  # Python itself reads these when it starts
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=given,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    return Done(done.returncode, done.stdout, done.stderr)


def started(*arguments: str, env: Mapping[str, str] | None = None, **more: Any) -> Any:
    """Start a command, without a terminal."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [*COMMAND, *arguments], env=environment(env), text=True, **(options | more)
    )


class Terminal:
    """A command at a terminal: it types there, and reads its keyboard; stdout is a file."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x28\x00\x78\x00\x00\x00\x00\x00")

        def own_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end
        self._process = started(
            *arguments,
            env=env,
            stdout=self._out,
            stdin=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=own_terminal,
        )
        os.close(slave)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._master)
        self._out.close()

    def expect(self, text: str) -> None:
        """Wait until the terminal has shown a text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, f"never shown: {text}\n{self.shown[-2000:]}"
            assert self._read(), f"ended without {text}\n{self.shown[-2000:]}"

    def type(self, text: str) -> None:
        """Type at the keyboard."""
        os.write(self._master, text.encode())

    def end(self) -> Done:
        """Wait for the end; what was shown is in ``err``."""
        while self._read():
            pass
        code = self._process.wait(PATIENCE)
        self._out.seek(0)
        return Done(code, self._out.read(), plain(self.shown))

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"silent\n{self.shown[-2000:]}"
        try:
            some = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.shown += some.decode(errors="replace")
        return bool(some)


def plain(text: str) -> str:
    """A terminal's text without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def lines(file: IO[str], count: int) -> Sequence[str]:
    """The next lines of a pipe."""
    return [file.readline() for _ in range(count)]
