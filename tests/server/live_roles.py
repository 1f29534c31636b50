"""The table of roles for the live events, which stand beside the routes: who gets which answer.

A connection may be used by whoever knows its id and shows nothing that is another's: clients in
Python show nothing after the handshake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import websocket

from coir.server.live.gate import PATH

from .roles import REFUSED, SIGNED_IN, Row, Scene, Sent, Statuses

# A GET that asks for a WebSocket.
UPGRADE = "UPGRADE"
METHODS = ("GET", "POST", UPGRADE)
UPGRADED: Statuses = (401, 101, 101, 101, 101)
HELD: Statuses = (200, 400, 400, 200, 400)  # a connection of the owner
HELD_UPGRADED: Statuses = (101, 400, 400, 101, 400)

# By revision: what the server answers to, so that a poll does not wait, and what it does not.
WAKING = {3: b"1:2", 4: b"40"}
SILENT = {3: b"1:3", 4: b"3"}


def connection(scene: Scene, revision: int) -> str:
    """The id of a new connection that the owner began by polling; a packet waits there."""
    asked: dict[str, Any] = {"EIO": revision, "transport": "polling"}
    text = scene.owner.get(PATH, params=asked).text
    sid: str = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]["sid"]
    answer = scene.owner.post(PATH, params=asked | {"sid": sid}, content=WAKING[revision])
    assert answer.status_code == 200, answer.text
    return sid


def asking(revision: int, method: str, sid: str | None, *, held: bool = False) -> Sent:
    """A request of a revision for a new connection, for one with this id, or for the owner's."""
    given: dict[str, Any] = {"EIO": revision}
    given["transport"] = "websocket" if method == UPGRADE else "polling"

    def sent(scene: Scene) -> dict[str, Any]:
        known = connection(scene, revision) if held else sid
        params = given if known is None else given | {"sid": known}
        return {"params": params} | ({"content": SILENT[revision]} if method == "POST" else {})

    return sent


def _rows() -> Iterator[Row]:
    for method in METHODS:
        upgrades = method == UPGRADE
        new = {"GET": SIGNED_IN, "POST": REFUSED, UPGRADE: UPGRADED}[method]
        yield Row(method, PATH, REFUSED, about="in no revision")
        for revision in (3, 4):
            about = f"in revision {revision}"
            yield Row(method, PATH, new, asking(revision, method, None), about)
            nobodys = asking(revision, method, "x")
            yield Row(method, PATH, REFUSED, nobodys, f"{about}, nobody's")
            held = asking(revision, method, None, held=True)
            statuses = HELD_UPGRADED if upgrades else HELD
            yield Row(method, PATH, statuses, held, f"{about}, the owner's")


LIVE = list(_rows())


def upgraded(client: httpx.Client, params: dict[str, Any]) -> int:
    """The status of the answer when a client, with what it shows of itself, wants a WebSocket."""
    request = client.build_request("GET", PATH, params=params)
    if client.auth is not None:
        request = next(client.auth.sync_auth_flow(request))
    shown = {name: value for name, value in request.headers.items() if name == "authorization"}
    url = str(request.url).replace("http", "ws", 1)
    try:
        websocket.create_connection(url, header=shown, timeout=60).shutdown()
    except websocket.WebSocketBadStatusException as refused:
        return int(refused.status_code)
    return 101
