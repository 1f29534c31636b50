"""Live events: who is told what, by clients of both revisions and on both transports."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import websocket
from sqlalchemy import select

from coir.server.access import task_viewers, viewers
from coir.server.live.channel import MAX_BYTES
from coir.server.live.gate import MAX_CONNECTIONS
from coir.server.store.engine import Store
from coir.server.store.tables import users

from .databases import Postgres
from .listening import (
    KINDS,
    OldPolling,
    OldWebSocket,
    Today,
    cookie,
    listening,
    soon,
)
from .running import Running, completed, created, uploaded
from .serving import Serving

NUMBERS = count(1)
WAIT = 30


@dataclass
class Shared:
    """A dataset of `admin`, shared with `bob`, with two images; `eve` does not see it."""

    server: Running
    admin: httpx.Client
    bob: httpx.Client
    eve: httpx.Client
    dataset: int
    images: list[int]

    def marks(self) -> list[list[str]]:
        """Who annotates each image, as the listing tells."""
        page = self.admin.get(f"/api/dataset/{self.dataset}/data", params={"order": "id"})
        return [image["annotating"] for image in page.json()["images"]]


@pytest.fixture
def shared(server: Running) -> Shared:
    admin, bob, eve = (server.user(name) for name in ("admin", "bob", "eve"))
    dataset = created(admin, f"live {next(NUMBERS)}")
    assert admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]}).status_code == 200
    images = [uploaded(admin, dataset, f"{number}.jpg").json() for number in range(2)]
    return Shared(server, admin, bob, eve, dataset, images)


def mark(image: int, name: str, *, active: bool) -> tuple[str, dict[str, Any]]:
    return "annotating", {"image_id": image, "active": active, "username": name}


def asked(image: int, *, active: bool) -> dict[str, Any]:
    return {"image_id": image, "active": active}


@pytest.mark.parametrize("kind", KINDS)
def test_marks_come_and_go(shared: Shared, kind: str) -> None:
    """Who is on an image is told to the others who see it, and shown in its row while it lasts."""
    first, second = shared.images
    with (
        listening(shared.server, cookie(shared.bob), kind) as bob,
        listening(shared.server, cookie(shared.admin), kind) as admin,
        listening(shared.server, cookie(shared.eve), kind) as eve,
    ):
        assert bob.send("annotating", asked(first, active=True)) == {"success": True}
        assert admin.next() == mark(first, "bob", active=True)
        assert shared.marks() == [["bob"], []]
        loaded = shared.admin.get(f"/api/annotator/data/{first}").json()
        assert loaded["image"]["annotating"] == ["bob"]
        fields = {"fields": "id,annotating", "per_page": 10_000}
        rows = shared.bob.get("/api/image/", params=fields).json()["images"]
        found = {row["id"]: row["annotating"] for row in rows}
        assert [found[image] for image in shared.images] == [["bob"], []]

        # Going on to another image leaves the one before.
        assert bob.send("annotating", asked(second, active=True)) == {"success": True}
        assert [admin.next(), admin.next()] == [
            mark(second, "bob", active=True),
            mark(first, "bob", active=False),
        ]
        assert shared.marks() == [[], ["bob"]]
        assert admin.send("annotating", asked(second, active=True)) == {"success": True}
        assert bob.next() == mark(second, "admin", active=True)
        assert shared.marks() == [[], ["bob", "admin"]]

        assert bob.send("annotating", asked(second, active=False)) == {"success": True}
        assert admin.next() == mark(second, "bob", active=False)
        assert shared.marks() == [[], ["admin"]]
        admin.close()
        assert bob.next() == mark(second, "admin", active=False)
        assert shared.marks() == [[], []]
        assert (bob.none(), admin.none(), eve.none()) == (True, True, True)


@pytest.mark.parametrize("kind", KINDS)
def test_all_characters_arrive(shared: Shared, kind: str) -> None:
    """What a page sends arrives as it is, also beyond the first plane of Unicode, where old
    clients count a character twice; and the packets behind it are found."""
    made = shared.admin.post("/api/annotation/", json={"image_id": shared.images[0]}).json()
    name = 'ünï 🐈 中文 \u2028 "q"' * 40
    shown = {"id": made["id"], "image_id": shared.images[0], "name": name}
    event = {"action": "modify", "uuid": "🐈", "annotation": shown}
    with (
        listening(shared.server, cookie(shared.bob), kind) as bob,
        listening(shared.server, cookie(shared.admin), kind) as admin,
    ):
        for _ in range(3):
            assert bob.send("annotation", event) == {"success": True}
        for one in (bob, admin):
            # Who came quickly may still be told of the making.
            told = [_behind("create", one), one.next(), one.next()]
            assert told == [("annotation", event)] * 3
            assert one.none()


@pytest.mark.parametrize("kind", KINDS)
def test_who_sees_nothing_marks_nothing(shared: Shared, kind: str) -> None:
    """An image that is not there, or not the sender's to see, is refused the same."""
    with (
        listening(shared.server, cookie(shared.eve), kind) as eve,
        listening(shared.server, cookie(shared.bob), kind) as bob,
    ):
        for image in (shared.images[0], 10**9):
            answer = eve.send("annotating", asked(image, active=True))
            assert answer == {"success": False, "message": "Invalid image id"}
        for given in ({}, {"image_id": "x"}, {"image_id": [1]}, {"image_id": None}):
            assert eve.send("annotating", given)["success"] is False
        assert eve.send("annotating", "text")["success"] is False
        assert shared.marks() == [[], []]
        bob.send("annotating", asked(shared.images[0], active=True))
        assert (eve.none(), bob.none()) == (True, True)


