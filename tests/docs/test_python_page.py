"""docs/python.md says all that is public in Python."""

from __future__ import annotations

import inspect
import re

import pytest

import coir
from coir.errors import CoirError

from .pages import prose, read

PAGE = "docs/python.md"


@pytest.mark.parametrize("name", coir.__all__)
def test_every_public_name_is_described(name: str) -> None:
    """Each public name stands on the page, outside of the programs, as coir.NAME."""
    assert re.search(rf"`coir\.{name}\b", prose(PAGE))


def test_no_name_is_described_that_is_not_public() -> None:
    """What the page and the READMEs call coir.NAME is public."""
    text = "".join(map(read, (PAGE, "README.md", "README.zh-CN.md")))
    named = set(re.findall(r"\bcoir\.(\w+)(?!\S*/)", text))
    files, modules = {"db"}, {"model"}
    assert named - files - modules <= set(coir.__all__)
    assert all(hasattr(coir, one) for one in modules)


@pytest.mark.parametrize(
    "name", [name for name in coir.__all__ if isinstance(getattr(coir, name), type)]
)
def test_errors_stand_below_the_right_one(name: str) -> None:
    """The table of errors is the tree of errors."""
    kind = getattr(coir, name)
    row = re.search(rf"^\| `coir\.{name}` \| (?:`(\w+)`)? ?\|", read(PAGE), re.MULTILINE)
    if not issubclass(kind, CoirError):
        assert row is None
        return
    assert row is not None
    assert row[1] == (None if kind is CoirError else kind.__base__.__name__)


@pytest.mark.parametrize("name", ["Scan", "AsyncScan", "Server", "AsyncServer", "Filter",
                                  "Certificate", "IncompleteScan", "ServerInfo"])  # fmt: skip
def test_every_attribute_stands_on_the_page(name: str) -> None:
    """What can be called or read of the classes that users hold is on the page."""
    kind = getattr(coir, name)
    inner = {"compile", "compiled", "run", "check_size", "conditions", "with_traceback",
             "add_note", "args", "features", "git", "transport"}  # fmt: skip
    own = {one for one in dir(kind) if not one.startswith("_")} - inner
    if name == "Certificate":
        own = {"words", "json"}  # its fields are on a page of their own
    assert own
    text = prose(PAGE)
    assert [one for one in sorted(own) if not re.search(rf"`{one}\b", text)] == []


def test_every_argument_of_a_scan_is_on_the_page() -> None:
    """Each keyword of a scan, of connecting, and of a filter is described."""
    text = prose(PAGE)
    for kind in (coir.Scan, coir.Filter, coir.connect):
        names = set(inspect.signature(kind).parameters) - {"self", "dataset", "conditions"}
        assert [one for one in sorted(names) if not re.search(rf"\b{one}\b", text)] == []
