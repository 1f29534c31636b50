from __future__ import annotations

import email.utils
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coir.client import routes
from coir.client.credentials import Credentials
from coir.client.exchange import Answer, Operation, Request
from coir.client.operations import Annotations, Annotator, Categories, Images, Jobs, Undo
from coir.client.reply import checked, decoded, retry_after
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    InvalidRequest,
    PermissionDenied,
    ServerFailed,
    UnexpectedAnswer,
)
from coir.model import DatasetInfo, Image, ServerInfo

REQUEST = Request("GET", "/api/dataset/")


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, 0.01)


# Six threads meet one type after the other for the first time.
MEETING = """
import sys, threading
import msgspec
from coir.client.exchange import Answer, Request
from coir.client.reply import decoded

sys.setswitchinterval(1e-6)
REQUEST = Request("GET", "/")
ANSWER = Answer(200, {}, b'{"parts":[{"a":1,"b":{"c0":[1]}}]}', 0.1)
LISTS = [(f"c{n}", "list[int]", msgspec.field(default_factory=list)) for n in range(20)]
for _ in range(100):
    inner = msgspec.defstruct("Inner", LISTS)
    part = msgspec.defstruct("Part", [("a", int), ("b", inner)])
    whole = msgspec.defstruct("Whole", [("parts", list[part])])
    start, found = threading.Barrier(6), []

    def work():
        start.wait()
        found.append(decoded(REQUEST, ANSWER, whole))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.parts[0].b.c0 for one in found] == [[1]] * 6
"""


def test_threads_meet_a_type_at_once() -> None:
    """The first answers of a kind may come to several threads at the same time."""
    done = subprocess.run(
        [sys.executable, "-c", MEETING], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success(status: int) -> None:
    """A success is given back as it is."""
    given = answer(status)
    assert checked(REQUEST, given) is given


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, UnexpectedAnswer),
        (302, UnexpectedAnswer),
        (304, UnexpectedAnswer),
        (308, UnexpectedAnswer),
        (400, InvalidRequest),
        (401, AuthenticationFailed),
        (403, PermissionDenied),
        (404, UnexpectedAnswer),
        (405, UnexpectedAnswer),
        (418, UnexpectedAnswer),
        (429, ServerFailed),
        (500, ServerFailed),
        (502, ServerFailed),
        (503, ServerFailed),
        (504, ServerFailed),
        (599, ServerFailed),
    ],
)
def test_status(status: int, kind: type[CoirError]) -> None:
    """Each status that is no success has its error, with the server's own words."""
    with pytest.raises(CoirError) as raised:
        checked(REQUEST, answer(status, b'{"message": "as the server says"}'))
    assert type(raised.value) is kind
    if kind in {InvalidRequest, PermissionDenied, ServerFailed}:
        assert "as the server says" in raised.value.message
    if isinstance(raised.value, ServerFailed):
        assert raised.value.status == status


@given(st.integers(100, 999).filter(lambda status: not 200 <= status < 300), st.binary())
def test_any_answer(status: int, body: bytes) -> None:
    """Whatever status and body come, there is an error of coir's and a sentence of one line."""
    with pytest.raises(CoirError) as raised:
        checked(REQUEST, answer(status, body))
    assert "\n" not in raised.value.message


def test_bad_request_without_message() -> None:
    """A 400 that does not say why is not the server's refusal: something else answered."""
    with pytest.raises(UnexpectedAnswer, match="status 400 and a web page titled 'Bad Request'"):
        checked(REQUEST, answer(400, b"<html><title>Bad Request</title>"))