def test_two_tabs_are_one_name(shared: Shared) -> None:
    """A user is on an image until the last of their connections has left it."""
    image = shared.images[0]
    with listening(shared.server, cookie(shared.admin), "websocket-3") as admin:
        tabs = [OldWebSocket(shared.server, cookie(shared.bob)) for _ in range(2)]
        for tab in tabs:
            tab.send("annotating", asked(image, active=True))
        assert shared.marks() == [["bob"], []]
        tabs[0].close()
        tabs[1].send("annotating", asked(image, active=True))
        assert shared.marks() == [["bob"], []]
        tabs[1].close()
        assert soon(lambda: shared.marks() == [[], []])
        assert [admin.next() for _ in range(3)] == [
            mark(image, "bob", active=True),
            mark(image, "bob", active=True),
            mark(image, "bob", active=False),
        ]


CLIENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from server.listening import listening
class Server:
    url = sys.argv[2]
    def client(self, **options):
        import httpx2 as httpx
        return httpx.Client(base_url=self.url, timeout=60, **options)
with listening(Server(), {"Cookie": sys.argv[3]}, sys.argv[4]) as one:
    print(one.send("annotating", {"image_id": int(sys.argv[5]), "active": True}), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_killed_client_leaves(shared: Shared, kind: str) -> None:
    """A client that is killed takes no leave, and its mark vanishes all the same."""
    image = shared.images[0]
    arguments = [
        str(Path(__file__).parents[1]),
        shared.server.url,
        cookie(shared.bob)["Cookie"],
        kind,
        str(image),
    ]
    with (
        listening(shared.server, cookie(shared.admin), "websocket-4") as admin,
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, text=True
        ) as client,
    ):
        assert client.stdout is not None
        assert client.stdout.readline() == "{'success': True}\n"
        assert shared.marks() == [["bob"], []]
        client.kill()
        assert [admin.next(), admin.next()] == [
            mark(image, "bob", active=True),
            mark(image, "bob", active=False),
        ]
        assert shared.marks() == [[], []]


def test_marks_are_those_of_all_processes(data: Path) -> None:
    """A process shows the marks of another, until that one is killed and its leases run out."""
    one, other = Running(data), Running(data)
    admin = one.user("admin")
    dataset = created(admin, "birds")
    image = uploaded(admin, dataset, "a.jpg").json()
    shared = Shared(other, other.user("admin"), admin, admin, dataset, [image])
    with listening(other, cookie(admin), "websocket-4") as watching:
        client = OldWebSocket(one, cookie(admin))
        client.send("annotating", asked(image, active=True))
        assert shared.marks() == [["admin"]]
        assert watching.next() == mark(image, "admin", active=True)
        client.close()
        assert soon(lambda: shared.marks() == [[]])
        assert watching.next() == mark(image, "admin", active=False)

        client = OldWebSocket(one, cookie(admin))
        client.send("annotating", asked(image, active=True))
        assert watching.next() == mark(image, "admin", active=True)
        one.kill()
        assert shared.marks() == [["admin"]]
        with other.database() as database:  # as if half a minute passed
            database.execute("UPDATE presence SET expires_at = expires_at - 30000")
        assert shared.marks() == [[]]
        assert watching.next() == mark(image, "admin", active=False)  # whoever finds it tells
        with other.database() as database:
            assert database.execute("SELECT count(*) FROM presence").fetchone()[0] == 0
            spent = database.execute("SELECT milliseconds FROM images").fetchone()[0]
        assert spent > 0
    assert other.end()[::2] == (0, "")


