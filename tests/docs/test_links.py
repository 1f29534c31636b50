"""Links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .pages import ROOT, anchors, markdown, prose

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)|!\[[^]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", markdown())
def test_relative_links_resolve(page: str) -> None:
    """A relative link names a file of the repository, and a heading that it has."""
    broken = []
    for found in LINK.finditer(re.sub(r"`[^`\n]*`", "", prose(page))):
        target = found[1] or found[2]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        meant = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        found_there = meant.is_relative_to(ROOT) and meant.exists()
        if not found_there or (anchor and anchor not in anchors(_page(meant))):
            broken.append(target)
    assert broken == []


def _page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
