"""What the documentation tells to type works as it is written.

Every fenced block of every page is run, but for these:

- `sh` blocks that set up the environment themselves (`python3 run.py …`, `pip install …`).
  Of them it is checked here that the command, or the extra, exists; the demo is run by
  tests/demo and, from an installed wheel with its extra, by tests/repository/test_wheel.py.
- The two blocks that start and fill the server: the fixture `story` runs them.
- `json` blocks, which are read; what they are is checked where that is described.
- `text` blocks, which show something and are checked where that something is.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest

from .pages import READMES, ROOT, Block, blocks, markdown, read
from .story import Story, commands, steady

# The other README has the same blocks, as a test below says.
PAGES = [page for page in markdown() if page != "README.zh-CN.md"]
ALL = [block for page in PAGES for block in blocks(page)]
SET_UP = re.compile(r"^(python3 run\.py|pip install|uv run) ", re.MULTILINE)
LANGUAGES = {"sh", "console", "python", "json", "text"}
STORY = re.compile(r'\$ coir serve|glob\("\*\.jpg"\)')


def of(language: str, *, set_up: bool = False) -> list[Block]:
    """The blocks in a language that the story does not run."""
    return [
        block
        for block in ALL
        if block.language == language
        and bool(SET_UP.search(block.text)) is set_up
        and not (block.page == "README.md" and STORY.search(block.text))
    ]


def test_the_two_readmes_have_the_same_blocks() -> None:
    """Both READMEs tell to type the same."""
    one, other = ([(b.language, b.text) for b in blocks(page)] for page in READMES)
    assert one == other
    assert one


def test_the_two_readmes_have_the_same_shape_and_links() -> None:
    """Both READMEs have as many headings of each level, link to the same, and to each other."""
    levels = [re.findall(r"^#+(?= )", read(page), re.MULTILINE) for page in READMES]
    assert levels[0] == levels[1]
    links = [re.findall(r"\]\(([^)]+)\)", read(page)) for page in READMES]
    assert links[0][0] == READMES[1]
    assert links[1][0] == READMES[0]
    assert sorted(set(links[0]) - set(READMES)) == sorted(set(links[1]) - set(READMES))


def test_every_block_is_of_a_language_that_is_run() -> None:
    """No block escapes by its language."""
    unknown = [str(b) for b in ALL if b.language not in LANGUAGES]
    assert unknown == []


@pytest.mark.parametrize("block", of("sh", set_up=True), ids=str)
def test_what_sets_up_exists(block: Block) -> None:
    """Each command of run.py, and each extra that is installed, exists."""
    lines = [line.split("#")[0].strip() for line in block.text.splitlines() if line.strip()]
    help_of_run = subprocess.run(
        [sys.executable, "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    for line in lines:
        if run := re.fullmatch(r"python3 run\.py (\w+).*", line):
            assert re.search(rf"^    python3 run\.py {run[1]} ", help_of_run, re.MULTILINE), line
        elif pip := re.fullmatch(r"pip install '?\.(?:\[(\w+)\])?'?", line):
            assert pip[1] is None or pip[1] in extras, line
        else:
            uv = re.fullmatch(r"uv run (coir|pytest|ruff|mypy|lint-imports)( .*)?", line)
            assert uv, f"{block}: nothing here knows how to check `{line}`"


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_shell_blocks_run(story: Story, block: Block) -> None:
    """A shell block ends without a failure."""
    done = story.shell(block.text)
    assert done.code == 0, f"{block}\n{done.err}"
    assert "Traceback" not in done.err


@pytest.mark.parametrize("block", of("console"), ids=str)
def test_console_blocks_print_what_they_show(story: Story, block: Block) -> None:
    """A console block's commands print what stands below them."""
    assert commands(block)
    assert steady(story.console(block)) == steady(block.text)


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_blocks_are_json(block: Block) -> None:
    """A block that is called JSON can be read as such."""
    assert json.loads(block.text)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_blocks_run(story: Story, block: Block) -> None:
    """A Python block runs without an error or a warning, and prints what its comments say."""
    for above in of("console"):  # what it reads was written there
        if above.page == block.page and above.line < block.line:
            story.console(above)
    done = story.python(block.text)
    assert (done.code, done.err) == (0, ""), f"{block}\n{done.err}"
    for promised in re.findall(r"# prints (.+)$", block.text, re.MULTILINE):
        assert promised in done.out, str(block)


def test_the_kept_list_is_the_dataset(story: Story) -> None:
    """What the README's shell block writes is the list, and its certificate."""
    block = next(b for b in of("sh") if b.page == "README.md" and "--certificate" in b.text)
    assert story.shell(block.text).out == "1\tbirds\tadmin\n"
    assert (story.folder / "birds.txt").read_text() == "1\n2\n3\n"
    assert '"verdict": "complete"' in (story.folder / "birds.json").read_text()
