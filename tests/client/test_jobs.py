"""Waiting for a job: as long as it takes, or as asked, and ever less often."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import anyio
import pytest

import coir
from coir.client import connect
from coir.errors import InvalidRequest
from coir.model import Job

from .misbehaving import Asked, Misbehaving, Reply, json

TASKS = "GET /api/tasks/"

Wait = Callable[[str, float | None], Job]


def _synchronously(url: str, seconds: float | None) -> Job:
    with connect(url) as server:
        return server.jobs.wait(7, seconds=seconds)


def _asynchronously(url: str, seconds: float | None) -> Job:
    async def main() -> Job:
        async with await coir.connect_async(url) as server:
            return await server.jobs.wait(7, seconds=seconds)

    return anyio.run(main)


both = pytest.mark.parametrize("wait", [_synchronously, _asynchronously])


def tasks(*completed: bool) -> list[Reply]:
    """The list of jobs, time after time; job 7 is or is not completed."""
    job = {"group": "x", "name": "y", "progress": 50, "errors": 0, "warnings": 0}
    other = job | {"id": 1, "completed": True}
    return [json([other, job | {"id": 7, "completed": one}]) for one in completed]


@both
def test_until_it_is_completed(wait: Wait) -> None:
    """It is asked until the job is completed, and what the server says of it then is given."""
    with Misbehaving({TASKS: tasks(False, False, False, True)}) as server:
        job = wait(server.url, None)
        assert server.count(TASKS) == 4
    assert (job.id, job.completed) == (7, True)


@both
def test_no_longer_than_asked(wait: Wait) -> None:
    """After the seconds that were given the job is given as it is."""
    with Misbehaving({TASKS: tasks(False)}) as server:
        started = time.monotonic()
        job = wait(server.url, 0.6)
        assert 0.5 < time.monotonic() - started < 10
        assert not job.completed
        assert wait(server.url, 0).completed is False


def test_ever_less_often() -> None:
    """The pauses grow."""
    moments: list[float] = []

    def look(_: Asked) -> Reply:
        moments.append(time.monotonic())
        return tasks(len(moments) == 7)[0]

    with Misbehaving({TASKS: look}) as server:
        _synchronously(server.url, None)
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    least = [0.05 * 1.5**number for number in range(6)]
    assert all(pause >= 0.9 * one for pause, one in zip(pauses, least, strict=True))


@both
def test_no_such_job(wait: Wait) -> None:
    """A job that nobody knows is not waited for."""
    with (
        Misbehaving({TASKS: [json([])]}) as server,
        pytest.raises(InvalidRequest, match="no job 7"),
    ):
        wait(server.url, None)
