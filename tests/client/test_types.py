"""Type checkers see the arguments and the result of each call, of both servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import assert_type

import coir
from coir.model import CategoryInfo, Image, Page, Statistics


def of(server: coir.Server) -> None:
    birds = server.dataset("birds")
    assert_type(birds, coir.Dataset)
    assert_type(server.datasets(), list[coir.DatasetInfo])
    assert_type(birds.images(page=2), Page[Image])
    assert_type(birds.statistics(), Statistics)
    assert_type(server.images.upload(1, "a.jpg", name="b.jpg"), int)
    assert_type(server.images.download(1, "a.jpg"), Path)
    assert_type(server.images.pieces(1), Generator[bytes])
    assert_type(server.categories.create("cat", color="#000000"), CategoryInfo)


async def of_other(server: coir.AsyncServer) -> None:
    birds = await server.dataset("birds")
    assert_type(birds, coir.AsyncDataset)
    assert_type(await server.datasets(), list[coir.DatasetInfo])
    assert_type(await birds.images(page=2), Page[Image])
    assert_type(await birds.statistics(), Statistics)
    assert_type(await server.images.upload(1, "a.jpg", name="b.jpg"), int)
    assert_type(await server.images.download(1, "a.jpg"), Path)
    assert_type(server.images.pieces(1), AsyncGenerator[bytes])
    assert_type(await server.categories.create("cat", color="#000000"), CategoryInfo)


def wrong(server: coir.Server) -> None:
    server.images.upload("birds", "a.jpg")
    server.images.upload(1, "a.jpg", nane="b.jpg")
    server.categories.create()
    server.images.move(1)
"""
WRONG = ["arg-type", "call-arg", "call-arg", "attr-defined"]


def test_types(tmp_path: Path) -> None:
    """Results are of their types, wrong arguments are told, and nothing else is."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    told = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.rsplit("[", 1)[1].rstrip("]") for line in told] == WRONG, done.stdout
