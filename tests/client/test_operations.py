"""Every route of the server has its call, for both servers, and each call works."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import coir
from coir.client import AsyncServer, Server
from coir.client.call import call, stream
from coir.client.operations import (
    Account,
    Admin,
    Annotations,
    Annotator,
    Categories,
    DatasetCalls,
    Exports,
    Images,
    Jobs,
    Models,
    Tokens,
    Undo,
)
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    DatasetNotFound,
    InvalidRequest,
    PermissionDenied,
)
from coir.server.operations import OPERATIONS
from server.databases import Place
from server.running import Running, created, picture, uploaded
from server.serving import modelled

from .serving import serving

# What a user calls for each route that the server has.
CALLS: dict[tuple[str, str], Any] = {
    ("GET", "/api/info/"): coir.connect,
    ("GET", "/api/info/long_task"): Jobs.test,
    ("POST", "/api/user/register"): Account.register,
    ("POST", "/api/user/login"): Account.log_in,
    ("GET", "/api/user/"): Account.me,
    ("GET", "/api/user/logout"): Account.log_out,
    ("POST", "/api/user/password"): Account.change_password,
    ("GET", "/api/dataset/"): Server.datasets,
    ("POST", "/api/dataset/"): Server.create_dataset,
    ("GET", "/api/dataset/data"): Server.dataset_page,
    ("POST", "/api/dataset/{dataset_id}"): DatasetCalls.change,
    ("DELETE", "/api/dataset/{dataset_id}"): DatasetCalls.delete,
    ("GET", "/api/dataset/{dataset_id}/scan"): DatasetCalls.scan_folder,
    ("POST", "/api/dataset/{dataset_id}/share"): DatasetCalls.share,
    ("GET", "/api/dataset/{dataset_id}/users"): DatasetCalls.members,
    ("GET", "/api/dataset/{dataset_id}/stats"): DatasetCalls.statistics,
    ("GET", "/api/dataset/{dataset_id}/reset/metadata"): DatasetCalls.reset_metadata,
    ("GET", "/api/dataset/{dataset_id}/data"): DatasetCalls.images,
    ("GET", "/api/dataset/{dataset_id}/ids"): DatasetCalls.ids,
    ("GET", "/api/dataset/{dataset_id}/rows"): DatasetCalls.rows,
    ("GET", "/api/dataset/{dataset_id}/coco"): DatasetCalls.coco,
    ("POST", "/api/dataset/{dataset_id}/coco"): DatasetCalls.import_coco,
    ("GET", "/api/dataset/{dataset_id}/export"): DatasetCalls.export,
    ("GET", "/api/dataset/{dataset_id}/exports"): DatasetCalls.exports,
    ("GET", "/api/export/{export_id}"): Exports.get,
    ("GET", "/api/export/{export_id}/download"): Exports.download,
    ("DELETE", "/api/export/{export_id}"): Exports.delete,
    ("GET", "/api/image/"): Images.page,
    ("POST", "/api/image/"): Images.upload,
    ("GET", "/api/image/{image_id}"): Images.download,
    ("DELETE", "/api/image/{image_id}"): Images.delete,
    ("GET", "/api/image/{image_id}/coco"): Images.coco,
    ("POST", "/api/image/copy/{from_id}/{to_id}/annotations"): Images.copy_annotations,
    ("GET", "/api/category/"): Categories.all,
    ("POST", "/api/category/"): Categories.create,
    ("GET", "/api/category/data"): Categories.page,
    ("GET", "/api/category/{category_id}"): Categories.get,
    ("PUT", "/api/category/{category_id}"): Categories.replace,
    ("DELETE", "/api/category/{category_id}"): Categories.delete,
    ("GET", "/api/annotation/"): Annotations.all,
    ("POST", "/api/annotation/"): Annotations.create,
    ("GET", "/api/annotation/{annotation_id}"): Annotations.get,
    ("PUT", "/api/annotation/{annotation_id}"): Annotations.change,
    ("DELETE", "/api/annotation/{annotation_id}"): Annotations.delete,
    ("GET", "/api/annotator/data/{image_id}"): Annotator.load,
    ("POST", "/api/annotator/data"): Annotator.save,
    ("GET", "/api/tasks/"): Jobs.all,
    ("GET", "/api/tasks/{task_id}/logs"): Jobs.log,
    ("DELETE", "/api/tasks/{task_id}"): Jobs.delete,
    ("POST", "/api/tasks/{task_id}/cancel"): Jobs.cancel,
    ("POST", "/api/model/dextr/{image_id}"): Models.dextr,
    ("POST", "/api/model/maskrcnn"): Models.maskrcnn,
    ("GET", "/api/dataset/{dataset_id}/changes"): DatasetCalls.changes,
    ("GET", "/api/user/tokens"): Tokens.all,
    ("POST", "/api/user/tokens"): Tokens.create,
    ("DELETE", "/api/user/tokens/{token_id}"): Tokens.revoke,
    ("GET", "/api/undo/list/"): Undo.all,
    ("POST", "/api/undo/"): Undo.restore,
    ("DELETE", "/api/undo/"): Undo.remove,
    ("GET", "/api/admin/users"): Admin.users,
    ("POST", "/api/admin/user/"): Admin.create_user,
    ("GET", "/api/admin/user/{username}"): Admin.user,
    ("PATCH", "/api/admin/user/{username}"): Admin.change_user,
    ("DELETE", "/api/admin/user/{username}"): Admin.delete_user,
}
# The routes without a call, and why.
WITHOUT = {
    ("GET", "/api/openapi.json"): "a document for programs that read such documents",
    ("GET", "/api/health"): "for what watches the process, which has its own ways to ask",
    ("GET", "/api/ready"): "as above",
    ("POST", "/api/dataset/{dataset_id}/generate"): "it fetches nothing any more, from nowhere",
    ("POST", "/api/dataset/{dataset_id}/export"): "the same as .../coco under another name",
}
# Refused on a server without models, and for a job that is completed; `test_what_needs_more` has
# both.
REFUSED = {("POST", "/api/model/dextr/{image_id}"), ("POST", "/api/tasks/{task_id}/cancel")}

SQUARE = [[10.0, 10.0, 40.0, 10.0, 40.0, 40.0, 10.0, 40.0]]
GROUPS = (Account, Admin, Annotations, Annotator, Categories, DatasetCalls, Exports, Images, Jobs,
          Models, Tokens, Undo, Server)  # fmt: skip


def test_every_route_has_a_call() -> None:
    """Each route of the server has a call, or a reason to have none, and none is left over."""
    assert CALLS.keys() & WITHOUT.keys() == set()
    assert CALLS.keys() | WITHOUT.keys() == OPERATIONS.keys()
    assert all(callable(one) or isinstance(one, call) for one in CALLS.values())


def _calls() -> list[tuple[type, str, Any]]:
    found = []
    for group in GROUPS:
        for name in dir(group):
            one = inspect.getattr_static(group, name)
            if isinstance(one, call | stream):
                found.append((group, name, one))
    return found


@pytest.mark.parametrize(
    ("group", "name", "one"), _calls(), ids=[f"{g.__name__}.{name}" for g, name, _ in _calls()]
)
def test_a_call_shows_what_it_is(group: type, name: str, one: Any) -> None:
    """A call has a docstring that names its route, and a signature that says what it gives."""
    route = re.search(r"``(GET|HEAD|POST|PUT|PATCH|DELETE) (/api/[^`?]*)``", one.__doc__)
    assert route or "as ``server.images.upload`` does" in one.__doc__
    if route:
        known = {(m, re.sub(r"\{\w+\}", "{}", path)) for m, path in OPERATIONS}
        assert (route[1].replace("HEAD", "GET"), re.sub(r"\{\w+\}", "{}", route[2])) in known
    transport = coir.client.transport.Transport("http://nowhere.invalid", _nobody())
    with transport:
        place = object.__new__(group)
        place.transport = transport
        signature = inspect.signature(getattr(place, name))
    assert "self" not in signature.parameters
    shown = str(signature.return_annotation)
    assert shown
    assert not re.search("Operation|Request", shown)
    assert getattr(place, name).__doc__ == one.__doc__


def _nobody() -> Any:
    return coir.client.credentials.Credentials()


async def done(value: Any) -> Any:
    """The result of a call, of either server."""
    return await value if inspect.isawaitable(value) else value


async def whole(pieces: Any) -> bytes:
    """The pieces of a body, of either server."""
    if isinstance(pieces, Iterator):
        return b"".join(pieces)
    return b"".join([one async for one in pieces])


class Twin:
    """One kind of server: how it is connected to, and what it was asked so far."""

    def __init__(self, serving: Running, *, asynchronous: bool) -> None:
        self.serving = serving
        self.asynchronous = asynchronous
        self.asked: dict[tuple[str, str], set[int]] = {}

    @asynccontextmanager
    async def opened(
        self, user: str | None = None, *, token: str | None = None
    ) -> AsyncIterator[Any]:
        """A server as a user sees it, whose requests are noted."""
        known: Any = {"username": user, "password": f"{user}-pw"} if user else {"token": token}
        if not self.asynchronous:
            with coir.connect(self.serving.url, **known) as server:
                server.transport._http.event_hooks = {"response": [self._note]}
                yield server
            return
        async with await coir.connect_async(self.serving.url, **known) as twin:

            async def note(response: Any) -> None:
                self._note(response)

            twin.transport._http.event_hooks = {"response": [note]}
            yield twin

    def _note(self, response: Any) -> None:
        request = response.request
        self.asked.setdefault((request.method, request.url.path), set()).add(response.status_code)

    def routes(self) -> set[tuple[str, str]]:
        """The routes that were asked and answered with success."""
        return {_route(*one) for one, statuses in self.asked.items() if min(statuses) < 300}

    def refused(self) -> set[tuple[str, str]]:
        """The routes that were asked in vain."""
        return {_route(*one) for one, statuses in self.asked.items() if min(statuses) >= 300}


def _route(method: str, path: str) -> tuple[str, str]:
    """The route that a path belongs to; one without parameters goes before one with."""
    for one in sorted(OPERATIONS, key=lambda route: route[1].count("{")):
        if one[0] == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one[1]), path):
            return one
    raise AssertionError(f"no route: {method} {path}")


async def completed(server: Any, job_id: int) -> None:
    """Wait for the end of a job."""
    with anyio.fail_after(30):
        job = await done(server.jobs.wait(job_id))
    assert (job.id, job.completed, job.progress) == (job_id, True, 100)
    assert await done(server.jobs.get(job_id)) == job


async def _users(twin: Twin) -> None:
    async with twin.opened() as server:
        carol = await done(server.account.register("carol", "carol-pw", name="Carol"))
        assert (carol.username, carol.name, carol.is_admin) == ("carol", "Carol", False)
        assert (await done(server.account.me())).username == "carol"
        await done(server.account.change_password("carol-pw", "carol-pw-2"))
        assert server.transport.credentials.password == "carol-pw-2"
        with pytest.raises(InvalidRequest, match="not match"):
            await done(server.account.change_password("carol-pw", "carol-pw-3"))
        with pytest.raises(AuthenticationFailed, match="does not allow this: Access denied"):
            await done(server.admin.users())
        await done(server.account.log_out())
        with pytest.raises(AuthenticationFailed):
            await done(server.account.me())
        with pytest.raises(AuthenticationFailed, match="carol"):
            await done(server.account.log_in("carol", "carol-pw"))
        await done(server.account.log_in("carol", "carol-pw-2"))
        assert (await done(server.account.me())).username == "carol"
    async with twin.opened("admin") as server:
        text, made = await done(server.tokens.create("nightly", "read", days=3))
        assert (made.name, made.scope, made.last_used) == ("nightly", "read", None)
        assert 2 < (made.expires.datetime - made.created.datetime).days + 1 < 5
        assert text not in repr(made)
        async with twin.opened(token=text) as reader:
            assert (await done(reader.account.me())).username == "admin"
            with pytest.raises(PermissionDenied):
                await done(reader.create_dataset("not with this"))
        assert [one.name for one in await done(server.tokens.all())] == ["nightly"]
        await done(server.tokens.revoke(made.id))
        assert await done(server.tokens.all()) == []
        dave = await done(server.admin.create_user("dave", "dave-pw", is_admin=True))
        assert (dave.username, dave.is_admin) == ("dave", True)
        changed = await done(server.admin.change_user("dave", name="Dave", is_admin=False))
        assert (changed.name, changed.is_admin) == ("Dave", False)
        assert (await done(server.admin.user("dave"))).name == "Dave"
        page = await done(server.admin.users(page=2, limit=2))
        assert (page.total, page.per_page) == (4, 2)
        assert [one.username for one in page.users] == ["carol", "dave"]
        await done(server.admin.delete_user("dave"))
        with pytest.raises(InvalidRequest, match="not found"):
            await done(server.admin.user("dave"))


async def _datasets(twin: Twin) -> None:
    async with twin.opened("admin") as server, twin.opened("bob") as bobs:
        made = await done(server.create_dataset("birds", ["finch"]))
        assert (made.info.name, made.info.owner) == ("birds", "admin")
        assert "birds" in repr(made)
        with pytest.raises(InvalidRequest, match="already exists"):
            await done(server.create_dataset("birds"))
        page = await done(server.dataset_page(limit=1))
        assert (page.pagination.total, page.datasets[0].name) == (1, "birds")
        assert page.datasets[0].permissions.delete
        await done(made.change(categories=["finch", "owl"], default_annotation_metadata={"q": 1}))
        birds = await done(server.dataset("birds"))
        assert len(birds.info.categories) == 2
        assert birds.info.default_annotation_metadata == {"q": 1}
        await done(birds.change(categories=["finch"]))
        assert len((await done(server.dataset("birds"))).info.categories) == 1
        with pytest.raises(DatasetNotFound):
            await done(bobs.dataset("birds"))
        with pytest.raises(InvalidRequest, match="nobody"):
            await done(birds.share(["nobody"]))
        await done(birds.share(["bob"]))
        assert [one.username for one in await done(birds.members())] == ["admin", "bob"]
        shared = await done(bobs.dataset("birds"))
        with pytest.raises(PermissionDenied):
            await done(shared.delete())
        assert [one.name for one in await done(bobs.datasets())] == ["birds"]


async def _images(twin: Twin, folder: Path) -> None:
    async with twin.opened("admin") as server:
        birds = await done(server.dataset("birds"))
        file = folder / "a.jpg"
        file.write_bytes(picture())
        cursor = (await done(birds.changes())).cursor
        first = await done(server.images.upload(birds.info.id, file))
        seen = await done(birds.changes(cursor, wait=5))
        assert [(one.kind, one.id, one.change) for one in seen.changes] == [
            ("image", first, "created")
        ]
        assert (await done(birds.changes(seen.cursor, limit=1))).changes == ()
        with pytest.raises(InvalidRequest):
            await done(birds.changes("not a cursor"))
        second = await done(birds.upload(picture(), name="north/b.jpg"))
        third = await done(birds.upload(str(file), name="north/c.jpg"))
        for wrong, name, says in (
            (file, None, "already"),
            (b"no picture", "d.jpg", "picture"),
            (b"", None, "no name"),
            (file, 'd".jpg', "cannot be sent"),
        ):
            with pytest.raises(InvalidRequest, match=says):
                await done(birds.upload(wrong, name=name))
        with pytest.raises(CoirError, match=r"missing\.jpg could not be read"):
            await done(birds.upload(folder / "missing.jpg"))
        page = await done(birds.images(order="id", limit=2))
        assert (page.total, [one.id for one in page.images]) == (3, [first, second])
        assert page.subdirectories == ("north",)
        page = await done(birds.images(order="-id", limit=2, cursor=""))
        assert [one.id for one in page.images] == [third, second]
        assert isinstance(page.next_cursor, str)
        page = await done(birds.images(order="-id", limit=2, cursor=page.next_cursor))
        assert ([one.id for one in page.images], page.next_cursor) == ([first], None)
        with pytest.raises(InvalidRequest):
            await done(birds.images(cursor="not a cursor"))
        north = await done(birds.images(folder="north", filters={"id__gt": str(second)}))
        assert [one.file_name for one in north.images] == ["c.jpg"]
        assert list((await done(birds.ids(folder="north"))).ids) == [second, third]
        northern = await done(
            birds.rows(folder="north", filters={"id__gt": str(second)}, fields=["path", "width"])
        )
        assert (northern.total, northern.query["id__gt"]) == (1, str(second))
        assert [(one.id, one.path, one.width) for one in northern.images] == [
            (third, "/datasets/birds/north/c.jpg", 96)
        ]
        with pytest.raises(InvalidRequest):
            await done(birds.rows(fields=["nosuch"]))
        listed = await done(server.images.page(per_page=2, fields=["path"]))
        assert [one.path for one in listed.images] == [
            "/datasets/birds/a.jpg",
            "/datasets/birds/north/b.jpg",
        ]
        info = await done(server.images.get(first))
        assert (info.width, info.height, info.file_name) == (96, 64, "a.jpg")
        kept = await done(server.images.download(first, folder / "again.jpg"))
        assert kept.read_bytes() == file.read_bytes()
        assert await whole(server.images.pieces(first)) == file.read_bytes()
        await done(server.images.delete(third))
        twin.serving.directory("birds").joinpath("found.jpg").write_bytes(picture())
        started = await done(birds.scan_folder())
        await completed(server, started.id)
        assert (await done(birds.images())).total == 3
        with pytest.raises(InvalidRequest):
            await done(server.images.download(999, folder / "none.jpg"))
        assert not (folder / "none.jpg").exists()


async def _categories(twin: Twin) -> None:
    async with twin.opened("admin") as server:
        hand = await done(
            server.categories.create(
                "hand",
                supercategory="body",
                color="#102030",
                metadata={"k": "v"},
                keypoint_labels=["wrist", "tip"],
                keypoint_edges=[(1, 2)],
                keypoint_colors=["#111111", "#222222"],
            )
        )
        assert (hand.supercategory, hand.keypoint_edges) == ("body", ((1, 2),))
        assert await done(server.categories.get(hand.id)) == hand
        await done(server.categories.replace(hand.id, "paw", color="#000000"))
        paw = await done(server.categories.get(hand.id))
        assert (paw.name, paw.color, paw.keypoint_labels) == ("paw", "#000000", ())
        assert "paw" in [one.name for one in await done(server.categories.all())]
        page = await done(server.categories.page(limit=100))
        assert "paw" in [one.name for one in page.categories]
        await done(server.categories.delete(hand.id))
        with pytest.raises(InvalidRequest):
            await done(server.categories.get(hand.id))


async def _annotations(twin: Twin) -> None:
    async with twin.opened("admin") as server:
        birds = await done(server.dataset("birds"))
        finch = birds.info.categories[0]
        ids = [one.id for one in (await done(birds.images(order="id"))).images]
        made = await done(
            server.annotations.create(ids[0], finch, segmentation=SQUARE, metadata={"k": 1})
        )
        assert (made.area, made.bbox) == (900, (10, 10, 30, 30))
        assert made.metadata == {"q": 1, "k": 1}
        smaller = [[10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]]
        changed = await done(server.annotations.change(made.id, finch, segmentation=smaller))
        assert (changed.category_id, changed.area) == (finch, 100)
        assert (await done(server.annotations.change(made.id, None))).category_id is None
        await done(server.annotations.change(made.id, finch))
        assert (await done(server.annotations.get(made.id))).area == 100
        assert [one.id for one in await done(server.annotations.all())] == [made.id]
        drawn = ["CompoundPath", {"children": [["Path", {"closed": True, "segments": [
            [-38.0, -22.0], [-8.0, -22.0], [-8.0, 8.0], [-38.0, 8.0]]}]]}]  # fmt: skip
        page = {"id": finch, "annotations": [{"id": made.id, "compoundPath": drawn}]}
        await done(server.annotator.save(ids[0], [page], metadata={"seen": True}))
        loaded = await done(server.annotator.load(ids[0]))
        assert (loaded.image.metadata, loaded.dataset.name) == ({"seen": True}, "birds")
        assert loaded.categories[0].annotations[0].area == 900
        assert loaded.permissions.image.delete
        await done(server.annotator.save(ids[0], [], preferences={"k": 1}))
        await done(server.annotator.save(ids[0], [page]))
        loaded = await done(server.annotator.load(ids[0]))
        assert (loaded.image.metadata, loaded.preferences) == ({"seen": True}, {"k": 1})
        assert await done(server.images.copy_annotations(ids[0], ids[1])) == 1
        assert len((await done(server.images.coco(ids[1]))).annotations) == 1
        statistics = await done(birds.statistics())
        assert (statistics.total.annotations, statistics.categories) == (2, {"finch": 2})
        assert statistics.average.area == 900
        await done(birds.reset_metadata())
        assert (await done(server.annotations.get(made.id))).metadata == {"q": 1}
        await done(server.annotations.delete(made.id))
        with pytest.raises(InvalidRequest):
            await done(server.annotations.get(made.id))
        with pytest.raises(InvalidRequest, match="disabled"):
            await done(server.models.dextr(ids[0], [(0, 0), (9, 0), (9, 9), (0, 9)]))
        with pytest.raises(InvalidRequest, match="no model"):
            await done(server.models.maskrcnn(picture(), name="a.jpg"))


async def _files(twin: Twin, folder: Path) -> None:
    async with twin.opened("admin") as server:
        birds = await done(server.dataset("birds"))
        coco = await done(birds.coco())
        assert (len(coco.images), len(coco.annotations)) == (1, 1)
        file = await done(birds.download_coco(folder / "birds.json"))
        assert await whole(birds.coco_pieces()) == file.read_bytes()
        started = await done(birds.import_coco(file, dry_run=True))
        await completed(server, started.id)
        assert await done(server.jobs.log(started.id))
        with pytest.raises(InvalidRequest):
            await done(birds.import_coco(b"no JSON"))
        await completed(server, (await done(birds.import_coco(file.read_bytes()))).id)
        started = await done(
            birds.export(category_ids=birds.info.categories, with_empty_images=True)
        )
        await completed(server, started.id)
        (listed,) = await done(birds.exports())
        export = await done(server.exports.get(listed.id))
        assert (export.dataset_id, export.tags) == (birds.info.id, listed.tags)
        assert export.created_at is not None
        assert export.created_at.datetime.year > 2000
        exported = await done(server.exports.download(listed.id, folder / "export.json"))
        assert exported.read_bytes().startswith(b"{")
        assert await whole(server.exports.pieces(listed.id)) == exported.read_bytes()
        await done(server.exports.delete(listed.id))
        assert await done(birds.exports()) == []
        await done(server.jobs.test())
        job = (await done(server.jobs.all()))[-1]
        await completed(server, job.id)
        with pytest.raises(InvalidRequest, match="completed already"):
            await done(server.jobs.cancel(job.id))
        await done(server.jobs.delete(job.id))
        with pytest.raises(InvalidRequest, match="no job"):
            await done(server.jobs.get(job.id))


async def _undo(twin: Twin) -> None:
    async with twin.opened("admin") as server:
        deleted = await done(server.undo.all())
        assert {one.instance for one in deleted} == {"annotation", "image", "category"}
        (image,) = await done(server.undo.all("image", limit=1))
        await done(server.undo.restore("image", image.id))
        assert await done(server.undo.all("image")) == []
        (category,) = await done(server.undo.all("category"))
        await done(server.undo.remove("category", category.id))
        assert await done(server.undo.all("category")) == []
        with pytest.raises(InvalidRequest):
            await done(server.undo.remove("category", category.id))
        birds = await done(server.dataset("birds"))
        await done(birds.delete())
        with pytest.raises(DatasetNotFound):
            await done(birds.images())


def _run(act: Callable[[], Awaitable[None]], backend: str) -> None:
    async def main() -> None:
        await act()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("kind", ["synchronous", "asyncio", "trio"])
def test_every_call_works(kind: str, database: Place, tmp_path: Path) -> None:
    """Each route is called on a real server, by both servers, and gives what it should."""
    steps: Sequence[Callable[[Twin], Awaitable[None]]] = (
        _users,
        _datasets,
        lambda twin: _images(twin, tmp_path),
        _categories,
        _annotations,
        lambda twin: _files(twin, tmp_path),
        _undo,
    )
    with serving(tmp_path / "server", database) as running:
        twin = Twin(running, asynchronous=kind != "synchronous")

        async def story() -> None:
            for step in steps:
                await step(twin)

        _run(story, "asyncio" if kind == "synchronous" else kind)
    # Both are asked before anything is noted, when the server is connected to.
    noted = twin.routes() | {("GET", "/api/info/")}
    assert CALLS.keys() - noted == REFUSED
    assert twin.refused() >= REFUSED


async def _models_and_waiting_jobs(twin: Twin, image: int) -> None:
    async with twin.opened("admin") as server:
        points = [(1, 2), (3, 4.5), (5, 6), (7, 8)]
        (outline,) = await done(server.models.dextr(image, points, padding=7, threshold=9))
        assert outline == [1, 2, 3, 4.5, 30, 20, 7, 9]
        (outline,) = await done(server.models.dextr(image, points))
        assert outline[-2:] == [50, 80]
        found = await done(server.models.maskrcnn(picture(30, 20), name="a.jpg"))
        assert found == {"images": [{"width": 30, "mode": "RGB"}]}
        cats = await done(server.dataset("cats"))
        started = await done(cats.scan_folder())
        assert not (await done(server.jobs.get(started.id))).completed
        assert await done(server.jobs.cancel(started.id)) is None
        job = await done(server.jobs.get(started.id))
        assert (job.completed, job.warnings, job.errors) == (True, 1, 0)
        assert (await done(server.jobs.log(started.id)))[-1].endswith("Cancelled.")


@pytest.fixture(scope="module")
def richer(
    database: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, int]]:
    """A server with models and an image, whose jobs wait for a worker."""
    running = modelled(database.data(tmp_path_factory.mktemp("richer") / "data"), "--no-jobs")
    admin = running.user("admin")
    yield running, uploaded(admin, created(admin, "cats"), "x.jpg", picture(30, 20)).json()
    running.signal()
    assert running.ended() == 0
    assert "Traceback" not in running.log()


@pytest.mark.parametrize("kind", ["synchronous", "asyncio", "trio"])
def test_what_needs_more(kind: str, richer: tuple[Running, int]) -> None:
    """A server with models outlines and finds; a job that has not begun is cancelled."""
    running, image = richer
    twin = Twin(running, asynchronous=kind != "synchronous")
    backend = "asyncio" if kind == "synchronous" else kind
    _run(lambda: _models_and_waiting_jobs(twin, image), backend)
    assert twin.routes() >= REFUSED


def test_both_servers_have_the_same_calls() -> None:
    """What one server can be asked, the other can."""
    with coir.client.transport.Transport("http://nowhere.invalid", _nobody()) as transport:
        one = Server(transport, coir.ServerInfo("x"))
        public = {name for name in dir(one) if not name.startswith("_")}
    assert public - set(dir(AsyncServer)) == {
        "info", "transport", "account", "admin", "annotations", "annotator", "categories",
        "exports", "images", "jobs", "models", "tokens", "undo",
    }  # fmt: skip
    ours = {name for name in dir(coir.Dataset) if not name.startswith("_")}
    assert ours == {name for name in dir(coir.AsyncDataset) if not name.startswith("_")}