def test_redirect_hides_secrets() -> None:
    """The target of a redirect is named without what its address may carry of secrets."""
    target = "https://admin:hush@login.example/sso?ticket=hush#hush"
    with pytest.raises(UnexpectedAnswer, match=r"https://login\.example/sso") as raised:
        checked(REQUEST, answer(302, b"", location=target))
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "looks"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"<!DOCTYPE html><html><title>Sign in</title>", "a web page titled 'Sign in'"),
        (b"<html>", "a web page instead of JSON"),
        (b"\n <HTML><TITLE>\n Sign in\n</TITLE>", "a web page titled 'Sign in'"),
        (b"<?xml version='1.0'?><Error/>", "a web page instead of JSON"),
        (b"OK", "something that is not JSON"),
        (b"\xff\xfe", "something that is not JSON"),
        (b'[{"id": 1, "name": "bir', "JSON of another kind"),
        (b'{"id": 1}', "JSON of another kind"),
        (b'[{"id": "1", "name": "birds"}]', "JSON of another kind"),
        (b'[{"id": 1.5, "name": "birds"}]', "JSON of another kind"),
        (b'[{"id": true, "name": "birds"}]', "JSON of another kind"),
        (b'[{"name": "birds"}]', "JSON of another kind"),
        (b"null", "something that is not JSON"),
        (b"[" * 100_000, "JSON of another kind"),
    ],
)
def test_not_ours(body: bytes, looks: str) -> None:
    """A success whose body is not what the route answers is an error that says what came."""
    with pytest.raises(UnexpectedAnswer, match="GET /api/dataset/ answered with") as raised:
        decoded(REQUEST, answer(200, body), list[DatasetInfo])
    assert looks in raised.value.message
    assert "browser" in raised.value.hint


def test_unknown_fields() -> None:
    """Fields that are not known yet do no harm."""
    body = b'{"name": "COCO Annotator", "new": {"a": [1]}, "git": {"tag": "v1", "sha": "x"}}'
    assert decoded(REQUEST, answer(200, body), ServerInfo).version == "v1"


def _operations() -> list[Operation[Any]]:
    someone = Credentials("admin", "hush")
    nowhere = None  # none of these asks where it is
    return [
        routes.info(),
        routes.me(),
        routes.datasets(),
        routes.dataset("birds"),
        routes.images(1, {}, Image),
        routes.create_dataset("birds"),
        routes.login(someone),
        Jobs.all.operation(nowhere),
        Images.upload.operation(nowhere, 1, b"", name="a.jpg"),
        Images.delete.operation(nowhere, 1),
        Images.coco.operation(nowhere, 1),
        Annotations.create.operation(nowhere, 1, 1, segmentation=[[0, 0]]),
        Annotator.load.operation(nowhere, 1),
        Categories.page.operation(nowhere),
        Undo.all.operation(nowhere),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMED = st.dictionaries(
    st.sampled_from(["user", "id", "name", "images", "total", "per_page"]), JSON
)


@given(body=st.one_of(JSON, NAMED))
@settings(max_examples=40)
def test_any_json(body: object) -> None:
    """Whatever JSON comes with a success, an operation ends with a value or a coir error."""
    given_ = answer(200, msgspec.json.encode(body))
    for operation in _operations():
        next(operation)
        with pytest.raises((StopIteration, CoirError)):
            operation.send(given_)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("3", 3),
        (" 120 ", 120),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("\xb2", None),
        ("Mon, 99 Jan 2020 00:00:00 GMT", None),
    ],
)
def test_retry_after_seconds(value: str, seconds: float | None) -> None:
    """Retry-After is a number of seconds; what is neither number nor date is not there."""
    assert retry_after(answer(503, retry_after=value)) == seconds


def test_retry_after_date() -> None:
    """Retry-After is also a date; one that has passed means at once."""
    now = time.time()
    soon = answer(503, retry_after=email.utils.formatdate(now + 60, usegmt=True))
    assert retry_after(soon) == pytest.approx(60, abs=2)
    past = answer(503, retry_after=email.utils.formatdate(now - 60, usegmt=True))
    assert retry_after(past) == 0
    assert retry_after(answer(503)) is None


@given(st.text())
def test_retry_after_anything(value: str) -> None:
    """Whatever Retry-After says, it gives a time to wait or none."""
    seconds = retry_after(answer(503, retry_after=value))
    assert seconds is None or seconds >= 0


def test_server_failed_carries_retry_after() -> None:
    """The error of a busy server carries the time that it asked to wait."""
    with pytest.raises(ServerFailed) as raised:
        checked(REQUEST, answer(503, b"", retry_after="7"))
    assert raised.value.retry_after == 7
