"""A plan in a file: it is believed only where it fits, and only as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coir
from coir.mirror import plan_file
from coir.mirror.plan import Action, Add, Change, Look, Remove
from coir.mirror.record import ImageRecord

HELD = {1, 2, 3}
ACTIONS: list[Action] = [
    Add(ImageRecord(4, "d.jpg", "/datasets/birds/d.jpg", 96, 64)),
    Change(ImageRecord(2, "b\n\N{PARTY POPPER}.jpg")),
    Look(2, annotations=True),
    Remove(3),
]


def plan(actions: list[Action], **more: Any) -> plan_file.PlanFile:
    """A plan of these actions."""
    told = {
        "mirror": "u",
        "sync": 7,
        "server_url": "http://localhost:5000",
        "dataset_id": 1,
        "dataset_name": "birds",
        "filters": {},
        "mode": "full",
        "counts": plan_file.counted(actions, 5),
        "sha256": plan_file.digest(actions),
    }
    return plan_file.PlanFile(plan_file.Head(**told | more), actions)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file with a plan."""
    path = tmp_path / "plan.jsonl"
    plan_file.write(path, plan(ACTIONS))
    return path


def test_what_is_written_is_read(written: Path) -> None:
    """A file gives the plan that was written, and fits its mirror."""
    read = plan_file.read(written)
    assert read == plan(ACTIONS)
    plan_file.check(read, "u", 7, HELD)
    assert read.head.where == coir.Filter()


def test_every_edit_is_seen(written: Path) -> None:
    """A line that is cut, left out, doubled or changed is refused."""
    head, *lines = written.read_bytes().splitlines(keepends=True)
    for edited in (
        [head, *lines[:-1]],
        [head, *lines, lines[-1]],
        [head, *lines[1:], lines[0]],
        [head, *lines[:-1], lines[-1][:-2]],
        [head, *lines[:-1], lines[-1].replace(b"3", b"1")],
        [head, *lines, b"\n"],
        [head, b'{"action":"format","id":1}\n'],
        [head, b"x" * 200_000],
        [head, b"\xff\xfe\n"],
        [head.replace(b'"removed":1', b'"removed":0'), *lines],
    ):
        written.write_bytes(b"".join(edited))
        with pytest.raises(coir.InvalidRequest, match="cut off, or edited"):
            plan_file.read(written)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a plan"),
        (b"[1, 2]\n", "is not a plan"),
        (b"\x00\xff" * 1000, "is not a plan"),
        (b'{"format":"coir.certificate/1"}\n', "is not a plan"),
        (b"x" * 2_000_000, "is not a plan"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, says: str) -> None:
    """What is no plan is refused in a sentence."""
    (tmp_path / "plan").write_bytes(content)
    with pytest.raises(coir.InvalidRequest, match=says):
        plan_file.read(tmp_path / "plan")
    with pytest.raises(coir.InvalidRequest, match="cannot be read"):
        plan_file.read(tmp_path / "nothing")


def test_a_plan_of_another_version(written: Path) -> None:
    """A plan in another format is refused with both names."""
    told = written.read_bytes().replace(b"coir.plan/1", b"coir.plan/9")
    written.write_bytes(told)
    with pytest.raises(coir.InvalidRequest, match=r"coir\.plan/9.*coir\.plan/1"):
        plan_file.read(written)


def test_filters_that_are_none(written: Path) -> None:
    """Filters that no command could have given are refused."""
    head, *rest = written.read_bytes().splitlines(keepends=True)
    told = json.loads(head) | {"filters": {"after_id": "x"}}
    written.write_bytes(json.dumps(told).encode() + b"\n" + b"".join(rest))
    with pytest.raises(coir.InvalidRequest, match="filters of the plan"):
        _ = plan_file.read(written).head.where


@pytest.mark.parametrize(
    ("mirror", "sync", "says"),
    [("v", 7, "another mirror"), (None, 7, "another mirror"), ("u", 8, "after sync 7")],
)
def test_a_plan_for_another_mirror(mirror: str | None, sync: int, says: str) -> None:
    """A plan is for one mirror, as it was."""
    with pytest.raises(coir.InvalidRequest, match=says):
        plan_file.check(plan(ACTIONS), mirror, sync, HELD)


@pytest.mark.parametrize(
    "actions",
    [
        [Add(ImageRecord(1, "a.jpg"))],
        [Remove(9)],
        [Change(ImageRecord(9, "a.jpg"))],
        [Look(9)],
        [Remove(1), Remove(1)],
        [Add(ImageRecord(-4, "a.jpg"))],
        [Add(ImageRecord(2**63, "a.jpg"))],
        [Add(ImageRecord(4, "a.jpg", width=2**70))],
        [Add(ImageRecord(4, "a.jpg", num_annotations=-1))],
    ],
)
def test_actions_that_do_not_fit(actions: list[Action]) -> None:
    """An action that cannot be about the mirror is refused, whoever made the file."""
    with pytest.raises(coir.InvalidRequest, match="does not fit the mirror"):
        plan_file.check(plan(actions), "u", 7, HELD)


def test_any_damage_is_an_error_of_coir(written: Path) -> None:
    """Whatever happens to a file, it is read as it was written or refused with an error."""
    content = written.read_bytes()

    @settings(deadline=None)
    @given(st.binary(max_size=300), st.integers(0, len(content)), st.integers(0, 50))
    def damaged(junk: bytes, at: int, cut: int) -> None:
        written.write_bytes(content[:at] + junk + content[at + cut :])
        try:
            read = plan_file.read(written)
        except coir.InvalidRequest:
            return
        assert read.actions == ACTIONS

    damaged()
