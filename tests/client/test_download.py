"""Files that answers are written into: whole or not at all, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import pytest

import coir
from coir.client import Server, connect
from coir.client.operations.images import Received
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    ConnectionFailed,
    InvalidRequest,
    UnexpectedAnswer,
)

from .misbehaving import LOGIN, UNAUTHORIZED, Fault, Given, Misbehaving, Reply, Route, html, json

PICTURE = "GET /api/image/1"
EXPORT = "GET /api/export/1/download"
CONTENT = bytes(range(256)) * 2000
WHOLE = Given(200, CONTENT)
CUT = replace(WHOLE, body=CONTENT[:300_000], missing=len(CONTENT) - 300_000)
SHORT = Given(200, b"short")
NO_IMAGE = json({"success": False}, 400)

Ways = Callable[[str, Path], Path]


def _synchronously(url: str, path: Path) -> Path:
    with connect(url, username="admin", password="hush") as server:
        return server.images.download(1, path)


def _asynchronously(url: str, path: Path) -> Path:
    async def main() -> Path:
        async with await coir.connect_async(url, username="admin", password="hush") as server:
            return await server.images.download(1, path)

    return anyio.run(main)


both = pytest.mark.parametrize("download", [_synchronously, _asynchronously])

Receiving = Callable[[str, BinaryIO, dict[str, str]], Received | None]


def _received(url: str, file: BinaryIO, known: dict[str, str]) -> Received | None:
    with connect(url, username="admin", password="hush") as server:
        return server.images.receive(1, file, **known)


def _received_asynchronously(url: str, file: BinaryIO, known: dict[str, str]) -> Received | None:
    async def main() -> Received | None:
        async with await coir.connect_async(url, username="admin", password="hush") as server:
            return await server.images.receive(1, file, **known)

    return anyio.run(main)


both_receive = pytest.mark.parametrize("receive", [_received, _received_asynchronously])


@contextmanager
def opened(server: Misbehaving) -> Iterator[Server]:
    with connect(server.url, username="admin", password="hush") as connection:
        yield connection


@both
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "first",
    [[CUT], [Given(503)], [Fault.RESET], [UNAUTHORIZED], [CUT, CUT, Fault.CLOSE]],
    ids=["cut", "busy", "reset", "session ended", "thrice"],
)
def test_it_is_whole(download: Ways, first: list[Reply], tmp_path: Path) -> None:
    """What breaks off is asked for again from its beginning, and the file is whole."""
    file = tmp_path / "a.jpg"
    file.write_bytes(b"of yesterday, and longer than what comes" * 100_000)
    with Misbehaving({PICTURE: [*first, WHOLE]}) as server:
        assert download(server.url, file) == file
        assert server.count(PICTURE) == len(first) + 1
    assert file.read_bytes() == CONTENT
    assert [one.name for one in tmp_path.iterdir()] == ["a.jpg"]


@both
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ([CUT], ConnectionFailed),
        ([NO_IMAGE], InvalidRequest),
        ([json({"message": "Invalid id"}, 400)], InvalidRequest),
        ([UNAUTHORIZED], AuthenticationFailed),
        ([html("Log in", 302)], CoirError),
    ],
    ids=["always cut", "refused", "refused with a word", "unauthorized", "redirected"],
)
def test_what_was_there_stays(
    download: Ways, replies: list[Reply], kind: type[CoirError], tmp_path: Path
) -> None:
    """A download that fails leaves what was there before, and nothing else."""
    file = tmp_path / "a.jpg"
    file.write_bytes(b"of yesterday")
    with Misbehaving({PICTURE: replies}) as server:
        try:
            download(server.url, file)
        except kind:
            assert [one.name for one in tmp_path.iterdir()] == ["a.jpg"]
        else:
            raise AssertionError("it did not fail")
    assert file.read_bytes() == b"of yesterday"


def test_second_answer_is_shorter(tmp_path: Path) -> None:
    """Nothing of a longer answer that broke off stays behind a shorter one."""
    with Misbehaving({PICTURE: [CUT, SHORT]}) as server:
        assert _synchronously(server.url, tmp_path / "a.jpg").read_bytes() == b"short"


@both
def test_no_place(download: Ways, tmp_path: Path) -> None:
    """A file that cannot be written is an error that names it, and nothing is asked."""
    with Misbehaving({PICTURE: [WHOLE]}) as server:
        with pytest.raises(CoirError, match=r"a\.jpg.* could not be read or written: No such file"):
            download(server.url, tmp_path / "missing" / "a.jpg")
        assert server.count(PICTURE) == 0


@pytest.mark.usefixtures("hurried")
def test_pieces_are_retried_until_they_begin() -> None:
    """An answer that is read while it comes is asked for again only before it begins."""
    routes: dict[str, Route] = {EXPORT: [Given(503), Fault.RESET, UNAUTHORIZED, CUT, WHOLE]}
    with Misbehaving(routes) as server, opened(server) as connection:
        pieces = connection.exports.pieces(1)
        assert server.count(EXPORT) == 0
        kept: list[bytes] = []
        with pytest.raises(ConnectionFailed):
            kept.extend(pieces)
        came = b"".join(kept)
        assert (server.count(EXPORT), server.count(LOGIN)) == (4, 2)
        assert CONTENT.startswith(came)
        assert len(came) > 65536
        assert b"".join(connection.exports.pieces(1)) == CONTENT


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_pieces_asynchronously(backend: str) -> None:
    """The asynchronous client does the same."""

    async def read(server: coir.AsyncServer) -> bytes:
        return b"".join([one async for one in server.exports.pieces(1)])

    async def main() -> None:
        with Misbehaving({EXPORT: [Given(503), Fault.RESET, CUT, WHOLE, NO_IMAGE]}) as server:
            async with await coir.connect_async(
                server.url, username="admin", password="hush"
            ) as connection:
                with pytest.raises(ConnectionFailed):
                    await read(connection)
                assert server.count(EXPORT) == 3
                assert await read(connection) == CONTENT
                with pytest.raises(InvalidRequest):
                    await read(connection)

    anyio.run(main, backend=backend)


def test_pieces_that_are_left(tmp_path: Path) -> None:
    """Who stops reading frees the connection, and can ask for something else."""
    with Misbehaving({EXPORT: [WHOLE], PICTURE: [WHOLE]}) as server, opened(server) as connection:
        pieces = connection.exports.pieces(1)
        assert next(pieces)
        pieces.close()
        assert connection.images.download(1, tmp_path / "a.jpg").read_bytes() == CONTENT


def test_uploads_are_sent_once() -> None:
    """An upload is not repeated, whatever happens to it: it may have arrived."""
    route = "POST /api/image/"
    for reply in (Fault.RESET, Given(503), Fault.CLOSE):
        with Misbehaving({route: [reply]}) as server, opened(server) as connection:
            with pytest.raises(CoirError):
                connection.images.upload(1, b"content", name="a.jpg")
            assert server.count(route) == 1


@pytest.mark.parametrize(
    ("call", "route"),
    [
        (lambda one: one.dataset("birds").scan_folder(), "GET /api/dataset/1/scan"),
        (lambda one: one.dataset("birds").export(), "GET /api/dataset/1/export"),
        (lambda one: one.dataset("birds").reset_metadata(), "GET /api/dataset/1/reset/metadata"),
        (lambda one: one.account.log_out(), "GET /api/user/logout"),
        (lambda one: one.jobs.test(), "GET /api/info/long_task"),
    ],
    ids=["scan", "export", "reset metadata", "log out", "test of jobs"],
)
def test_gets_that_change_something_are_sent_once(
    call: Callable[[Server], Any], route: str
) -> None:
    """The GETs of the contract that change something are sent once."""
    with Misbehaving({route: [Fault.RESET]}) as server, opened(server) as connection:
        with pytest.raises(ConnectionFailed):
            call(connection)
        assert server.count(route) == 1


def test_import_is_not_tried_where_it_would_be_done() -> None:
    """A server that does not know dry_run is not sent the file."""
    with Misbehaving() as server, opened(server) as connection:
        with pytest.raises(InvalidRequest, match="cannot try an import"):
            connection.dataset("birds").import_coco(b"{}", dry_run=True)
        assert server.count("POST /api/dataset/1/coco") == 0


TAGGED = replace(WHOLE, headers={"etag": '"one"'})
KNOWN = {"known": '"one"'}


@both_receive
@pytest.mark.usefixtures("hurried")
def test_it_goes_into_an_open_file(receive: Receiving, tmp_path: Path) -> None:
    """What an attempt in vain wrote is dropped; ETag and length are told."""
    with Misbehaving({PICTURE: [CUT, TAGGED]}) as server, (tmp_path / "a").open("w+b") as file:
        assert receive(server.url, file, {}) == Received('"one"', len(CONTENT))
    assert (tmp_path / "a").read_bytes() == CONTENT


@both_receive
def test_what_is_known_is_not_sent(receive: Receiving, tmp_path: Path) -> None:
    """The ETag goes along; 304 means that nothing was written, and means nothing unasked."""
    with (
        Misbehaving({PICTURE: [Given(304), TAGGED, Given(304)]}) as server,
        (tmp_path / "a").open("w+b") as file,
    ):
        assert receive(server.url, file, KNOWN) is None
        assert server.asked[-1].headers["if-none-match"] == '"one"'
        assert receive(server.url, file, KNOWN) == Received('"one"', len(CONTENT))
        with pytest.raises(UnexpectedAnswer):
            receive(server.url, file, {})
        assert "if-none-match" not in server.asked[-1].headers
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_an_etag_is_asked_for_alone() -> None:
    """By HEAD; a refusal, which has no words then, is one all the same."""
    routes = {"HEAD /api/image/1": [Given(200, b"", {"etag": '"one"'}), Given(200), Given(400)]}
    with Misbehaving(routes) as server, opened(server) as connection:
        assert connection.images.etag(1) == '"one"'
        assert connection.images.etag(1) is None
        with pytest.raises(InvalidRequest):
            connection.images.etag(1)
        assert server.count(PICTURE) == 0