def test_leases_are_prolonged_and_sessions_looked_after(shared: Shared) -> None:
    """A mark outlives its lease while its client is there; an ended session ends connections."""
    image = shared.images[0]
    other = shared.server.user("bob")
    given = {"name": "events", "scope": "annotate"}
    made = shared.bob.post("/api/user/tokens", json=given).json()
    program = {"Authorization": f"Bearer {made['token']}"}
    with (
        listening(shared.server, cookie(shared.bob), "websocket-3") as bob,
        listening(shared.server, cookie(other), "polling-3") as polling,
        listening(shared.server, cookie(other), "websocket-4") as leaving,
        listening(shared.server, program, "websocket-4") as revoked,
    ):
        bob.send("annotating", asked(image, active=True))
        with shared.server.database() as database:
            database.execute("UPDATE presence SET expires_at = expires_at - 15000")
        assert other.get("/api/user/logout").status_code == 200
        path = f"/api/user/tokens/{made['id']}"
        assert shared.bob.delete(path).status_code == 200
        # An event is refused at once, whatever the heart beats.
        for one in (polling, leaving, revoked):
            assert isinstance(one, (Today, OldPolling))
            assert one.gone.wait(WAIT)
        assert shared.marks() == [["bob"], []]
        with shared.server.database() as database:
            left = database.execute("SELECT max(expires_at) FROM presence").fetchone()[0]
        assert left > time.time() * 1000 + 15_000


def test_time_on_an_image_is_kept(shared: Shared) -> None:
    """The time somebody is on an image is added to the image's, as the original does."""
    image = shared.images[0]
    with listening(shared.server, cookie(shared.bob), "websocket-3") as bob:
        bob.send("annotating", asked(image, active=True))
        time.sleep(0.2)
        bob.send("annotating", asked(image, active=False))
    with shared.server.database() as database:
        asked_for = f"SELECT milliseconds FROM images WHERE id = {image}"
        spent = database.execute(asked_for).fetchone()[0]
    assert 200 <= spent < 20_000


OPENING = ("EIO=3&transport=polling", "EIO=4&transport=polling")


def opened(server: Running, headers: dict[str, str], way: str, revision: int) -> int:
    """The status of a handshake."""
    query = f"EIO={revision}&transport={way}"
    if way == "polling":
        return server.client().get(f"/socket.io/?{query}", headers=headers).status_code
    try:
        url = f"{server.url.replace('http', 'ws')}/socket.io/?{query}"
        websocket.create_connection(url, header=headers, suppress_origin=True).close()
    except websocket.WebSocketBadStatusException as error:
        return int(error.status_code)
    return 200


@pytest.mark.parametrize("way", ["polling", "websocket"])
@pytest.mark.parametrize("revision", [3, 4])
def test_connecting_needs_a_session(shared: Shared, way: str, revision: int) -> None:
    """A cookie, a password or an API token opens a connection; nothing else does."""
    made = shared.bob.post("/api/user/tokens", json={"name": "x", "scope": "read"}).json()
    basic = httpx.BasicAuth("bob", "bob-pw")
    request = next(basic.sync_auth_flow(httpx.Request("GET", shared.server.url)))
    for headers in (
        cookie(shared.bob),
        {"Authorization": f"Bearer {made['token']}"},
        {"Authorization": request.headers["Authorization"]},
    ):
        assert opened(shared.server, headers, way, revision) == 200
    for headers in (
        {},
        {"Cookie": "session=x"},
        {"Authorization": "Bearer coir_x"},
        {"Authorization": "Basic Ym9iOnh4"},
        cookie(shared.bob) | {"Authorization": "Bearer x"},
    ):
        assert opened(shared.server, headers, way, revision) == 401


