"""docs/running.md and docs/security.md say what the server does."""

from __future__ import annotations

import dataclasses
import json
import re

from coir.server.configuration import NAMES
from coir.server.operations import OPERATIONS
from coir.server.settings import LOGS, Settings

from .pages import ROOT, blocks, read

RUNNING, SECURITY = read("docs/running.md"), read("docs/security.md")


def test_every_setting_has_its_row() -> None:
    """The table has each setting, in their order, with its names and its default."""
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| `(\w+)` \| `(.+?)` \|", RUNNING, re.MULTILINE)
    assert tuple(row[0] for row in rows) == NAMES
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    for name, option, variable, default in rows:
        assert option == f"--{name.replace('_', '-')}"
        assert variable == f"COIR_{name.upper()}"
        if name != "data":
            assert default == (str(defaults[name]).lower() or '""')
    assert all(f"`{kind}`" in RUNNING for kind in LOGS)


def test_the_line_of_the_log_is_of_its_form() -> None:
    """The example has the fields of a real line, in their order, and a route that there is."""
    [block] = [one for one in blocks("docs/running.md") if one.language == "json"]
    line = json.loads(block.text)
    assert list(line) == [
        "time", "level", "message", "request_id", "method", "route", "status", "ms", "user",
    ]  # fmt: skip
    assert (line["method"], line["route"]) in OPERATIONS
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])


def test_routes_on_the_pages_exist() -> None:
    """A route that a page names is one of the server's."""
    found = re.findall(r"`(GET|POST|DELETE) (/api/[^`?]+)`", RUNNING + SECURITY)
    assert found
    assert set(found) <= OPERATIONS.keys()


def test_each_hole_has_its_tests() -> None:
    """Each test that the page names exists; each hole of the original has a row with one."""
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", SECURITY)
    for file, test in named:
        content = (ROOT / "tests" / "server" / file).read_text(encoding="utf-8")
        assert f"\ndef {test}(" in content, f"{file} has no {test}"
    table = SECURITY.split("## The holes of the original")[1].split("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) == 9
    assert all(re.search(r"\| `test_security\.py::test_\w+`.* \|$", row) for row in rows)
