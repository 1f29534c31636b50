"""The client understands what the original server was recorded to answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coir.client import AsyncServer, routes
from coir.client.credentials import Credentials
from coir.client.exchange import Answer, Operation
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
    Undo,
)
from coir.client.transport import Transport
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    DatasetNotFound,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
    UnexpectedAnswer,
)
from coir.model import Coco, DatasetInfo, Image, ImageId, ServerInfo

CONTRACT = Path(__file__).parents[1] / "contract"
CUT = re.compile(r"…\(\d+ elements in all\)")
ADMIN = Credentials("admin", "admin-pw")
# Nothing is sent: the recorded answers are given to the operations by hand.
NOWHERE = Transport("http://nowhere.invalid", ADMIN)
PICTURE = b"a picture"

Exchange = dict[str, Any]


def of(method: Any, *args: Any, **kwargs: Any) -> Callable[[], Operation[Any]]:
    """An operation, as a call of it would begin it."""
    place = DatasetCalls(NOWHERE, DatasetInfo(1, "d1"))
    return lambda: method.operation(place, *args, **kwargs)


def _saving(categories: list[dict[str, Any]]) -> Operation[None]:
    """Saving what was drawn, once it was loaded what there is."""
    operation = of(Annotator.save, 5, categories)()
    assert next(operation).path == "/api/annotator/data/5"
    request = operation.send(_answer(_named("load.after_save")))
    try:
        while True:
            request = operation.send((yield request))
    except StopIteration:
        return


# What the client makes of each route, and what part of the body it is where it is not the whole.
OPERATIONS: dict[str, tuple[Callable[[], Operation[Any]], str | None]] = {
    r"GET /api/info/?": (routes.info, None),
    r"GET /api/info/long_task": (of(Jobs.test), ""),
    r"POST /api/user/login": (lambda: routes.login(ADMIN), ""),
    r"POST /api/user/register": (of(Account.register, "admin", "admin-pw"), "user"),
    r"GET /api/user/logout": (of(Account.log_out), ""),
    r"GET /api/user/?": (of(Account.me), "user"),
    r"GET /api/dataset/?": (of(AsyncServer.datasets), None),
    r"POST /api/dataset/": (lambda: routes.create_dataset("d1"), None),
    r"GET /api/dataset/data": (of(AsyncServer.dataset_page), None),
    r"POST /api/dataset/-?\d+": (of(DatasetCalls.change), ""),
    r"DELETE /api/dataset/-?\d+": (of(DatasetCalls.delete), ""),
    r"GET /api/dataset/-?\d+/scan": (of(DatasetCalls.scan_folder), None),
    r"POST /api/dataset/-?\d+/share": (of(DatasetCalls.share, ["bob"]), ""),
    r"GET /api/dataset/-?\d+/users": (of(DatasetCalls.members), None),
    r"GET /api/dataset/-?\d+/stats": (of(DatasetCalls.statistics), None),
    r"GET /api/dataset/-?\d+/reset/metadata": (of(DatasetCalls.reset_metadata), ""),
    r"GET /api/dataset/-?\d+/data/?": (of(DatasetCalls.images), None),
    r"GET /api/dataset/-?\d+/coco": (of(DatasetCalls.coco), None),
    r"POST /api/dataset/-?\d+/(coco|export)": (
        of(DatasetCalls.import_coco, b"{}"),
        None,
    ),
    r"GET /api/dataset/-?\d+/export": (of(DatasetCalls.export), None),
    r"GET /api/dataset/-?\d+/exports": (of(DatasetCalls.exports), None),
    r"GET /api/export/-?\d+": (of(Exports.get, 1), None),
    r"DELETE /api/export/-?\d+": (of(Exports.delete, 1), ""),
    r"GET /api/image/": (of(Images.page), None),
    r"POST /api/image/": (of(Images.upload, 1, PICTURE, name="a.jpg"), None),
    r"DELETE /api/image/-?\d+": (of(Images.delete, 1), ""),
    r"GET /api/image/-?\d+/coco": (of(Images.coco, 1), None),
    r"POST /api/image/copy/-?\d+/-?\d+/annotations": (
        of(Images.copy_annotations, 1, 2),
        "annotations_created",
    ),
    r"GET /api/category/": (of(Categories.all), None),
    r"POST /api/category/": (of(Categories.create, "cat"), None),
    r"GET /api/category/data": (of(Categories.page), None),
    r"GET /api/category/-?\d+": (of(Categories.get, 1), None),
    r"PUT /api/category/-?\d+": (of(Categories.replace, 1, "cat"), ""),
    r"DELETE /api/category/-?\d+": (of(Categories.delete, 1), ""),
    r"GET /api/annotation/": (of(Annotations.all), None),
    r"POST /api/annotation/": (of(Annotations.create, 1, 1), None),
    r"GET /api/annotation/-?\d+": (of(Annotations.get, 1), None),
    r"PUT /api/annotation/-?\d+": (of(Annotations.change, 1, 1), None),
    r"DELETE /api/annotation/-?\d+": (of(Annotations.delete, 1), ""),
    r"GET /api/annotator/data/-?\d+": (of(Annotator.load, 5), None),
    r"POST /api/annotator/data": (lambda: _saving([]), ""),
    r"GET /api/tasks/": (of(Jobs.all), None),
    r"GET /api/tasks/-?\d+/logs": (of(Jobs.log, 1), "logs"),
    r"DELETE /api/tasks/-?\d+": (of(Jobs.delete, 1), ""),
    r"POST /api/model/dextr/-?\d+": (of(Models.dextr, 1, [(0, 0)] * 4), "segmentaiton"),
    r"POST /api/model/maskrcnn": (of(Models.maskrcnn, PICTURE, name="a.jpg"), "coco"),
    r"GET /api/undo/list/?": (of(Undo.all), None),
    r"POST /api/undo/": (of(Undo.restore, "image", 1), ""),
    r"DELETE /api/undo/": (of(Undo.remove, "image", 1), ""),
    r"GET /api/admin/users": (of(Admin.users), None),
    r"POST /api/admin/user/": (of(Admin.create_user, "carol", "carol-pw"), "user"),
    r"GET /api/admin/user/\w+": (of(Admin.user, "carol"), None),
    r"PATCH /api/admin/user/\w+": (of(Admin.change_user, "carol"), None),
    r"DELETE /api/admin/user/\w+": (of(Admin.delete_user, "carol"), ""),
}
# What is read in another way, or not at all, and why.
APART = {
    r"HEAD .*": "the client sends none",
    r"OPTIONS .*": "the client sends none",
    r"POST /api/dataset/-?\d+/generate": "it fetches nothing any more, from nowhere",
    r"GET /api/image/-?\d+": "a picture; tests/client/test_download.py",
    r"GET /api/export/-?\d+/download": "a file; that it is COCO is tested below",
}


def _recorded() -> list[Exchange]:
    lines = []
    for name in ("transcripts.jsonl", "client.jsonl"):
        lines += (CONTRACT / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _asked(exchange: Exchange) -> str:
    return f"{exchange['request']['method']} {exchange['request']['path']}"


def _route(exchange: Exchange) -> str | None:
    asked = _asked(exchange)
    return next((route for route in OPERATIONS if re.fullmatch(route, asked)), None)


def _whole(value: Any) -> Any:
    """A recorded value without the marks where its long lists were cut."""
    if isinstance(value, list):
        return [_whole(one) for one in value if not (isinstance(one, str) and CUT.fullmatch(one))]
    return {k: _whole(v) for k, v in value.items()} if isinstance(value, dict) else value


def _answer(exchange: Exchange) -> Answer:
    given = exchange["response"]
    text = json.dumps(_whole(given["json"])) if "json" in given else given.get("text", "")
    headers = {name.lower(): value for name, value in given["headers"].items()}
    return Answer(given["status"], headers, text.encode(), given["ms"] / 1000)


def _run(exchange: Exchange, *more: Answer) -> Any:
    """What an operation makes of a recorded answer, and of more if it asks for more."""
    route = str(_route(exchange))
    operation = OPERATIONS[route][0]()
    request = next(operation)
    assert re.fullmatch(route, f"{request.method} {request.path}")
    try:
        for answer in (_answer(exchange), *more):
            operation.send(answer)
    except StopIteration as stop:
        return stop.value
    finally:
        operation.close()
    raise AssertionError("it asks for more than was given")


def _named(name: str) -> Exchange:
    return next(one for one in _recorded() if one["name"] == name)


def _succeeded(exchange: Exchange) -> bool:
    return 200 <= int(exchange["response"]["status"]) < 300


def _some(*, succeeded: bool) -> Sequence[Any]:
    found = [one for one in _recorded() if _route(one) and _succeeded(one) is succeeded]
    return [pytest.param(one, id=f"{one['section']}/{one['name']}") for one in found]


LIST_WITH_1 = Answer(200, {}, b'[{"id": 1, "name": "d1"}]', 0.0)
LIST_WITHOUT_1 = Answer(200, {}, b'[{"id": 7, "name": "bobs"}]', 0.0)


def test_every_recorded_success_is_read() -> None:
    """Each exchange that succeeded is of a route that the client reads, or one listed apart."""
    unread = {_asked(one) for one in _recorded() if _succeeded(one) and not _route(one)}
    assert {one for one in unread if not any(re.fullmatch(r, one) for r in APART)} == set()
    assert [one for one in APART if not any(re.fullmatch(one, asked) for asked in unread)] == []


def test_every_operation_is_recorded() -> None:
    """Each route of the table is held against a recorded answer."""
    assert {_route(one) for one in _recorded()} - {None} == set(OPERATIONS)


def _agrees(value: Any, body: Any, at: str = "") -> None:
    """What was decoded is what was recorded, as far as it is kept; what was not there is empty."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in body:
                _agrees(inner, body[name], f"{at}.{name}")
            else:
                assert _empty(inner), f"{at}.{name}"
    elif isinstance(value, list | tuple):
        assert len(value) == len(body), at
        for number, (one, other) in enumerate(zip(value, body, strict=True)):
            _agrees(one, other, f"{at}[{number}]")
    else:
        assert value == body, at


