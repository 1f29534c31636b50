from __future__ import annotations

from collections.abc import Iterator

import pytest

from client.serving import Serving, serving


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server on which each test makes datasets of its own; `admin` has the password admin-pw."""
    with serving(tmp_path_factory.mktemp("place")) as running:
        yield running
