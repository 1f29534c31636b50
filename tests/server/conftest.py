from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import Running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server process for all that need none of their own; `admin` is the administrator."""
    running = Running(tmp_path_factory.mktemp("server") / "data")
    running.user("admin")
    yield running
    code, out, err = running.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err, err


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"