def _empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_empty(one) for one in value.values())
    return not value or value is True  # `login_enabled` is true where nobody says otherwise


@pytest.mark.parametrize("exchange", _some(succeeded=True))
def test_success(exchange: Exchange) -> None:
    """A recorded success gives a value of the operation's type, with the recorded content."""
    body = _whole(exchange["response"]["json"])
    if body == {"disabled": True, "coco": {}}:
        with pytest.raises(InvalidRequest, match="no model"):
            _run(exchange)
        return
    value, part = _run(exchange), OPERATIONS[str(_route(exchange))][1]
    if part == "":
        assert value is None
        return
    assert isinstance(value, (msgspec.Struct, list, int))
    expected = body if part is None else body[part]
    if isinstance(value, msgspec.Struct) and not isinstance(value, ServerInfo):
        assert set(msgspec.to_builtins(value)) & set(expected)
    _agrees(msgspec.to_builtins(value), expected)


def test_exported_file() -> None:
    """A recorded export is read as COCO."""
    recorded = next(one for one in _recorded() if _asked(one) == "GET /api/export/3/download")
    body = _whole(recorded["response"]["json"])
    read = msgspec.json.decode(json.dumps(body), type=Coco)
    assert [one.id for one in read.images] == [one["id"] for one in body["images"]]
    assert read.annotations
    _agrees(msgspec.to_builtins(read), body)


