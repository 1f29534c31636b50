from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coir.client.address import server_url
from coir.errors import InvalidRequest

PIECES = ["http://", "https://", "HTTP://", "h", "host", ":5000", "/", "/api", "api", "[::1]", " "]
PIECES += ["#/", "?a=b", "@", "://", ":", "ä", "\t", "%2f", ".."]


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("http://localhost:5000", "http://localhost:5000"),
        ("localhost:5000", "http://localhost:5000"),
        (" localhost:5000/ \n", "http://localhost:5000"),
        ("https://labels.example/", "https://labels.example"),
        ("http://localhost:5000/api", "http://localhost:5000"),
        ("http://localhost:5000/api/", "http://localhost:5000"),
        ("http://localhost:5000/#/datasets", "http://localhost:5000"),
        ("http://localhost:5000/?page=2", "http://localhost:5000"),
        ("http://example.org/tools/coco/api/", "http://example.org/tools/coco"),
        ("http://example.org/myapi", "http://example.org/myapi"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("localhost:5000/?next=http://localhost:5000/", "http://localhost:5000"),
    ],
)
def test_address(typed: str, url: str) -> None:
    """An address as people type or copy it becomes the URL below which /api/ lies."""
    assert server_url(typed) == url


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "http://",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://h:port",
        "http://h:99999",
        "http://h:0",
        "http://[::1",
        "://",
        "/datasets",
        "http://two words:5000",
    ],
)
def test_not_an_address(typed: str) -> None:
    """What is no address of a web server is refused, with an example of one."""
    with pytest.raises(InvalidRequest, match="is not the address of a server") as refused:
        server_url(typed)
    assert "http://localhost:5000" in refused.value.hint


@pytest.mark.parametrize(
    "typed",
    [
        "http://admin:hush@localhost:5000",
        "admin:hush@localhost:5000",
        "http://admin@localhost",
        "http://admin:hush@localhost:99999",
        "ftp://admin:hush@localhost",
        "http://admin:hush/hush@localhost",
        "http://admin:hush?hush@localhost:5000",
        "http://@localhost",
    ],
)
def test_password_in_address(typed: str) -> None:
    """An address that holds a user or password is refused without showing it again."""
    with pytest.raises(InvalidRequest) as refused:
        server_url(typed)
    shown = f"{refused.value} {refused.value.hint} {refused.value!r}"
    assert "hush" not in shown
    assert "COIR_PASSWORD" in refused.value.hint


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
@example("h/api/api")
@example("h//api/ /")
def test_regular(typed: str) -> None:
    """What comes out is an address that stays as it is, or the address is refused."""
    try:
        url = server_url(typed)
    except InvalidRequest:
        return
    assert server_url(url) == url
    assert url.startswith(("http://", "https://"))
    assert not urlsplit(url).path.endswith(("/", "/api"))
    assert not set("?#") & set(url)
    assert "@" not in url.split("/")[2]
