"""Files of JSON lines, as kills and full disks leave them."""

from __future__ import annotations

from io import FileIO
from pathlib import Path
from typing import Any

from coir.mirror.lines import append, lines


class Piecewise(FileIO):
    """A file on a disk that takes three bytes at a time."""

    def write(self, content: Any, /) -> int:
        return super().write(bytes(content[:3]))


def test_a_line_is_written_whole(tmp_path: Path) -> None:
    """Also where the system takes it in pieces."""
    path = tmp_path / "list"
    with Piecewise(path, "ab") as file:
        append(file, {"name": "é😀"})
        append(file, 2)
    with path.open("rb") as found:
        assert list(lines(found, object)) == [{"name": "é😀"}, 2]


def test_a_line_that_was_cut_spoils_no_other(tmp_path: Path) -> None:
    """Wherever it was cut, within a character, too; what is added behind it is read."""
    whole = '\n["é😀", 1]\n'.encode()
    path = tmp_path / "list"
    for cut in range(len(whole)):
        path.write_bytes(whole + whole[:cut])
        with path.open("ab", buffering=0) as file:
            append(file, ["last", 2])
        with path.open("rb") as found:
            read = list(lines(found, list[Any]))
        # All but the newline at its end was there.
        again = [["é😀", 1]] if cut == len(whole) - 1 else []
        assert read == [["é😀", 1], *again, ["last", 2]]