def test_saving_sends_what_the_page_sends() -> None:
    """What was recorded of the page is what is sent, also of what is not given."""
    recorded = _named("save.ok")["request"]["json"]
    page = next(one for one in recorded["categories"] if one["annotations"])
    (drawn,) = page["annotations"]
    given = {name: drawn[name] for name in ("id", "compoundPath", "sessions")}
    sent = next(_saving([{"id": page["id"], "annotations": [given]}])).json
    assert sent.keys() == recorded.keys()
    assert (sent["mode"], sent["user"]) == (recorded["mode"], recorded["user"])
    assert sent["dataset"]["id"] == recorded["dataset"]["id"]
    assert sent["image"] == recorded["image"]
    (category,) = json.loads(json.dumps(sent["categories"]))  # as the wire has it
    assert category == {name: page[name] for name in category}
    assert category.keys() == page.keys()


@pytest.mark.parametrize(
    "category",
    [{"id": 77}, {"id": 1, "annotations": [{"id": 77}]}, {"id": 2, "annotations": [{"id": 8}]}],
)
def test_saving_what_is_not_there(category: dict[str, Any]) -> None:
    """A category or annotation that the image does not have is refused, and nothing is sent."""
    with pytest.raises(InvalidRequest, match=r"no (category (77|None)|annotation)"):
        next(_saving([category]))


def test_details() -> None:
    """A scan reads the fields of an image from what the annotation page loads."""
    recorded = _named("load.after_save")
    operation = routes.details(5)
    next(operation)
    with pytest.raises(StopIteration) as stop:
        operation.send(_answer(recorded))
    image = recorded["response"]["json"]["image"]
    found = stop.value.value
    assert (found.id, found.path) == (image["id"], image["path"])
    assert (found.width, found.height) == (image["width"], image["height"])


