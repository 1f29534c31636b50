"""The lock can be used on every machine."""

from __future__ import annotations

import tomllib
from typing import Any
from urllib.parse import urlsplit

from .project import ROOT

PYPI = {"registry": "https://pypi.org/simple"}
FILES = "files.pythonhosted.org"

LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


def test_packages_come_from_pypi_only() -> None:
    """Each package is of PyPI, but for coir itself, which is this folder."""
    elsewhere = {
        package["name"]: package["source"]
        for package in LOCK["package"]
        if package["source"] != PYPI
    }
    assert elsewhere == {"coir": {"editable": "."}}


def test_files_come_from_pypi_only() -> None:
    """Each file is fetched from PyPI's own host, with its hash; none has a local path."""
    files = [one for package in LOCK["package"] for one in _files(package)]
    assert files
    assert {urlsplit(one.get("url", "")).netloc for one in files} == {FILES}
    assert [one for one in files if not one.get("hash", "").startswith("sha256:")] == []


def test_no_local_path_stands_anywhere() -> None:
    """No value of the lock is a path of somebody's machine."""
    paths = [one for one in _texts(LOCK) if one.startswith(("/", "~", "file:", ".."))]
    assert paths == []


def _files(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*package.get("wheels", []), *filter(None, [package.get("sdist")])]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []
