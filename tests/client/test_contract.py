"""The client understands what the original server was recorded to answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from coir.client import routes
from coir.client.credentials import Credentials
from coir.client.exchange import Answer, Operation
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    DatasetNotFound,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
    UnexpectedAnswer,
)
from coir.model import (
    CategoryInfo,
    DatasetInfo,
    Details,
    DetailsPage,
    Image,
    ImageId,
    Job,
    Page,
    ServerInfo,
    User,
)

CONTRACT = Path(__file__).parents[1] / "contract"
CUT = re.compile(r"…\(\d+ elements in all\)")
ADMIN = Credentials("admin", "admin-pw")

Exchange = dict[str, Any]
OPERATIONS: dict[str, Callable[[], Operation[Any]]] = {
    r"GET /api/info/?": routes.info,
    r"POST /api/user/login": lambda: routes.login(ADMIN),
    r"POST /api/user/register": lambda: routes.register(ADMIN),
    r"GET /api/user/?": routes.me,
    r"GET /api/dataset/?": routes.datasets,
    r"POST /api/dataset/": lambda: routes.create_dataset("d1"),
    r"GET /api/dataset/-?\d+/scan": lambda: routes.scan_folder(1),
    r"GET /api/dataset/-?\d+/data/?": lambda: routes.images(1, {}, Image),
    r"GET /api/tasks/": routes.jobs,
    r"GET /api/category/": routes.categories,
    r"GET /api/image/": lambda: routes.all_details(["path"], 1, 50),
    r"GET /api/annotator/data/\d+": lambda: routes.details(5),
    r"POST /api/image/": lambda: routes.upload(1, "a.jpg", b""),
    r"DELETE /api/image/\d+": lambda: routes.delete_image(1),
    r"POST /api/annotation/": lambda: routes.annotate(1, 1, [0, 0]),
}
# Recorded with errors only: its success is the answer of every route that starts a job, and
# tests/demo runs it against coir's server.
ERRORS_ONLY = {r"GET /api/dataset/-?\d+/scan", r"DELETE /api/image/\d+"}


def _recorded() -> list[Exchange]:
    lines = []
    for name in ("transcripts.jsonl", "client.jsonl"):
        lines += (CONTRACT / name).read_text(encoding="utf-8").splitlines()
    return [exchange for line in lines if _route(exchange := json.loads(line))]


def _route(exchange: Exchange) -> str | None:
    asked = f"{exchange['request']['method']} {exchange['request']['path']}"
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
    operation = OPERATIONS[str(_route(exchange))]()
    next(operation)
    try:
        for answer in (_answer(exchange), *more):
            operation.send(answer)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it asks for more than was given")


def _some(which: Callable[[int], bool]) -> Sequence[Any]:
    found = [one for one in _recorded() if which(one["response"]["status"])]
    return [pytest.param(one, id=f"{one['section']}/{one['name']}") for one in found]


LIST_WITH_1 = Answer(200, {}, b'[{"id": 1, "name": "d1"}]', 0.0)
LIST_WITHOUT_1 = Answer(200, {}, b'[{"id": 7, "name": "bobs"}]', 0.0)


def test_every_route_is_recorded() -> None:
    """Each operation of the client is held against at least one recorded success."""
    succeeded = {_route(one) for one in _recorded() if one["response"]["status"] == 200}
    assert succeeded == set(OPERATIONS) - ERRORS_ONLY
    tested = {"images", "info", "login", "me", "datasets", "create_dataset", "scan_folder", "jobs"}
    tested |= {"register", "upload", "delete_image", "annotate", "categories"}
    tested |= {"all_details", "details"}
    # `dataset` is made of `datasets`; `image_ids` is a route that the original does not have.
    assert set(routes.__all__) - tested == {"dataset", "image_ids"}


@pytest.mark.parametrize("exchange", _some(lambda status: status == 200))
def test_success(exchange: Exchange) -> None:
    """A recorded success gives a value of the operation's type, with the recorded content."""
    value, body = _run(exchange), _whole(exchange["response"]["json"])
    match value:
        case ServerInfo():
            assert (value.name, value.version) == (body["name"], body["git"]["tag"])
            assert value.coir is None
        case User():
            assert value.username == body["user"]["username"]
            assert value.is_admin == body["user"]["is_admin"]
        case DatasetInfo():
            assert (value.id, value.name) == (body["id"], body["name"])
            assert list(value.categories) == body["categories"]
        case Page():
            assert (value.total, value.per_page) == (body["total"], body["per_page"])
            shown = [
                (one["id"], one["file_name"], one["num_annotations"]) for one in body["images"]
            ]
            assert [(one.id, one.file_name, one.num_annotations) for one in value.images] == shown
        case DetailsPage():
            assert value.total == body["total"]
            assert [one.id for one in value.images] == [one["id"] for one in body["images"]]
        case Details():
            assert (value.id, value.path) == (body["image"]["id"], body["image"]["path"])
            assert (value.width, value.height) == (body["image"]["width"], body["image"]["height"])
        case list():
            assert [one.id for one in value] == [one["id"] for one in body]
            assert [one.name for one in value] == [one["name"] for one in body]
            assert all(isinstance(one, DatasetInfo | Job | CategoryInfo) for one in value)
        case int():
            assert value == body
        case None:
            assert exchange["request"]["method"] in {"POST", "DELETE"}
        case _:
            raise AssertionError(f"nobody expects {value!r}")


def test_page_of_ids() -> None:
    """The rows of a page are also read as ids alone."""
    recorded = next(one for one in _recorded() if one["name"] == "order='id'")
    operation = routes.images(1, {}, ImageId)
    next(operation)
    with pytest.raises(StopIteration) as stop:
        operation.send(_answer(recorded))
    shown = [ImageId(one["id"]) for one in _whole(recorded["response"]["json"]["images"])]
    assert stop.value.value.images == shown
    assert stop.value.value.total == recorded["response"]["json"]["total"]


def _expected(exchange: Exchange) -> type[CoirError]:
    status = exchange["response"]["status"]
    if "/user/login" in exchange["request"]["path"] and status == 400:
        return AuthenticationFailed
    if status == 404:
        return UnexpectedAnswer  # the HTML page of a path that is no route
    return {
        308: UnexpectedAnswer,
        400: InvalidRequest,
        401: AuthenticationFailed,
        403: PermissionDenied,
        500: ServerFailed,
    }[status]


GONE = "/api/annotator/data/"


@pytest.mark.parametrize("exchange", _some(lambda status: status != 200))
def test_error(exchange: Exchange) -> None:
    """A recorded error gives the error of coir that says the same, in the server's words.

    Of a single image it says that the image is not there any more, which is no error.
    """
    if exchange["request"]["path"].startswith(GONE) and exchange["response"]["status"] == 400:
        assert _run(exchange) is None
        return
    kind = _expected(exchange)
    with pytest.raises(CoirError) as raised:
        _run(exchange, LIST_WITH_1)
    assert type(raised.value) is kind
    if kind in {InvalidRequest, PermissionDenied, ServerFailed}:
        assert exchange["response"]["json"]["message"] in raised.value.message


@pytest.mark.parametrize(
    "name", ["invalid_dataset_id", "dataset_without_permission", "deleted.data"]
)
def test_no_such_dataset(name: str) -> None:
    """The recorded 500 of a dataset that is not in the list means that there is none."""
    recorded = next(one for one in _recorded() if one["name"] == name)
    with pytest.raises(DatasetNotFound, match="no dataset 1") as raised:
        _run(recorded, LIST_WITHOUT_1)
    assert "'bobs' (7)" in raised.value.hint
