from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import coir
from coir.client import Server, connect, connect_async
from coir.errors import AuthenticationFailed, CoirError, DatasetNotFound, InvalidRequest

from .serving import Scene


@pytest.fixture
def admin(scene: Scene) -> Iterator[Server]:
    with connect(scene.url, username="admin", password="admin-pw") as server:
        yield server


@pytest.fixture
def bob(scene: Scene) -> Iterator[Server]:
    with connect(scene.url, username="bob", password="bob-pw") as server:
        yield server


def test_who_answers(scene: Scene) -> None:
    """Without a user one learns what the server is, and no more."""
    with connect(f"{scene.url}/api/") as server:
        assert server.url == scene.url
        assert server.info.coir is not None
        assert server.info.version == coir.__version__
        assert scene.url in repr(server)
        with pytest.raises(AuthenticationFailed, match="asks for a user name") as raised:
            server.datasets()
    assert "--username" in raised.value.hint


def test_datasets(admin: Server, bob: Server) -> None:
    """Each user sees the datasets that are theirs; the administrator sees all."""
    assert {one.name for one in admin.datasets()} == {"birds", "empty", "bobs", "1"}
    assert [(one.name, one.owner) for one in bob.datasets()] == [("bobs", "bob")]


def test_dataset_by_name_and_id(scene: Scene, admin: Server) -> None:
    """A dataset is found by its name, by its id, and by its id as text."""
    for wanted in ("birds", scene.birds):
        assert admin.dataset(wanted).info.name == "birds"
    assert admin.dataset(str(scene.empty)).info.name == "empty"


def test_name_that_is_an_id(scene: Scene, admin: Server) -> None:
    """A text that is one dataset's id and another's name is refused; a number is an id."""
    assert scene.birds == 1
    with pytest.raises(
        InvalidRequest, match="'1' stands for several datasets, with the ids 1, 4"
    ) as raised:
        admin.dataset("1")
    assert raised.value.hint
    assert admin.dataset(1).info.name == "birds"
    assert admin.dataset(scene.named_1).info.name == "1"


@pytest.mark.parametrize("wanted", ["fish", "Birds", "birds ", "", 999, "999", -1])
def test_unknown(admin: Server, wanted: str | int) -> None:
    """A dataset that is not there is an error that names those that are."""
    with pytest.raises(DatasetNotFound) as raised:
        admin.dataset(wanted)
    assert "'birds' (1)" in raised.value.hint


def test_not_permitted(scene: Scene, bob: Server) -> None:
    """Another user's dataset is as unknown as one that does not exist."""
    for wanted in ("birds", scene.birds):
        with pytest.raises(DatasetNotFound) as raised:
            bob.dataset(wanted)
        assert "birds" not in raised.value.hint
        assert "'bobs'" in raised.value.hint


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"username": "admin", "password": "hush"}, "does not accept this password"),
        ({"username": "nobody", "password": "hush"}, "does not accept this password"),
        ({"token": "hush"}, "does not accept this session cookie"),
        ({"token": "session=hush"}, "does not accept this session cookie"),
        ({"token": {"session": "hush"}}, "does not accept this session cookie"),
        ({"token": {"other": "hush"}}, "does not accept this session cookie"),
        ({"token": "coir_hush"}, "does not accept this API token"),
    ],
)
def test_refused(scene: Scene, given: dict[str, Any], says: str) -> None:
    """A wrong password or cookie is told when connecting, and not shown."""
    with pytest.raises(AuthenticationFailed, match=says) as raised:
        connect(scene.url, **given)
    assert "hush" not in f"{raised.value!r} {raised.value.hint}"


def test_user_name_in_any_case(scene: Scene) -> None:
    """User names are compared without regard to case, passwords are not."""
    with connect(scene.url, username="ADMIN", password="admin-pw") as server:
        assert server.datasets()
    with pytest.raises(AuthenticationFailed):
        connect(scene.url, username="admin", password="ADMIN-PW")


def _tokens(value: str) -> list[dict[str, str] | str]:
    return [{"session": value}, f"session={value}", value, f"Cookie: session={value}; other=1"]


@pytest.mark.parametrize("kind", range(4))
def test_token(scene: Scene, kind: int) -> None:
    """A session is taken over as a dictionary, a value, or a Cookie header."""
    with connect(scene.url, token=_tokens(scene.cookie("bob"))[kind]) as server:
        assert [one.name for one in server.datasets()] == ["bobs"]


def _api_token(scene: Scene) -> str:
    given = {"name": "tests", "scope": "read"}
    return str(scene.server.user("bob").post("/api/user/tokens", json=given).json()["token"])


def test_api_token(scene: Scene) -> None:
    """An API token of coir's server does instead of a session, and every request carries it."""
    token = _api_token(scene)
    with connect(scene.url, token=token) as server:
        assert [one.name for one in server.datasets()] == ["bobs"]
        assert token not in repr(server)
    assert coir.get_all_image_ids(scene.url, "bobs", token) == scene.bobs_ids


@pytest.mark.anyio
async def test_api_token_async(scene: Scene) -> None:
    """The asynchronous client takes a token as well."""
    async with await connect_async(scene.url, token=_api_token(scene)) as server:
        assert [one.name for one in await server.datasets()] == ["bobs"]


@pytest.mark.parametrize("kind", range(4))
def test_get_all_image_ids(scene: Scene, kind: int) -> None:
    """The published function's signature works with every kind of token, by id and by name."""
    token = _tokens(scene.cookie("admin"))[kind]
    assert coir.get_all_image_ids(scene.url, scene.birds, token) == scene.ids
    found = coir.get_all_image_ids(f"{scene.url}/api", dataset_id="birds", token=token)
    assert found == scene.ids
    assert type(found) is list


def test_get_all_image_ids_of_nothing(scene: Scene) -> None:
    """An empty dataset has an empty list of ids, which is not an error."""
    assert coir.get_all_image_ids(scene.url, "empty", scene.cookie("admin")) == []


@pytest.mark.parametrize(
    ("user", "dataset", "kind"),
    [(None, "birds", AuthenticationFailed), ("bob", 1, DatasetNotFound),
     ("bob", 99, DatasetNotFound)],
)  # fmt: skip
def test_get_all_image_ids_or_an_error(
    scene: Scene, user: str | None, dataset: str | int, kind: type[CoirError]
) -> None:
    """Without a session or the dataset there is an error, never a short list."""
    token = scene.cookie(user) if user else None
    with pytest.raises(kind):
        coir.get_all_image_ids(scene.url, dataset, token)


def test_logged_out_meanwhile(scene: Scene) -> None:
    """A session that ends elsewhere is renewed without a word where a password is known."""
    with connect(scene.url, username="bob", password="bob-pw") as server:
        client = scene.server.client(cookies=server.transport.cookies)
        assert client.get("/api/user/logout").status_code == 200
        assert client.get("/api/user/").status_code == 401
        assert [one.name for one in server.datasets()] == ["bobs"]


def test_rows(scene: Scene, admin: Server) -> None:
    """Iterating over a scan gives whole rows, ascending by id."""
    scan = coir.Scan(admin.dataset("birds"))
    rows = list(scan)
    assert [row.id for row in rows] == scene.ids
    assert rows[0].file_name == "frame_00000.jpg"
    assert scan.certificate.verdict is coir.Verdict.COMPLETE


@pytest.mark.anyio
async def test_asynchronous(scene: Scene) -> None:
    """The asynchronous client does the same on every event loop."""
    async with await connect_async(scene.url, username="admin", password="admin-pw") as server:
        assert server.info.coir is not None
        assert scene.url in repr(server)
        assert {one.name for one in await server.datasets()} == {"birds", "empty", "bobs", "1"}
        for wanted in ("birds", scene.birds):
            assert (await server.dataset(wanted)).info.id == scene.birds
        with pytest.raises(DatasetNotFound):
            await server.dataset("fish")
        with pytest.raises(InvalidRequest):
            await server.dataset("1")
        scan = coir.AsyncScan(await server.dataset("birds"))
        assert list(await scan.ids()) == scene.ids
        assert scan.certificate.verdict is coir.Verdict.COMPLETE
        assert [row.id async for row in scan] == scene.ids


@pytest.mark.anyio
@pytest.mark.parametrize("kind", range(4))
async def test_asynchronous_token(scene: Scene, kind: int) -> None:
    """The asynchronous client takes over a session in each form too."""
    token = _tokens(scene.cookie("bob"))[kind]
    async with await connect_async(scene.url, token=token) as server:
        assert [one.name for one in await server.datasets()] == ["bobs"]
        with pytest.raises(DatasetNotFound):
            await server.dataset("birds")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "given", [{"username": "admin", "password": "hush"}, {"token": "hush"}], ids=str
)
async def test_asynchronous_refused(scene: Scene, given: dict[str, Any]) -> None:
    """The asynchronous client tells a wrong password or cookie when connecting."""
    with pytest.raises(AuthenticationFailed, match="does not accept"):
        await connect_async(scene.url, **given)
