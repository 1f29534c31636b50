from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .databases import KINDS, SQLITE, Place, place_of
from .running import Running

# What no database takes part in, as modules and as tests: documents, the names and addresses that
# a request is sent to, what a library says of a picture, and what the system lets nobody read (such
# a server would not reach the socket of the tests' PostgreSQL either).
ONCE = {
    "test_openapi",
    "test_docs_page",
    "test_names_of_the_servers_machine",
    "test_another_address_is_elsewhere",
    "test_warnings_of_libraries_are_lines_of_the_log",
    "test_what_may_not_be_read_is_a_warning",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that use a database run on both kinds, but for those whose result cannot differ."""
    if "place" in metafunc.fixturenames:
        names = {metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__}
        kinds = [SQLITE] if names & ONCE else KINDS
        metafunc.parametrize("place", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """The kind of database that this test runs on."""
    return place_of(request)


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