def test_token_that_reads_marks_nothing(shared: Shared) -> None:
    """With an API token to read, events are received and none is sent."""
    made = shared.bob.post("/api/user/tokens", json={"name": "y", "scope": "read"}).json()
    program = {"Authorization": f"Bearer {made['token']}"}
    with (
        listening(shared.server, program, "websocket-4") as reading,
        listening(shared.server, cookie(shared.admin), "websocket-4") as admin,
    ):
        refused = reading.send("annotating", asked(shared.images[0], active=True))
        assert refused["success"] is False
        admin.send("annotating", asked(shared.images[0], active=True))
        assert reading.next() == mark(shared.images[0], "admin", active=True)


@pytest.mark.parametrize("way", ["polling", "websocket"])
@pytest.mark.parametrize("revision", [3, 4])
def test_other_origins_are_refused(shared: Shared, way: str, revision: int) -> None:
    """A page of another place does not connect with the cookie of whoever looks at it."""
    mine = cookie(shared.bob)
    own = shared.server.url
    assert opened(shared.server, mine | {"Origin": own}, way, revision) == 200
    assert (
        opened(shared.server, mine | {"Origin": own.replace("http", "https")}, way, revision) == 200
    )
    for origin in ("https://evil.example", "null", f"{own}.evil.example", "", "http://[", "x"):
        assert opened(shared.server, mine | {"Origin": origin}, way, revision) == 403
    assert opened(shared.server, mine | {"Sec-Fetch-Site": "cross-site"}, way, revision) == 403


def test_named_origins_connect(data: Path) -> None:
    """The pages of an origin in the settings may connect, those of others may not."""
    server = Serving(data, "--origins", "https://labels.example, http://b.example:81")
    mine = cookie(server.user("admin"))
    wanted = {"https://labels.example": 200, "http://b.example:81": 200, "http://b.example": 403}
    for origin, status in wanted.items():
        for way in ("polling", "websocket"):
            assert opened(server, mine | {"Origin": origin}, way, 3) == status
    assert server.end()[0] == 0


def test_connections_are_limited(shared: Shared) -> None:
    """A user has so many connections, and another one's are not counted with them."""
    server, mine = shared.server, cookie(server_user(shared.server, "greedy"))
    client = server.client(headers=mine)
    statuses = [
        client.get(f"/socket.io/?{OPENING[number % 2]}").status_code
        for number in range(MAX_CONNECTIONS + 1)
    ]
    assert statuses == [200] * MAX_CONNECTIONS + [429]
    assert opened(server, mine, "websocket", 4) == 429
    assert opened(server, cookie(shared.bob), "polling", 3) == 200


def server_user(server: Running, name: str) -> httpx.Client:
    return server.user(f"{name} {next(NUMBERS)}")


def test_large_messages_are_refused(shared: Shared) -> None:
    """A message above the limit ends its connection, and is never read."""
    text = "427" + json.dumps(["annotating", {"image_id": 1, "x": "y" * MAX_BYTES}])
    polling = OldPolling(shared.server, cookie(shared.bob))
    with pytest.raises(AssertionError, match="larger than"):
        polling.write(text)
    one = OldWebSocket(shared.server, cookie(shared.bob))
    one.write(text)
    assert one.gone.wait(WAIT)
    just = text.replace("y" * MAX_BYTES, "y" * (MAX_BYTES - 200))
    one = OldWebSocket(shared.server, cookie(shared.bob))
    one.write(just)
    assert one._answers.get(timeout=WAIT) == {"success": True}
    one.close()
    polling.close()


MALFORMED = [
    "",
    "x",
    "0{}",
    "7",
    "9",
    "b4AAAA",
    "4",
    "4x",
    "45",
    '451-["annotating",{"_placeholder":true,"num":0}]',
    "46",
    "44",
    "42",
    "42{}",
    "42[]",
    "42[1]",
    '42["annotating"',
    "42" + "9" * 400 + '["annotating"]',
    "42" + "[" * 100_000,
    '42["annotating",NaN]',
    "40{",
    "\0",
    "²",
    "4²",
    '42["\\ud800"]x',
]
HARMLESS = [
    "2probe",
    "3",
    "3x",
    "5",
    "6",
    "40",
    "40/admin,",
    "43",
    "437[1]",
    '42["connect"]',
    '42["disconnect",1]',
    '42["annotating"]',
    '42["annotating",1,2,3]',
    '42["annotation",{"annotation":7}]',
    '42/admin,["annotating",{}]',
    '42["*",{}]',
    '427["unheard of"]',
]


