"""The server's clock, as its answers tell it."""

from __future__ import annotations

import time

import pytest

import coir
from client.serving import Scene
from coir.client.clock import ServerClock


def test_it_goes_on_between_answers() -> None:
    """It says the date of the last answer, and the seconds since then."""
    now = [5.0]
    clock = ServerClock(lambda: now[0])
    assert clock.now() is None
    clock.hear({"date": "Thu, 01 Jan 1970 00:01:40 GMT"})
    now[0] += 7.5
    assert clock.now() == 107.5
    clock.hear({})
    assert clock.now() == 107.5
    clock.hear({"date": "Thu, 01 Jan 1970 00:00:20 GMT"})
    assert clock.now() == 20.0


@pytest.mark.parametrize(
    "date", ["", "soon", "Thu, 99 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT", "0"]
)
def test_a_date_that_is_none(date: str) -> None:
    """It tells nothing."""
    clock = ServerClock()
    clock.hear({"date": date})
    assert clock.now() is None


def test_a_real_server_tells_it(scene: Scene) -> None:
    """Each answer has its date, from the first one on."""
    with coir.connect(scene.url, username="admin", password="admin-pw") as server:
        told = server.transport.clock.now()
    assert told is not None
    assert abs(told - time.time()) < 10
