"""Every numbered rule of a specification is carried by a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What is assumed of a server cannot be tested on coir.
ASSUMED = "A"


def test_every_rule_is_carried_by_a_test() -> None:
    """A rule that no test names is listed here."""
    text = (ROOT / "docs" / "spec" / "scan.md").read_text(encoding="utf-8")
    rules = set(re.findall(r"\*\*([A-Z]\d+)\*\*", text))
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    carried = set(re.findall(r"\[([A-Z]\d+)\]", tests))
    assert len(rules) > 20
    assert sorted(rule for rule in rules - carried if not rule.startswith(ASSUMED)) == []


def test_no_test_carries_a_rule_that_does_not_exist() -> None:
    """A number in a scan's test is a rule of the specification."""
    text = (ROOT / "docs" / "spec" / "scan.md").read_text(encoding="utf-8")
    rules = set(re.findall(r"\*\*([A-Z]\d+)\*\*", text))
    tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests" / "scan").glob("*.py"))
    assert set(re.findall(r"\[([A-Z]\d+)\]", tests)) <= rules
