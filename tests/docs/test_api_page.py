"""docs/api.md lists every call."""

from __future__ import annotations

import re

import coir
from coir.client import operations

from .call_list import PLACES, calls, rendered
from .pages import read

PAGE = "docs/api.md"


def test_the_list_on_the_page_is_current() -> None:
    """The page shows the calls that there are; `python -m tests.docs.call_list`."""
    assert rendered(read(PAGE)) == read(PAGE)
    rows = re.findall(r"^\| `\w+\(", read(PAGE), re.MULTILINE)
    assert len(rows) == sum(len(calls(group)) for group in PLACES.values())


def test_every_group_has_its_place() -> None:
    """Each group of calls is on the page, under the name by which it is reached."""
    assert set(re.findall(r"^<!-- calls: (\S+) -->$", read(PAGE), re.MULTILINE)) == set(PLACES)
    assert {one.__name__ for one in PLACES.values()} == {*operations.__all__, "Server"}
    with coir.client.transport.Transport(
        "http://nowhere.invalid", coir.client.credentials.Credentials()
    ) as transport:
        server = coir.Server(transport, coir.ServerInfo("x"))
    for place, group in PLACES.items():
        if place.startswith("server."):
            assert isinstance(getattr(server, place.removeprefix("server.")), group)
