"""The lock can be used on every machine."""

from __future__ import annotations

import tomllib
from typing import Any
from urllib.parse import urlsplit

from .project import ROOT

LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


def test_packages_come_from_one_registry() -> None:
    """Each package is of the same public registry, but for coir itself, which is this folder."""
    sources = {package["name"]: package["source"] for package in LOCK["package"]}
    assert sources.pop("coir") == {"editable": "."}
    registries = {source.get("registry", "") for source in sources.values()}
    assert len(registries) == 1
    assert urlsplit(registries.pop()).scheme == "https"


def test_files_come_from_one_host() -> None:
    """Each file is fetched from the registry's own host, with its hash; none has a local path."""
    files = [one for package in LOCK["package"] for one in _files(package)]
    assert files
    places = {urlsplit(one.get("url", ""))[:2] for one in files}
    assert {scheme for scheme, _ in places} == {"https"}
    assert len(places) == 1
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
