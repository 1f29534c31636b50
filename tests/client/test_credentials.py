from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coir.client.credentials import Credentials, cookies_of, credentials_of
from coir.errors import InvalidRequest

# As itsdangerous and Flask write them: base64 without or with padding, dots, dashes.
SIGNED = "eyJfaWQiOiJhYmMi.ZT1x-g.Xk_2-Q"
API_TOKEN = f"coir_{'0f' * 32}"


@pytest.mark.parametrize(
    ("token", "cookies"),
    [
        (None, {}),
        ({"session": SIGNED}, {"session": SIGNED}),
        ({"session": "s", "proxy": "p"}, {"session": "s", "proxy": "p"}),
        ({}, {}),
        (SIGNED, {"session": SIGNED}),
        (f" {SIGNED}\n", {"session": SIGNED}),
        ("YWJj.ZGVm==", {"session": "YWJj.ZGVm=="}),
        (f"session={SIGNED}", {"session": SIGNED}),
        (f"session={SIGNED}; proxy=p", {"session": SIGNED, "proxy": "p"}),
        ("session=YWJj.ZGVm==", {"session": "YWJj.ZGVm=="}),
        (f"Cookie: session={SIGNED}", {"session": SIGNED}),
        (f"cookie:session={SIGNED}; proxy=p", {"session": SIGNED, "proxy": "p"}),
    ],
)
def test_cookies(token: Mapping[str, str] | str | None, cookies: Mapping[str, str]) -> None:
    """A token is a mapping of cookies, a Cookie header, or the value of the session's cookie."""
    assert cookies_of(token) == cookies


@pytest.mark.parametrize(
    "token",
    [
        "hush\nhush",
        "hush hush",
        "hüsh",
        "session=hush\x00",
        {"session": "hush\r\nX: y"},
        "",
        " ",
        {"ses sion": "hush"},
        "hush\ud800",
    ],
)
def test_no_cookie(token: Mapping[str, str] | str) -> None:
    """A token that no cookie can hold is refused at once, without showing it."""
    with pytest.raises(InvalidRequest, match="cookie") as refused:
        cookies_of(token)
    assert "hush" not in f"{refused.value!r} {refused.value.hint}"
    assert refused.value.hint


@given(st.one_of(st.text(), st.dictionaries(st.text(), st.text())))
def test_any_token(token: Mapping[str, str] | str) -> None:
    """Whatever is given, what comes out can be sent as a Cookie header of one line."""
    try:
        cookies = cookies_of(token)
    except InvalidRequest:
        return
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert header.isascii()
    assert not header or header.isprintable()
    assert len(header.split("; ")) == max(1, len(cookies))


def test_hidden() -> None:
    """Neither a password, a cookie nor a token shows in the text form of credentials."""
    for credentials in (
        Credentials("admin", "hush"),
        Credentials(cookies={"session": "hush"}),
        Credentials(token="coir_hush"),
    ):
        assert "hush" not in f"{credentials} {credentials!r}"
    assert "admin" in repr(Credentials("admin", "hush"))


def test_both() -> None:
    """A password and a session at once are refused: which of them counts would be a guess."""
    with pytest.raises(InvalidRequest, match="Both") as refused:
        Credentials("admin", "hush", {"session": "hush"})
    assert "hush" not in f"{refused.value!r} {refused.value.hint}"


@pytest.mark.parametrize("text", [API_TOKEN, f" {API_TOKEN}\n"])
def test_api_token(text: str) -> None:
    """What has the form of an API token is one; anything else stands for cookies."""
    assert credentials_of(None, None, text) == Credentials(token=API_TOKEN)
    assert credentials_of(None, None, SIGNED) == Credentials(cookies={"session": SIGNED})
    assert credentials_of(None, None, {"session": API_TOKEN}).token is None
    assert credentials_of("admin", "hush", None) == Credentials("admin", "hush")


@pytest.mark.parametrize(
    "given",
    [
        {"token": "coir_hush", "username": "admin", "password": "hush"},
        {"token": "coir_hush", "cookies": {"session": "hush"}},
        {"token": "hush"},
        {"token": "coir_hush\r\nX: y"},
        {"token": ""},
    ],
)
def test_api_token_that_cannot_be_sent(given: dict[str, Any]) -> None:
    """A token beside a user name or a cookie, or what is no token, is refused and not shown."""
    with pytest.raises(InvalidRequest, match="token") as refused:
        Credentials(**given)
    assert "hush" not in f"{refused.value!r} {refused.value.hint}"
    assert refused.value.hint


@pytest.mark.parametrize(("username", "password"), [("admin", None), (None, "hush")])
def test_half(username: str | None, password: str | None) -> None:
    """A user name without a password, or the reverse, is refused without showing it."""
    with pytest.raises(InvalidRequest, match="is missing") as refused:
        Credentials(username, password)
    assert "hush" not in f"{refused.value!r} {refused.value.hint}"


@pytest.mark.parametrize(("username", "password"), [("admin", "h\ud800"), ("a\udcff", "h")])
def test_not_text(username: str, password: str) -> None:
    """What cannot be sent as text, such as bytes of another encoding, is refused at once."""
    with pytest.raises(InvalidRequest, match="UTF-8"):
        Credentials(username, password)


@pytest.mark.parametrize(
    ("credentials", "can"),
    [
        (Credentials(), False),
        (Credentials("a", "b"), True),
        (Credentials(cookies={"a": "b"}), False),
    ],
)
def test_can_log_in(credentials: Credentials, can: bool) -> None:
    """Only a user name and password can start another session."""
    assert credentials.can_log_in is can
