"""The pages about the project itself: changelog, decisions, vocabulary."""

from __future__ import annotations

import re
from collections import Counter

import coir

from .pages import ROOT, read

# The terms that the house agreed upon, however the rest of the page grows.
AGREED = {
    "dataset", "image", "annotation", "category", "page", "limit", "keyset pagination", "window",
    "high-water mark", "ledger", "certificate", "verdict", "complete", "changed", "incomplete",
    "scan", "mirror", "tombstone", "job",
}  # fmt: skip


def test_the_version_has_its_heading() -> None:
    """The newest version in the changelog is the package's, below a place for what comes next."""
    headings = re.findall(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[:2] == ["Unreleased", coir.__version__]


def test_every_heading_of_the_changelog_is_of_its_form() -> None:
    """Versions descend, each with a date or the word that there is none; changes are of a kind."""
    page = read("CHANGELOG.md")
    versions = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (.+)$", page, re.MULTILINE)
    numbers = [tuple(map(int, one[:3])) for one in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(versions) == len(re.findall(r"^## \[\d", page, re.MULTILINE))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d|not yet released", one[3]) for one in versions)
    kinds = set(re.findall(r"^### (.+)$", page, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_are_numbered_and_listed() -> None:
    """Each decision has the next number, its sections, and its line in the list."""
    files = sorted(path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    listed = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)$", read("docs/adr/README.md"), re.MULTILINE)
    assert [name for _, _, name in listed] == files
    for number, (in_list, title, name) in enumerate(listed, start=1):
        page = read(f"docs/adr/{name}")
        assert name.startswith(f"{number:04}-")
        assert in_list == str(number)
        assert page.startswith(f"# {number}. {title}\n")
        sections = re.findall(r"^## (.+)$", page, re.MULTILINE)
        assert sections == ["Needed", "Considered", "Decided", "What follows"], name


def test_each_term_is_defined_once() -> None:
    """The vocabulary defines each agreed term, and none twice; what is for later says so."""
    page = read("docs/vocabulary.md")
    defined = Counter(re.findall(r"^- \*\*([^*]+)\*\*(?: \*\(later\)\*)?: ", page, re.MULTILINE))
    assert AGREED - defined.keys() == set()
    assert [term for term, times in defined.items() if times > 1] == []
    assert sum(defined.values()) == len(re.findall(r"^- ", page, re.MULTILINE))
    _, later = page.split("## For later")
    assert later.count("*(later)*: ") == len(re.findall(r"^- ", later, re.MULTILINE))
