"""Routes that take one thread, and in which order they find out what they need."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import httpx2 as httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response

from coir.server.answers import Refusal, answer
from coir.server.one_thread import OneThread
from coir.server.parameters import Body, Values

STEPS: list[tuple[str, int]] = []


def step(name: str) -> None:
    STEPS.append((name, threading.get_ident()))


def asking(request: Request) -> str:
    step("who asks")
    if (name := request.headers.get("x-name")) is None:
        raise Refusal(401, {"message": "Unauthorized"})
    return name


def administrator(name: Annotated[str, Depends(asking)]) -> str:
    step("what they may")
    return f"{name} the administrator"


router = APIRouter(route_class=OneThread)


@router.post("/plain/{number}")
def plain(number: int, name: Annotated[str, Depends(administrator)], body: Body) -> Response:
    step("the endpoint")
    return answer([number, name, body])


@router.post("/form")
def form(name: Annotated[str, Depends(asking)], given: Values) -> Response:
    step("the endpoint")
    return answer([name, given])


async def waited_for(request: Request) -> bytes:
    step("the body")
    return await request.body()


@router.post("/waiting")
def waiting(
    name: Annotated[str, Depends(asking)], body: Annotated[bytes, Depends(waited_for)]
) -> Response:
    step("the endpoint")
    return answer([name, len(body)])


@router.get("/bare")
def bare(name: Annotated[str, Depends(asking)]) -> Response:
    return answer(name)


async def refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return answer(error.body, error.status)


@pytest.fixture
def app() -> FastAPI:
    STEPS.clear()
    made = FastAPI()
    made.include_router(router)
    made.add_exception_handler(Refusal, refusal)
    return made


def sent(app: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **more)

    return anyio.run(ask)


def posted(app: FastAPI, path: str, **more: Any) -> httpx.Response:
    return sent(app, "POST", path, **more)


def test_dependencies_have_the_thread_of_their_endpoint(app: FastAPI) -> None:
    """What an endpoint names is found in its order, and in its thread, which is not the loop's."""
    found = posted(app, "/plain/7", headers={"x-name": "bob"}, json={"a": 1})
    assert found.json() == [7, "bob the administrator", {"a": 1}]
    assert [name for name, _ in STEPS] == ["who asks", "what they may", "the endpoint"]
    threads = {thread for _, thread in STEPS}
    assert len(threads) == 1
    assert threads.isdisjoint({threading.get_ident()})


def test_who_asks_is_known_before_a_body_is_understood(app: FastAPI) -> None:
    """Who is not signed in is told that, whatever is wrong with what they sent."""
    wrong = {"content": b"{", "headers": {"content-type": "application/json"}}
    assert posted(app, "/plain/7", **wrong).status_code == 401
    wrong["headers"] |= {"x-name": "bob"}  # type: ignore[operator]  # of the two values
    assert posted(app, "/plain/7", **wrong).status_code == 400
    assert "the endpoint" not in dict(STEPS)


def test_a_form_is_read_in_the_same_thread(app: FastAPI) -> None:
    """Its fields are found as those of a JSON body are."""
    found = posted(app, "/form", headers={"x-name": "bob"}, data={"a": "1"})
    assert found.json() == ["bob", {"a": "1"}]
    assert len({thread for _, thread in STEPS}) == 1


def test_what_is_waited_for_stays_as_it_is(app: FastAPI) -> None:
    """What has to be waited for comes in its turn, in the event loop."""
    found = posted(app, "/waiting", headers={"x-name": "bob"}, content=b"12345")
    assert found.json() == ["bob", 5]
    assert [name for name, _ in STEPS] == ["who asks", "the body", "the endpoint"]
    assert dict(STEPS)["the body"] == threading.get_ident()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/bare"), ("POST", "/plain/7"), ("POST", "/waiting")]
)
def test_nothing_is_read_from_who_is_not_signed_in(app: FastAPI, method: str, path: str) -> None:
    """Of a body, however large, nothing is kept before it is known who sends it."""
    taken = []

    async def body() -> AsyncIterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield bytes(1000)

    kind = {"content-type": "application/json"}
    assert sent(app, method, path, content=body(), headers=kind).status_code == 401
    assert not taken
    sent(app, method, path, content=body(), headers=kind | {"x-name": "bob"})
    assert len(taken) in (0, 1000)
    assert bool(taken) == (method == "POST")