@pytest.mark.parametrize("revision", [3, 4])
def test_what_is_no_packet_ends_the_connection(shared: Shared, revision: int) -> None:
    """Malformed packets end their connection with a reason, and nothing else."""
    for packet in MALFORMED:
        status, reply = posted(shared, revision, packet.encode())
        assert (status, "no packet" in reply) == (400, True), packet[:80]
        assert websocket_code(shared, revision, packet) == 1007, packet[:80]
    for body in (b"\xff\xfe", b"\0", b"\0\1", b"\0\1\xff", b"\1\1\xff4", b"9:4", b":4", b"-1:4"):
        status, reply = posted(shared, revision, body, framed=True)
        assert (status, "no packet" in reply) == (400, True), body


@pytest.mark.parametrize("revision", [3, 4])
def test_what_means_nothing_is_left_aside(shared: Shared, revision: int) -> None:
    """Packets that are none of the server's business change nothing."""
    for packet in HARMLESS:
        assert posted(shared, revision, packet.encode())[0] == 200, packet
        with opened_websocket(shared, revision) as one:
            one.send(packet)
            one.send("421" + json.dumps(["annotating", asked(shared.images[0], active=True)]))
            seen = []
            while not seen or not seen[-1].startswith("431"):
                seen.append(one.recv())
            assert seen[-1] == '431[{"success":true}]', packet


def handshake(shared: Shared, revision: int) -> tuple[httpx.Client, str]:
    """A polling connection whose namespace has begun."""
    client = shared.server.client(headers=cookie(shared.bob))
    path = f"/socket.io/?EIO={revision}&transport=polling"
    text = client.get(path).text
    sid = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]["sid"]
    path += f"&sid={sid}"
    if revision == 4:
        assert client.post(path, content=b"40").status_code == 200
    return client, path


def posted(shared: Shared, revision: int, body: bytes, *, framed: bool = False) -> tuple[int, str]:
    """The answer to a body with one packet, or to one that is framed already."""
    client, path = handshake(shared, revision)
    if revision == 3 and not framed:
        body = f"{len(body.decode().encode('utf-16-le')) // 2}:".encode() + body
    answer = client.post(path, content=body)
    if answer.status_code == 200:
        client.post(path, content=b"1" if revision == 4 else b"1:1")
    client.close()
    return answer.status_code, answer.text


@contextmanager
def opened_websocket(shared: Shared, revision: int) -> Iterator[Any]:
    url = shared.server.url.replace("http", "ws")
    one = websocket.create_connection(
        f"{url}/socket.io/?EIO={revision}&transport=websocket",
        header=cookie(shared.bob),
        timeout=WAIT,
    )
    try:
        assert one.recv().startswith("0{")
        if revision == 4:
            one.send("40")
        assert one.recv().startswith("40")
        yield one
    finally:
        one.shutdown()


def websocket_code(shared: Shared, revision: int, packet: str) -> int:
    """The code with which the server ends a WebSocket after this packet."""
    with opened_websocket(shared, revision) as one:
        one.send(packet)
        opcode, content = one.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE, content
        return int.from_bytes(content[:2], "big")


def test_requests_that_are_none_are_refused(shared: Shared) -> None:
    """Other methods, revisions, transports and connections get a sentence, never a 500."""
    client = shared.server.client(headers=cookie(shared.bob))
    for query in ("", "EIO=2", "EIO=4&transport=pigeon", "EIO=4&transport=websocket", "EIO=3&j=0"):
        answer = client.get(f"/socket.io/?{query}")
        assert (answer.status_code, "message" in answer.json()) == (400, True), query
    for sid in ("", "x", "%00", "é" * 100):
        for method in ("GET", "POST"):
            path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
            assert client.request(method, path).status_code == 400
    for method in ("PUT", "DELETE", "PATCH", "HEAD"):
        assert client.request(method, "/socket.io/?EIO=4").status_code == 405
    assert client.post("/socket.io/?EIO=4").status_code == 400
    assert client.get("/socket.io/x").status_code == 404
    for path in ("/socket.io/?EIO=9&transport=websocket", "/elsewhere"):
        with pytest.raises(websocket.WebSocketBadStatusException):
            websocket.create_connection(shared.server.url.replace("http", "ws") + path)


def test_page_of_another_user_begins_anew(shared: Shared) -> None:
    """A connection is for the session that opened it, also for who has learned its id."""
    _, path = handshake(shared, 3)
    eve = shared.server.client(headers=cookie(shared.eve))
    assert eve.get(path).status_code == 400
    assert eve.post(path, content=b"1:1").status_code == 400