def test_details_of_what_is_gone() -> None:
    """Of a single image, a refusal says that it is not there any more, which is no error."""
    operation = routes.details(5)
    next(operation)
    with pytest.raises(StopIteration) as stop:
        operation.send(_answer(_named("load.bad_image")))
    assert stop.value.value is None


def test_details_of_what_may_not_be_seen() -> None:
    """An image of a dataset that is not there, or not shown to this user, is not gone."""
    operation = routes.details(2)
    next(operation)
    with pytest.raises(DatasetNotFound, match="image 2"):
        operation.send(_answer(_named("load.no_access")))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b"<html><title>404 Not Found</title></html>", UnexpectedAnswer),
        (404, b'{"message": "The requested URL was not found on the server."}', UnexpectedAnswer),
        (400, b'{"message": "Input payload validation failed"}', InvalidRequest),
        (400, b"", UnexpectedAnswer),
    ],
)
def test_details_that_are_refused_for_another_reason(
    status: int, body: bytes, error: type[CoirError]
) -> None:
    """A proxy's page, or what only looks like a refusal, does not say that an image is gone."""
    operation = routes.details(5)
    next(operation)
    with pytest.raises(error):
        operation.send(Answer(status, {}, body, 0.1))


def test_all_details() -> None:
    """A scan reads fields from the list of all images."""
    recorded = next(one for one in _recorded() if _asked(one) == "GET /api/image/")
    operation = routes.all_details(["path"], 1, 50)
    next(operation)
    with pytest.raises(StopIteration) as stop:
        operation.send(_answer(recorded))
    body = _whole(recorded["response"]["json"])
    assert stop.value.value.total == body["total"]
    assert [one.id for one in stop.value.value.images] == [one["id"] for one in body["images"]]


@pytest.mark.parametrize("row", [Image, ImageId])
def test_page_of_rows(row: type) -> None:
    """The rows of a page are read as images, and as ids alone."""
    recorded = _named("order='id'")
    operation = routes.images(1, {}, row)
    next(operation)
    with pytest.raises(StopIteration) as stop:
        operation.send(_answer(recorded))
    shown = [one["id"] for one in _whole(recorded["response"]["json"]["images"])]
    assert [one.id for one in stop.value.value.images] == shown
    assert all(isinstance(one, row) for one in stop.value.value.images)
    assert stop.value.value.total == recorded["response"]["json"]["total"]


def test_cursor_that_was_ignored() -> None:
    """The original knows no cursors and ignores them: its page is not taken for the last one."""
    operation = routes.images(1, {"cursor": ""}, Image)
    next(operation)
    with pytest.raises(UnexpectedAnswer, match="does not know cursors"):
        operation.send(_answer(_named("order='id'")))


def _expected(exchange: Exchange) -> type[CoirError]:
    given = exchange["response"]
    if "/user/login" in exchange["request"]["path"] and given["status"] == 400:
        return AuthenticationFailed
    if given["status"] in {404, 405}:
        return UnexpectedAnswer  # a path that is no route
    return {
        308: UnexpectedAnswer,
        400: InvalidRequest,
        401: AuthenticationFailed,
        403: PermissionDenied,
        500: ServerFailed,
    }[given["status"]]


@pytest.mark.parametrize("exchange", _some(succeeded=False))
def test_error(exchange: Exchange) -> None:
    """A recorded error gives the error of coir that says the same, in the server's words."""
    kind = _expected(exchange)
    with pytest.raises(CoirError) as raised:
        _run(exchange, LIST_WITH_1)
    assert type(raised.value) is kind
    if kind in {InvalidRequest, PermissionDenied, ServerFailed}:
        said = exchange["response"]["json"].get("message", "")
        assert said.rstrip(".") in raised.value.message


@pytest.mark.parametrize(
    "name", ["invalid_dataset_id", "dataset_without_permission", "deleted.data"]
)
def test_no_such_dataset(name: str) -> None:
    """The recorded 500 of a dataset that is not in the list means that there is none."""
    recorded = _named(name)
    with pytest.raises(DatasetNotFound, match="no dataset 1") as raised:
        _run(recorded, LIST_WITHOUT_1)
    assert "'bobs' (7)" in raised.value.hint
