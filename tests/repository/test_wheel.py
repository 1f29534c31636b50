"""The built wheel, installed without anything of development, does the main job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import httpx2
import pytest

from .project import ROOT, name_of, uv

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Everything of the demo may have to be downloaded, on a machine that has never seen it.
INSTALL_SECONDS = 300
RUN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that holds the wheel, and a home and a temporary folder that are empty."""

    scripts: Path
    home: Path
    temporary: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process is given: nothing of this checkout."""
        return {
            "PATH": f"{self.scripts}{os.pathsep}{os.defpath}",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in its home."""
        return subprocess.run(
            [self.scripts / command[0], *command[1:]],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def left(self) -> list[str]:
        """What lies in the home and the temporary folder."""
        return sorted(path.name for at in (self.home, self.temporary) for path in at.iterdir())

    def processes(self) -> list[str]:
        """The command lines of what runs from this environment."""
        return [line for line in command_lines() if str(self.scripts) in line]


def command_lines() -> list[str]:
    """The command line of every process; small containers have /proc, but no `ps`."""
    if not Path("/proc/self/cmdline").exists():
        shown = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, check=True)
        return shown.stdout.decode(errors="replace").splitlines()
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def with_uv(*arguments: str | Path) -> str:
    settings = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    done = subprocess.run(
        [uv(), *map(str, arguments)],
        cwd=ROOT,
        env={**settings, **os.environ},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("dist")
    with_uv("build", "--quiet", "--wheel", "--out-dir", built)
    return next(built.glob("*.whl"))


@contextmanager
def installation(folder: Path, wheel: Path, extra: str) -> Iterator[Installed]:
    """Install the wheel with an extra, at the versions of the lock, into a fresh environment."""
    locked = folder / "locked.txt"
    with_uv("export", "--quiet", "--frozen", "--no-dev", "--extra", "demo", "--no-emit-project",
            "--no-hashes", "--output-file", locked)  # fmt: skip
    with_uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    with_uv("pip", "install", "--quiet", "--python", python, "--constraint", locked,
            f"coir{extra} @ {wheel.as_uri()}")  # fmt: skip
    there = Installed(python.parent, folder / "home", folder / "temporary")
    there.home.mkdir()
    there.temporary.mkdir()
    yield there
    assert there.processes() == []


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[Installed]:
    with installation(tmp_path_factory.mktemp("plain"), wheel, "") as there:
        yield there


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[Installed]:
    with installation(tmp_path_factory.mktemp("full"), wheel, "[demo]") as there:
        yield there


def test_the_plain_wheel_requires_nothing_of_the_server(wheel: Path) -> None:
    """What the wheel requires without an extra is what the project lists, and no more."""
    with zipfile.ZipFile(wheel) as file:
        name = next(one for one in file.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(file.read(name).decode())
    wanted = metadata.get_all("Requires-Dist") or []
    always = {name_of(one) for one in wanted if "extra ==" not in one}
    assert always == {name_of(one) for one in PROJECT["dependencies"]}
    extras = PROJECT["optional-dependencies"].values()
    assert always & {name_of(one) for extra in extras for one in extra} == set()
    assert metadata["Requires-Python"] == PROJECT["requires-python"]


def test_the_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    """Everything below src/coir is in the wheel, and nothing else but its metadata."""
    with zipfile.ZipFile(wheel) as file:
        held = {one for one in file.namelist() if ".dist-info/" not in one}
    package = ROOT / "src" / "coir"
    wanted = {
        path.relative_to(ROOT / "src").as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == wanted
    assert "coir/py.typed" in held
    assert any(re.match(r"coir/server/store/migrations/versions/0001\w*\.py", one) for one in held)


def test_the_plain_install_reads_but_does_not_serve(plain: Installed) -> None:
    """Without extras the commands work; `serve` and `demo` say which extra they need."""
    assert plain.run("coir", "--version").stdout == f"coir {version()}\n"
    assert plain.run("coir", "ids", "--help").returncode == 0
    for command, extra in (("serve", "server"), ("demo", "demo")):
        told = plain.run("coir", command)
        assert told.returncode == 1, command
        assert f"pip install 'coir[{extra}]'" in told.stderr
        assert "Traceback" not in told.stderr
    assert plain.left() == []


def test_nothing_of_development_is_installed(full: Installed) -> None:
    """The environment of these tests is a user's: no pytest, no hypothesis, no checkout."""
    program = """
from importlib.util import find_spec
print(find_spec("coir").origin)
print([one for one in ("pytest", "hypothesis", "mypy", "ruff") if find_spec(one)])
"""
    told = full.run("python", "-c", program)
    origin, foreign = told.stdout.splitlines()
    assert origin.startswith(str(full.scripts.parent))
    assert foreign == "[]"


def test_the_demo_runs_and_leaves_nothing(full: Installed) -> None:
    """`coir demo` retrieves every id, says so, and leaves no file and no process."""
    told = full.run("coir", "demo", "--images", "500")
    assert told.returncode == 0, told.stderr
    assert "complete: " in told.stderr
    assert "copied script" in told.stderr
    assert "Traceback" not in told.stderr
    assert full.left() == []
    assert full.processes() == []


def test_the_server_starts_from_the_wheel(full: Installed, tmp_path: Path) -> None:
    """`coir serve` makes its database by the migrations that the wheel carries."""
    data = tmp_path / "data"
    process = subprocess.Popen(
        [full.scripts / "coir", "serve", "--data", str(data), "--port", "0"],
        cwd=full.home,
        env=full.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert httpx2.get(f"{url}/api/info/").json()["coir"]["version"] == version()
        assert (data / "coir.db").stat().st_size > 0
        assert full.processes(), "a process that runs is seen: the other tests rely on it"
    finally:
        process.terminate()
        _, err = process.communicate(timeout=RUN_SECONDS)
    assert (process.returncode, err) == (0, "")


def version() -> str:
    source = (ROOT / "src" / "coir" / "version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert found
    return found[1]
