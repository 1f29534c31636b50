from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.serving import Serving, serving

from .library import Library

NUMBERS = itertools.count(1)


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for the tests of files, each with a dataset of its own."""
    with serving(tmp_path_factory.mktemp("library")) as running:
        yield running


@pytest.fixture
def library(running: Serving, tmp_path: Path) -> Library:
    """A dataset without images."""
    return Library(running, tmp_path, f"books {next(NUMBERS)}")
