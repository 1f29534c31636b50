from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .databases import KINDS, SQLITE, Files, Place, Postgres
from .running import Running

# What no database takes part in.
ONCE = {"test_openapi", "test_docs_page"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that use a database run on both kinds, but for those whose result cannot differ."""
    if "place" in metafunc.fixturenames:
        once = metafunc.module.__name__.rpartition(".")[2] in ONCE
        metafunc.parametrize("place", [SQLITE] if once else KINDS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL, started when the first test asks for it."""
    started = Postgres()
    yield started
    started.end()


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """The kind of database that this test runs on."""
    files: Place = Files()
    return files if request.param == SQLITE else request.getfixturevalue("postgres")


@pytest.fixture(scope="session")
def server(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server process for all that need none of their own; `admin` is the administrator."""
    running = Running(place.data(tmp_path_factory.mktemp("server") / "data"))
    running.user("admin")
    yield running
    code, out, err = running.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err, err


@pytest.fixture
def data(place: Place, tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return place.data(tmp_path / "data")