@pytest.mark.parametrize("kind", ["polling-3", "websocket-3"])
def test_old_clients_ping(shared: Shared, kind: str) -> None:
    """A client of Engine.IO 3 pings and is answered; the handshake is the recorded one."""
    with listening(shared.server, cookie(shared.bob), kind) as one:
        assert isinstance(one, (OldPolling, OldWebSocket))
        assert one.ping() == "3"
        upgrades = ["websocket"] if kind == "polling-3" else []
        shown = {"upgrades": upgrades, "pingInterval": 25000, "pingTimeout": 60000}
        assert one.handshake == shown | {"sid": one.handshake["sid"]}


def test_old_clients_in_python_write_bytes(shared: Shared) -> None:
    """Payloads with lengths in bytes are read as well."""
    one = OldPolling(shared.server, cookie(shared.bob), binary=True)
    assert one.send("annotating", asked(shared.images[0], active=True)) == {"success": True}
    assert one.ping() == "3"
    one.close()


def _behind(action: str, client: Any) -> Any:
    """The next event that is not of this action."""
    while (event := client.next())[1].get("action") == action:
        pass
    return event


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_are_passed_on(shared: Shared, kind: str) -> None:
    """What a page says of an annotation is told, as it is, to all who see it, itself included."""
    made = shared.admin.post("/api/annotation/", json={"image_id": shared.images[0]}).json()
    drawn = {
        "uuid": "é😀",
        "action": "modify",
        "annotation": {"id": made["id"], "image_id": made["image_id"], "segmentation": [[1.5, 2]]},
    }
    with (
        listening(shared.server, cookie(shared.bob), kind) as bob,
        listening(shared.server, cookie(shared.admin), kind) as admin,
        listening(shared.server, cookie(shared.eve), kind) as eve,
    ):
        assert bob.send("annotation", drawn) == {"success": True}
        # Who came quickly may still be told of the making.
        assert _behind("create", bob) == _behind("create", admin) == ("annotation", drawn)
        assert eve.send("annotation", drawn)["success"] is False
        elsewhere = drawn | {"annotation": {"id": made["id"], "image_id": 10**6}}
        for wrong in (elsewhere, drawn | {"action": "explode"}, {"annotation": {}}, {}):
            assert bob.send("annotation", wrong)["success"] is False
        assert shared.admin.delete(f"/api/annotation/{made['id']}").status_code == 200
        drawn["action"] = "delete"
        assert bob.next()[1]["action"] == "delete"  # the route's own
        assert bob.send("annotation", drawn) == {"success": True}
        assert bob.next() == admin.next() == ("annotation", drawn)
        assert (bob.none(), admin.none(), eve.none()) == (True, True, True)


def test_changes_by_requests_are_told(shared: Shared) -> None:
    """What a request makes, changes and deletes is told; not to the page that sent it."""
    with (
        listening(shared.server, cookie(shared.bob), "websocket-4") as bob,
        listening(shared.server, cookie(shared.admin), "websocket-4") as page,
        listening(shared.server, cookie(shared.server.user("admin")), "polling-3") as other,
        listening(shared.server, cookie(shared.eve), "websocket-3") as eve,
    ):
        given = {"image_id": shared.images[0], "segmentation": [[0, 0, 9, 0, 9, 9]]}
        made = shared.admin.post("/api/annotation/", json=given).json()
        path = f"/api/annotation/{made['id']}"
        changed = shared.admin.put(path, json={"category_id": 1, "color": "#123456"}).json()
        for _ in range(2):
            assert shared.admin.delete(path).status_code == 200
        for one in (bob, other):
            events = [one.next() for _ in range(3)]
            assert events == [
                ("annotation", {"action": "create", "category_id": None, "annotation": made}),
                ("annotation", {"action": "modify", "category_id": 1, "annotation": changed}),
                ("annotation", {"action": "delete", "category_id": 1, "annotation": changed}),
            ]
        assert [one.none() for one in (bob, page, other, eve)] == [True] * 4


