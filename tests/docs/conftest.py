from __future__ import annotations

from collections.abc import Iterator

import pytest

from .pages import blocks
from .story import Story, steady


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The server of the README, started and filled as the README says."""
    readme = blocks("README.md")
    serve = next(block for block in readme if "$ coir serve" in block.text)
    fill = next(block for block in readme if 'glob("*.jpg")' in block.text)
    told = Story(tmp_path_factory.mktemp("story"))
    went = told.serve(serve)
    try:
        told.pictures()
        filled = told.python(fill.text)
        assert (filled.code, filled.err) == (0, ""), f"{fill}\n{filled.err}"
        yield told
    finally:
        ended = told.end()
    assert steady(went) == serve.text, str(serve)
    assert (ended.code, ended.out) == (0, ""), ended.err
