"""The project as its files describe it, and the means to build it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def name_of(requirement: str) -> str:
    """The distribution that a requirement names, as PyPI normalizes it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def needed_by(requirements: Iterable[str]) -> set[str]:
    """Every installed distribution that these need, directly or not, without extras of theirs."""
    found: set[str] = set()
    waiting = [name_of(one) for one in requirements]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            below = requires(name) or []
        except PackageNotFoundError:
            continue  # for another platform or Python
        found.add(name)
        waiting += [name_of(one) for one in below if "extra ==" not in one]
    return found


def uv() -> str:
    """The uv that run.py would call."""
    found = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    assert found, "uv is neither on PATH nor in .venv: run `python3 run.py test`"
    return found
