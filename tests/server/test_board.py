"""Live events between processes: who shares a database is told what any of them announces."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coir.server.app import open_state
from coir.server.live import sending as sendings
from coir.server.live.board import ROWS, Board, Found
from coir.server.live.sending import Sending
from coir.server.settings import Settings, StartError
from coir.server.store.engine import Store

from .databases import Place, Postgres, statements
from .listening import KINDS, WAIT_SECONDS, Listener, cookie, listening, soon
from .running import Running, created, job_of, uploaded
from .working import Working

NUMBERS = count(1)
# Two looks at the board, and some time for busy machines.
A_WHILE = 1.0


@dataclass
class Two:
    """Two servers over one database; a dataset of `admin`, shared with `bob`, not with `eve`."""

    one: Running
    other: Running
    admin: httpx.Client
    bob: httpx.Client
    eve: httpx.Client
    dataset: int
    image: int
    annotation: int

    def drawn(self, number: int) -> dict[str, Any]:
        """What a page says of the image's annotation."""
        annotation = {"id": self.annotation, "image_id": self.image, "width": number}
        return {"action": "modify", "annotation": annotation, "name": "é😀\0"}


@pytest.fixture(scope="module")
def pair(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    """Two servers over one database; `admin` is the administrator."""
    data = place.data(tmp_path_factory.mktemp("pair") / "data")
    servers = [Running(data), Running(data)]
    servers[0].user("admin")
    yield servers
    for server in servers:
        assert server.end()[0] == 0


@pytest.fixture
def two(pair: list[Running]) -> Two:
    one, other = pair
    admin, bob, eve = (one.user(name) for name in ("admin", "bob", "eve"))
    dataset = created(admin, f"birds {next(NUMBERS)}")
    assert admin.post(f"/api/dataset/{dataset}/share", json={"users": ["bob"]}).status_code == 200
    image = uploaded(admin, dataset, "a.jpg").json()
    with listening(other, cookie(bob), "websocket-4") as witness:
        annotation = admin.post("/api/annotation/", json={"image_id": image}).json()["id"]
        assert witness.next()[0] == "annotation"  # so that no listener of a test is told of it
    return Two(one, other, admin, bob, eve, dataset, image, annotation)


def mark(image: int, name: str, *, active: bool) -> tuple[str, dict[str, Any]]:
    return "annotating", {"image_id": image, "active": active, "username": name}


def written(data: Path) -> list[str]:
    """What stands on the board of a data directory."""
    asked = "SELECT told FROM coir_live ORDER BY id"
    if data in Postgres.urls:
        with statements(data) as database:
            return [told for (told,) in database.execute(asked)]
    with closing(sqlite3.connect(data / "live.db")) as file:
        return [told for (told,) in file.execute(asked)]


def quiet(*listeners: Listener) -> bool:
    """Whether nobody is told anything in the time that an event takes."""
    time.sleep(A_WHILE)
    return all(one.none() for one in listeners)


@pytest.mark.parametrize("kind", KINDS)
def test_events_reach_the_clients_of_every_process(two: Two, kind: str) -> None:
    """Marks and drawings are told once to each client that may see them, wherever it is."""
    image = two.image
    with ExitStack() as ending:

        def at(server: Running, client: httpx.Client, how: str = kind) -> Listener:
            return ending.enter_context(listening(server, cookie(client), how))

        bob, near, far = at(two.one, two.bob), at(two.one, two.admin), at(two.other, two.admin)
        eves = at(two.one, two.eve), at(two.other, two.eve)
        bobs = at(two.other, two.bob)
        assert bob.send("annotating", {"image_id": image, "active": True}) == {"success": True}
        for one in (near, far, bobs):
            assert one.next() == mark(image, "bob", active=True)
        for sender, number in ((bob, 1), (far, 2), (bob, 3)):
            assert sender.send("annotation", two.drawn(number)) == {"success": True}
            for one in (bob, bobs, near, far):
                assert one.next() == ("annotation", two.drawn(number))
        bob.close()
        for one in (near, far, bobs):
            assert one.next() == mark(image, "bob", active=False)
        assert quiet(near, far, bobs, *eves)


def test_changes_by_requests_reach_every_process(two: Two) -> None:
    """What a request did is told in every process, but in none to the session that sent it."""
    with (
        listening(two.other, cookie(two.bob), "websocket-4") as bob,
        listening(two.other, cookie(two.admin), "websocket-4") as page,
        listening(two.other, cookie(two.other.user("admin")), "polling-3") as other,
    ):
        made = two.admin.post("/api/annotation/", json={"image_id": two.image}).json()
        shown = {"action": "create", "category_id": None, "annotation": made}
        assert bob.next() == other.next() == ("annotation", shown)
        assert quiet(bob, page, other)
    told = " ".join(written(two.one.data))
    assert "create" in told
    assert two.admin.cookies["session"] not in told


def test_the_order_of_each_sender_is_kept(two: Two) -> None:
    """Two processes that announce at the same time are each heard in their order."""
    number = 60  # more than is read at once
    assert number > ROWS
    with (
        listening(two.one, cookie(two.bob), "websocket-4") as near,
        listening(two.other, cookie(two.admin), "websocket-4") as far,
    ):

        def send(listener: Listener, first: int) -> None:
            for one in range(first, first + number):
                listener.send("annotation", two.drawn(one))

        threads = [threading.Thread(target=send, args=given) for given in ((near, 0), (far, 1000))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in (near, far):
            told = [one.next()[1]["annotation"]["width"] for _ in range(2 * number)]
            assert [width for width in told if width < 1000] == list(range(number))
            assert [width for width in told if width >= 1000] == list(range(1000, 1000 + number))
        assert quiet(near, far)


def test_who_connects_later_is_told_nothing_old(two: Two) -> None:
    """A client hears what is announced from its connection on, also beside others that hear."""
    with (
        listening(two.one, cookie(two.bob), "websocket-4") as bob,
        listening(two.other, cookie(two.admin), "websocket-4") as before,
    ):
        for number in range(3):
            bob.send("annotation", two.drawn(number))
            assert soon(lambda number=number: f'"width": {number}}}' in written(two.one.data)[-1])
            # `before` looks four times a second, and has probably not heard of it yet.
            with listening(two.other, cookie(two.admin), "websocket-4") as later:
                bob.send("annotation", two.drawn(100 + number))
                assert later.next() == ("annotation", two.drawn(100 + number))
        for one in (bob, before):
            told = [one.next()[1]["annotation"]["width"] for _ in range(6)]
            assert told == [0, 100, 1, 101, 2, 102]
        assert quiet(bob, before)


def test_who_may_see_is_decided_when_it_is_told(two: Two) -> None:
    """Who no longer sees a dataset is told no more by other processes either."""
    with (
        listening(two.one, cookie(two.admin), "websocket-4") as admin,
        listening(two.other, cookie(two.bob), "websocket-3") as bob,
    ):
        admin.send("annotation", two.drawn(1))
        assert bob.next() == ("annotation", two.drawn(1))
        path = f"/api/dataset/{two.dataset}/share"
        assert two.admin.post(path, json={"users": []}).status_code == 200
        admin.send("annotation", two.drawn(2))
        assert quiet(bob)
        assert two.admin.post(path, json={"users": ["bob"]}).status_code == 200
        admin.send("annotation", two.drawn(3))
        assert bob.next() == ("annotation", two.drawn(3))


def test_progress_of_a_worker_is_told(data: Path) -> None:
    """The clients of a server hear how far a job is that `coir worker` runs."""
    server = Running(data, "--no-jobs")
    admin, eve = (server.user(name) for name in ("admin", "eve"))
    dataset = created(admin, "birds")
    uploaded(admin, dataset, "a.jpg")
    worker = Working(data)
    with (
        listening(server, cookie(admin), "websocket-4") as listener,
        listening(server, cookie(eve), "websocket-4") as stranger,
    ):
        answer = admin.get(f"/api/dataset/{dataset}/export", params={"categories": ""})
        told = {"id": answer.json()["id"], "errors": 0, "warnings": 0}
        steps = []
        while not steps or steps[-1] < 100:
            event, step = listener.next()
            assert (event, step) == ("taskProgress", told | {"progress": step["progress"]})
            steps.append(step["progress"])
        assert steps == sorted(steps)
        assert admin.get(f"/api/dataset/{dataset}/exports").json()[0]["ago"]
        assert job_of(admin, answer)[0]["errors"] == 0
        assert quiet(listener, stranger)
    assert worker.end() == (0, "", "")
    assert server.end()[::2] == (0, "")


def test_cut_connections_are_made_again(two: Two) -> None:
    """After PostgreSQL has cut all connections, events pass as before; none is held for long."""
    cut = two.one.data in Postgres.urls
    with (
        listening(two.one, cookie(two.bob), "websocket-4") as bob,
        listening(two.other, cookie(two.admin), "websocket-4") as far,
        two.one.database() as database,
    ):
        for active in (True, False, True):
            given = {"image_id": two.image, "active": active}
            assert bob.send("annotating", given) == {"success": True}
            assert far.next() == mark(two.image, "bob", active=active)
            if cut:  # and gone: what meets a connection in its last moment is answered as failed
                database.execute(
                    f"SELECT pg_terminate_backend(pid, {1000 * WAIT_SECONDS}) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        assert quiet(far)
        if cut:
            held = "now() - xact_start > interval '1 second' AND pid <> pg_backend_pid()"
            found = f"SELECT query FROM pg_stat_activity WHERE {held}"
            assert database.execute(found).fetchall() == []


@contextmanager
def boards(place: Place, folder: Path, number: int) -> Iterator[list[Board]]:
    """Boards of as many processes."""
    where = place.where(folder)
    stores = [Store(where) for _ in range(number)]
    file = folder / "live.db" if isinstance(where, Path) else None
    opened = [Board(store, file) for store in stores]
    yield opened
    for board, store in zip(opened, stores, strict=True):
        board.close()
        store.close()


def test_the_board_is_read_from_a_place_on(place: Place, tmp_path: Path) -> None:
    """A process reads what the others wrote behind a place, in parts, and nothing of its own."""
    with boards(place, tmp_path, 3) as (first, second, third):
        start = third.end()
        first.write([(1, "a"), (2, "b")])
        second.write([(1, "c")])
        first.write([(2, "b"), (3, "d")])  # again, since it did not hear that it had
        found = third.behind(start)
        assert [told for _, told in found.told] == ["a", "b", "c", "d"]
        assert (found.place, found.more) == (third.end(), False)
        assert [told for _, told in first.behind(start).told] == ["c"]
        assert first.behind(start).place == found.place
        assert third.behind(found.place) == Found([], found.place, more=False)
        second.write([(number, str(number)) for number in range(2, 2 * ROWS + 3)])
        read, parts, more = [], 0, True
        at = found.place
        while more:
            part = third.behind(at)
            read += [told for _, told in part.told]
            at, more, parts = part.place, part.more, parts + 1
        assert read == [str(number) for number in range(2, 2 * ROWS + 3)]
        assert parts == 3


def test_the_board_is_pruned(place: Place, tmp_path: Path) -> None:
    """Any process removes what was there at its pruning before; numbers are never used again."""
    with boards(place, tmp_path, 2) as (writer, other):
        start = other.end()
        writer.write([(1, "a"), (2, "b")])
        other.prune()
        writer.write([(3, "c")])
        assert len(other.behind(start).told) == 3
        other.prune()
        assert [told for _, told in other.behind(start).told] == ["c"]
        before = other.end()
        other.prune()
        assert (other.end(), other.behind(start).told) == (0, [])
        writer.write([(4, "d")])
        assert other.end() > before
        assert [told for _, told in other.behind(before).told] == ["d"]


def test_numbers_are_seen_in_their_order(place: Place, tmp_path: Path) -> None:
    """Who reads while several write misses nothing."""
    number, parts = 3, 40
    with boards(place, tmp_path, number + 1) as (reader, *writers):

        def write(board: Board, name: str) -> None:
            for part in range(parts):
                board.write([(3 * part + one, f"{name} {3 * part + one}") for one in range(3)])

        threads = [
            threading.Thread(target=write, args=(board, name))
            for board, name in zip(writers, "abc", strict=True)
        ]
        at = reader.end()
        for thread in threads:
            thread.start()
        read: list[str] = []
        while len(read) < number * parts * 3 and (
            any(thread.is_alive() for thread in threads) or reader.end() > at
        ):
            found = reader.behind(at)
            read += [told for _, told in found.told]
            at = found.place
        for thread in threads:
            thread.join()
    for name in "abc":
        mine = [one for one in read if one.startswith(name)]
        assert mine == [f"{name} {one}" for one in range(parts * 3)]


def test_what_is_sent_is_bounded(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond a number of bytes in a while events are lost, and the log says how many."""
    monkeypatch.setattr(sendings, "MOST_BYTES", 1000)
    monkeypatch.setattr(sendings, "KEPT_SECONDS", 0.5)
    with boards(place, tmp_path, 2) as (writer, reader), caplog.at_level(logging.WARNING):
        start, sending = reader.end(), Sending(writer)
        sending.put("before it is open")
        sending.open()
        for _ in range(15):
            sending.put("x" * 100)
        assert soon(lambda: "5 events were not told" in caplog.text)
        assert soon(lambda: reader.end() == 0)  # pruned by itself
        sending.put("y")
        assert soon(lambda: bool(reader.behind(start).told))
        assert [told for _, told in reader.behind(start).told] == ["y"]
        sending.put("z")
        sending.close()  # sends what waits
        assert [told for _, told in reader.behind(start).told][-1] == "z"
        sending.put("after it is closed")


def test_a_database_that_is_away_is_waited_for(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written is written later, once and in order, unless it is too late."""
    monkeypatch.setattr(sendings, "FAILED_SECONDS", 0.1)
    where = place.where(tmp_path)
    with (
        boards(place, tmp_path, 2) as (writer, reader),
        closing(Store(tmp_path / "live.db" if isinstance(where, Path) else where)) as store,
    ):
        start, sending = reader.end(), Sending(writer)

        def rename(before: str, after: str) -> None:
            with store.write() as connection:
                connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")

        rename("coir_live", "away")
        sending.open()
        sending.put("a")
        sending.put("b")
        assert soon(lambda: "cannot be told" in caplog.text)
        rename("away", "coir_live")
        assert soon(lambda: len(reader.behind(start).told) == 2)
        assert [told for _, told in reader.behind(start).told] == ["a", "b"]

        rename("coir_live", "away")
        monkeypatch.setattr(sendings, "LATE_SECONDS", 0.3)
        sending.put("late")
        time.sleep(0.5)
        rename("away", "coir_live")
        sending.put("in time")
        assert soon(lambda: len(reader.behind(start).told) == 3)
        assert reader.behind(start).told[-1][1] == "in time"
        sending.close()


def test_a_damaged_board_is_a_sentence(tmp_path: Path) -> None:
    """The file, which is there beside SQLite's, can be deleted, and the message says so."""
    (tmp_path / "live.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StartError, match=r"live\.db cannot be opened .*delete it"):
        open_state(Settings.of(tmp_path))
    (tmp_path / "live.db").unlink()
    open_state(Settings.of(tmp_path)).close()
