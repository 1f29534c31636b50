"""Whatever answers, asked by everybody: from nobody to the administrator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi.routing import APIRoute

from coir.server.app import create_app
from coir.server.conditional import Conditional
from coir.server.edge import Edge
from coir.server.encoding import Encoding
from coir.server.live.gate import PATH, Gate
from coir.server.routes import ROUTERS
from coir.server.settings import Settings
from coir.server.trace import Tracing

from .databases import Place
from .description import Description
from .live_roles import LIVE, METHODS, UPGRADE, connection, upgraded
from .roles import ROLES, ROUTES, TABLE, Row, Scene
from .running import Running

# What stands before the routes and has no path of its own.
LAYERS = {Tracing, Encoding, Edge, Conditional}


@pytest.fixture(scope="module")
def running(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of its own: these users see no others' things."""
    server = Running(place.data(tmp_path_factory.mktemp("access") / "data"))
    for name in reversed(ROLES[1:]):  # the administrator registers first
        server.user(name)
    yield server
    code, _, err = server.end()
    assert code == 0
    assert "Traceback" not in err, err


@pytest.fixture(scope="module")
def clients(running: Running) -> dict[str, httpx.Client]:
    """A client for each role; with Basic, so that logging out ends nothing."""
    made = {name: running.client(auth=(name, f"{name}-pw")) for name in ROLES}
    made["anonymous"] = running.client()
    return made


@pytest.fixture(scope="module")
def description(running: Running) -> Description:
    return Description(running)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_role_gets_what_the_table_says(
    row: Row, running: Running, clients: dict[str, httpx.Client], description: Description
) -> None:
    """Each route answers each role with the status of the table, for things as they are then.

    What it answers then looks as the OpenAPI document says.
    """
    found: list[int] = []
    scene = Scene(clients)
    for role in ROLES:
        if row.method != "GET" and 200 in found:  # what one role changes, the next does not meet
            scene = Scene(clients)
        scene["server"] = running
        sent = row.sent(scene)
        path = row.path.format_map(scene)
        answer = clients[role].request(row.method, path, **sent)
        found.append(answer.status_code)
        assert answer.status_code != 200 or description.errors(answer) == []
        clients[role].cookies.clear()  # registering signs in
    assert tuple(found) == row.statuses


def test_every_route_is_in_the_table() -> None:
    """A route without a row fails, and so does a row without a route: add or remove it."""
    assert {(row.method, row.path) for row in TABLE} == ROUTES
    assert {(row.method, row.path) for row in LIVE} == {(method, PATH) for method in METHODS}


def test_nothing_answers_beside_the_table(tmp_path: Path) -> None:
    """The application has the routes of the table, no mount beside them, and no layer before them
    that answers by itself, but the one of the live events."""
    app = create_app(Settings.of(tmp_path))
    app.state.server.close()
    assert [getattr(one, "original_router", one) for one in app.routes] == list(ROUTERS)
    assert all(isinstance(route, APIRoute) for router in ROUTERS for route in router.routes)
    assert {layer.cls for layer in app.user_middleware} == LAYERS | {Gate}


@pytest.mark.parametrize("row", LIVE, ids=str)
def test_each_role_gets_what_the_table_of_live_events_says(
    row: Row, clients: dict[str, httpx.Client]
) -> None:
    """Who may open a connection, and who may use one, by polling and as a WebSocket."""
    found: list[int] = []
    for role in ROLES:
        sent = row.sent(Scene(clients))
        if row.method == UPGRADE:
            found.append(upgraded(clients[role], sent.get("params", {})))
        else:
            found.append(clients[role].request(row.method, row.path, **sent).status_code)
    assert tuple(found) == row.statuses


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_live_events_take_no_other_method(method: str, clients: dict[str, httpx.Client]) -> None:
    """Nobody gets more by another method than to be told which there are."""
    for role in ROLES:
        answer = clients[role].request(method, f"{PATH}?EIO=4&transport=polling")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_the_refusals_of_strangers_tell_nothing(clients: dict[str, httpx.Client]) -> None:
    """To who does not see a thing the answer is the same as for one that does not exist."""
    scene = Scene(clients)
    for row in TABLE:
        if row.statuses[1] in (400, 404) and re.search(r"\{(?!from_id|task_id)\w+\}", row.path):
            scene["task_id"] = 0
            there = clients["other"].request(row.method, row.path.format_map(scene))
            missing = re.sub(r"\{\w+\}", "999999", row.path)
            assert there.content == clients["other"].request(row.method, missing).content, row
    for revision in (3, 4):
        asked = {"EIO": str(revision), "transport": "polling"}
        for method in ("GET", "POST"):
            ids = (connection(scene, revision), "x")
            given = [asked | {"sid": sid} for sid in ids]
            there, gone = (clients["other"].request(method, PATH, params=one) for one in given)
            assert there.content == gone.content