def test_progress_is_told(shared: Shared) -> None:
    """Who may see a job is told how far it is; what it made is there when it ends."""
    with (
        listening(shared.server, cookie(shared.bob), "websocket-3") as bob,
        listening(shared.server, cookie(shared.admin), "polling-3") as admin,
        listening(shared.server, cookie(shared.eve), "websocket-4") as eve,
    ):
        path = f"/api/dataset/{shared.dataset}/export"
        job = shared.admin.get(path, params={"categories": ""}).json()["id"]
        told = {"id": job, "errors": 0, "warnings": 0}
        for one in (bob, admin):
            while (event := one.next()) != ("taskProgress", told | {"progress": 100.0}):
                assert event[0] == "taskProgress"
                assert event[1] | told == event[1]
                assert 0 <= event[1]["progress"] < 100
            assert shared.admin.get(f"{path}s").json()[0]["ago"]
        assert all(task["completed"] for task in completed(shared.admin))
        assert eve.none()


def test_sharing_ends_at_once(shared: Shared) -> None:
    """Who no longer sees a dataset is told no more, on a connection that goes on."""
    with (
        listening(shared.server, cookie(shared.bob), "websocket-3") as bob,
        listening(shared.server, cookie(shared.admin), "websocket-3") as admin,
    ):
        admin.send("annotating", asked(shared.images[0], active=True))
        assert bob.next()[0] == "annotating"
        path = f"/api/dataset/{shared.dataset}/share"
        assert shared.admin.post(path, json={"users": []}).status_code == 200
        admin.send("annotating", asked(shared.images[1], active=True))
        assert bob.send("annotating", asked(shared.images[1], active=True))["success"] is False
        assert shared.admin.post(path, json={"users": ["bob"]}).status_code == 200
        admin.send("annotating", asked(shared.images[0], active=True))
        assert bob.next() == mark(shared.images[0], "admin", active=True)


def test_viewers_are_those_who_see(data: Path) -> None:
    """Who is told of a dataset or a job are those whose lists have it, after any change."""
    server = Running(data)
    admin, bob, eve = (server.user(name) for name in ("admin", "bob", "eve"))
    given = {"username": "gone", "password": "pw"}
    assert admin.post("/api/admin/user/", json=given).status_code == 200
    mine = [created(bob, name, categories=[]) for name in ("a", "b", "c")]
    bob.post(f"/api/dataset/{mine[0]}/share", json={"users": ["eve", "gone"]})
    bob.post(f"/api/dataset/{mine[1]}/share", json={"users": ["eve"]})
    jobs = [bob.get(f"/api/dataset/{one}/scan").json()["id"] for one in mine]
    completed(bob)
    assert bob.delete(f"/api/dataset/{mine[1]}").status_code == 200
    assert admin.delete("/api/admin/user/gone").status_code == 200
    store = Store(Postgres.urls.get(data) or data / "coir.db")
    with store.read() as connection:
        names = {row.id: row.username for row in connection.execute(select(users))}
        seeing = {
            one: {names[user_id] for (user_id,) in connection.execute(viewers(one))}
            for one in (*mine, 10**9)
        }
        watching = {
            one: {names[user_id] for (user_id,) in connection.execute(task_viewers(one))}
            for one in jobs
        }
    store.close()
    for name, client in {"admin": admin, "bob": bob, "eve": eve}.items():
        listed = {one["id"] for one in client.get("/api/dataset/").json()}
        assert listed == {one for one, told in seeing.items() if name in told}
        shown = {one["id"] for one in client.get("/api/tasks/").json()}
        assert shown == {one for one, told in watching.items() if name in told}
    assert seeing == {
        mine[0]: {"admin", "bob", "eve"},
        mine[1]: set(),
        mine[2]: {"admin", "bob"},
    } | {10**9: set()}
    assert server.end()[::2] == (0, "")


def test_server_that_ends_lets_clients_go(data: Path) -> None:
    """A server ends at once, whatever polls wait; its clients see it and its marks are gone."""
    server = Running(data)
    admin = server.user("admin")
    image = uploaded(admin, created(admin, "birds"), "a.jpg").json()
    clients: list[Any] = [
        OldPolling(server, cookie(admin)),
        OldWebSocket(server, cookie(admin)),
        Today(server, cookie(admin), ["polling"]),
        Today(server, cookie(admin), ["websocket"]),
    ]
    for client in clients:
        client.send("annotating", asked(image, active=True))
    began = time.monotonic()
    code, _, err = server.end()
    assert (code, err) == (0, "")
    assert time.monotonic() - began < 8
    for client in clients:
        assert client.gone.wait(WAIT)
    again = Running(data)
    with again.database() as database:
        assert database.execute("SELECT count(*) FROM presence").fetchone()[0] == 0
    assert again.end()[0] == 0
