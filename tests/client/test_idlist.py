"""Lists of ids are decoded a stretch at a time, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.client import idlist
from coir.client.exchange import Answer, Request
from coir.client.idlist import id_list
from coir.errors import CoirError, UnexpectedAnswer
from coir.model import IdList

REQUEST = Request("GET", "/api/dataset/1/ids")


def read(body: bytes) -> IdList:
    """Decode a body."""
    return id_list(REQUEST, Answer(200, {}, body, 0.1))


@given(
    ids=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=200),
    query=st.dictionaries(st.text(), st.text(), max_size=3),
    stretch=st.integers(1, 50),
)
def test_every_list_comes_back(ids: list[int], query: dict[str, str], stretch: int) -> None:
    """Whatever the stretches are, the ids, their count and the query are those that were sent."""
    body = json.dumps({"total": 7, "query": query, "ids": ids}, separators=(",", ":")).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idlist, "STRETCH", stretch)
        found = read(body)
    assert (found.total, found.query, list(found.ids)) == (7, query, ids)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"total":1,"query":{},"ids":[1',
        b'{"total":1,"query":{},"ids":[1]',
        b'{"total":1,"query":{},"ids":[1,]}',
        b'{"total":1,"query":{},"ids":["1"]}',
        b'{"total":1,"query":{},"ids":[1.5]}',
        b'{"total":1,"query":{},"ids":[true]}',
        b'{"total":"1","query":{},"ids":[1]}',
        b'{"total":1,"ids":[1]}',
        b'{"total":1,"query":{},"ids":[9223372036854775808]}',
        b'{"total":1,"query":{},"ids":[1],"ids":[2]}',
        b'{"total":1,"query":{},"ids":[1]}x]}',
    ],
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    """Cut, garbled and mistyped answers are never data."""
    with pytest.raises(UnexpectedAnswer):
        read(body)


@given(
    body=st.binary(max_size=60)
    | st.builds(
        lambda at, junk: b'{"total":3,"query":{},"ids":[1,22,333]}'[:at] + junk,
        st.integers(0, 40),
        st.binary(max_size=5),
    )
)
def test_any_bytes_are_a_list_or_an_error_of_coirs(body: bytes) -> None:
    """No answer makes anything else happen."""
    try:
        found = read(body)
    except CoirError:
        return
    assert all(isinstance(image_id, int) for image_id in found.ids)
