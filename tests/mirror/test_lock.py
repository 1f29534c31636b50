"""The lock of a mirror: one process, and none that has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import coir
from coir.mirror.lock import holder, locked

HOLD = """
import sys
from pathlib import Path
from coir.mirror.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(lock: Path) -> subprocess.Popen[str]:
    """Another process that holds a lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_the_first(tmp_path: Path) -> None:
    """Who comes second is refused, with the number of who was first; asking takes nothing."""
    lock = tmp_path / ".coir" / "lock"
    assert holder(lock) is None
    process = holding(lock)
    assert holder(lock) == process.pid
    with pytest.raises(coir.MirrorBusy) as refused, locked(lock):
        raise AssertionError
    assert refused.value.pid == process.pid
    assert f"({process.pid})" in refused.value.message
    process.communicate("")
    assert holder(lock) is None
    with locked(lock):
        assert holder(lock) == os.getpid()


def test_a_killed_process_locks_nobody_out(tmp_path: Path) -> None:
    """What a killed process left behind holds nothing, though its number stands there."""
    lock = tmp_path / ".coir" / "lock"
    process = holding(lock)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert lock.read_text() == str(process.pid)
    assert holder(lock) is None
    with locked(lock):
        assert lock.read_text() == str(os.getpid())
    assert lock.read_text() == ""


@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
@pytest.mark.parametrize("link", [".coir", ".coir/lock", ".coir/schedule"])
def test_a_link_is_not_followed(tmp_path: Path, link: str, there: bool) -> None:
    """No lock is made where it leads, and who holds one there does not hold this one."""
    home, outside = tmp_path / "mirror", tmp_path / "outside"
    lock = home / (".coir/lock" if link == ".coir" else link)
    target = outside / lock.name
    process = holding(target) if there else None
    (home / link).parent.mkdir(parents=True)
    (home / link).symlink_to(outside if link == ".coir" else target)
    assert holder(lock) is None
    words = r"\.coir is no folder|is a link"
    with pytest.raises(coir.CoirError, match=words) as refused, locked(lock):
        raise AssertionError
    assert not isinstance(refused.value, coir.MirrorBusy)
    assert "Move it away" in refused.value.hint
    assert target.exists() == there
    if process is not None:
        assert target.read_text() == str(process.pid)
        process.communicate("")
    (home / link).unlink()
    with locked(lock):
        assert holder(lock) == os.getpid()
