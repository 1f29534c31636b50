"""What all tests share: a clean environment, a server to read from, retries without pauses."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import stamina

from client.serving import Scene, serving
from server.databases import KINDS, Place, Postgres, place_of
from server.running import Running


@pytest.fixture(scope="session", autouse=True)
def _environment() -> Iterator[None]:
    """No proxy and no setting of the person who runs the tests takes part in them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith("COIR_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running(_environment: None) -> Iterator[None]:
    """A test that failed half-way leaves no server behind.

    Set up before any server of the session, and so ended after the last of them.
    """
    yield
    for running in list(Running.alive):
        running.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL, started when the first test asks for it."""
    started = Postgres()
    yield started
    started.end()


@pytest.fixture(scope="session", params=KINDS)
def database(request: pytest.FixtureRequest) -> Place:
    """Where the server of a test keeps its data: the test runs on each kind of database."""
    return place_of(request)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One server with a few datasets, for tests that change nothing on it."""
    with serving(tmp_path_factory.mktemp("scene")) as running:
        yield Scene(running)


@pytest.fixture
def hurried() -> Iterator[None]:
    """Retries as often as otherwise, without the pauses between them."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
