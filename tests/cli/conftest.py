from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.serving import Serving, serving
from server.running import Running


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """A test that failed half-way leaves no server behind."""
    yield
    for running in list(Running.alive):
        running.kill()


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server on which each test makes datasets of its own; `admin` has the password admin-pw."""
    with serving(tmp_path_factory.mktemp("place")) as running:
        yield running
