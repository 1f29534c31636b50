"""What the documentation tells to do, done: in a real shell, against a real server.

The README's own blocks start the server and fill it with the pictures that they speak of;
all other blocks are then run against that server. One thing is changed in them: the port,
which is a free one instead of 5000.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
from PIL import Image

from .pages import Block

PASSWORD = "a password of the tests"
PICTURES = 3
STEP_SECONDS = 120
PORT = ":5000"
SERVING = "coir is serving at http://127.0.0.1:5000\n"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a block."""

    code: int
    out: str
    err: str


class Story:
    """A folder, an environment without a home, and the server that the blocks speak of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir()
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        scripts = Path(sys.executable).parent
        self.environment = {
            **kept,
            "HOME": str(home),
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "COIR_PASSWORD": PASSWORD,
        }
        self._server: subprocess.Popen[str] | None = None
        self.port = PORT
        self._shown: dict[str, Done] = {}

    def serve(self, block: Block) -> str:
        """Run a console block that starts the server; gives the block as it really went."""
        command = commands(block)[0][0]
        self._server = subprocess.Popen(
            f"exec {command} --port 0",
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        found = re.search(r":\d+$", line.strip())
        assert found, self.end()
        self.port = found[0]
        return f"$ {command}\n{line}".replace(self.port, PORT)

    def pictures(self) -> None:
        """Put the pictures there that the README's block uploads."""
        (self.folder / "pictures").mkdir()
        for number in range(PICTURES):
            Image.new("RGB", (96, 64), (80 * number, 120, 40)).save(
                self.folder / "pictures" / f"bird_{number}.jpg"
            )

    def cookie(self) -> str:
        """The cookie of a session, as a browser shows it."""
        with httpx2.Client(base_url=f"http://127.0.0.1{self.port}") as browser:
            user = {"username": "admin", "password": PASSWORD}
            assert browser.post("/api/user/login", json=user).status_code == 200
            return str(browser.cookies["session"])

    def shell(self, text: str) -> Done:
        """What came of text in a shell that stops at the first failure; it is run once."""
        if text not in self._shown:
            self._shown[text] = self._run(["sh", "-eu", "-c", self._here(text)])
        return self._shown[text]

    def python(self, text: str) -> Done:
        """Run a program, with warnings as errors."""
        program = self.folder / "block.py"
        program.write_text(self._here(text), encoding="utf-8")
        # The cookie is the program's alone: with it, the command line would not log in.
        more = {"COIR_COOKIE": self.cookie()} if "COIR_COOKIE" in text else {}
        return self._run([sys.executable, "-W", "error", str(program)], more)

    def console(self, block: Block) -> str:
        """Run the commands of a console block; gives the block as it really went."""
        went = ""
        for command, _ in commands(block):
            done = self.shell(f"{command} 2>&1")
            went += f"$ {command}\n{done.out.replace(self.port, PORT)}"
        return went

    def end(self) -> Done:
        """End the server as Ctrl-C does."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT)
        out, err = self._server.communicate(timeout=STEP_SECONDS)
        return Done(self._server.returncode, out, err)

    def _here(self, text: str) -> str:
        return text.replace(PORT, self.port)

    def _run(self, command: list[str], more: Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it printed."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not parts[0], f"{block} does not begin with '$ '"
    return [(command, printed) for command, _, printed in (p.partition("\n") for p in parts[1:])]


def steady(went: str) -> str:
    """A console block without the seconds that differ from run to run."""
    return re.sub(r"\b\d+\.\d s\b", "0.0 s", went)
