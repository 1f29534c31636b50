"""What a user proves their identity with; never shown by ``repr``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from coir.errors import InvalidRequest

__all__ = ["Credentials", "cookies_of", "credentials_of"]

SESSION_COOKIE = "session"
# RFC 6265, 4.1.1, and the quotes that may stand around a value.
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r'"?[!#-+\--:<-\[\]-~]+"?')
# How coir's own server writes API tokens; the value of a session's cookie has dots.
TOKEN = re.compile(r"coir_[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password, or the cookies of a session, or an API token, or nothing.

    ``basic`` sends the user name and password with each request instead of logging in.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: bool = False
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.username is not None and self.cookies:
            raise InvalidRequest(
                "Both a user name and a session cookie are given.", hint="Use one of them."
            )
        if self.token is not None and (self.username is not None or self.cookies):
            raise InvalidRequest(
                "An API token is given beside a user name or a session cookie.",
                hint="Use one of them.",
            )
        if self.token is not None and not TOKEN.fullmatch(self.token):
            raise InvalidRequest(
                "The API token is none of coir's server.",
                hint="Copy it again: one line, coir_ and 64 letters and digits.",
            )
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "user name"
            raise InvalidRequest(
                f"The {missing} is missing.",
                hint="Give both: --username and the password that is asked for, or COIR_USERNAME "
                "and COIR_PASSWORD.",
            )
        for given, what in ((self.username, "user name"), (self.password, "password")):
            if any("\ud800" <= char <= "\udfff" for char in given or ""):
                raise InvalidRequest(
                    f"The {what} is not text in UTF-8.", hint="Set the terminal to UTF-8."
                )

    @property
    def kind(self) -> str:
        """What they are: ``token``, ``cookies``, ``basic``, ``password``, or nothing."""
        if self.username is not None:
            return "basic" if self.basic else "password"
        return "token" if self.token else "cookies" if self.cookies else ""

    @property
    def can_log_in(self) -> bool:
        """Whether a new session can be started when the old one has ended."""
        return self.username is not None and not self.basic


def credentials_of(
    username: str | None,
    password: str | None,
    token: Mapping[str, str] | str | None,
    basic: bool = False,
) -> Credentials:
    """Give the credentials for what `connect` was given: a ``token`` is of either kind.

    Raises:
        InvalidRequest: they contradict each other, or cannot be sent.

    """
    if isinstance(token, str) and TOKEN.fullmatch(text := token.strip()):
        return Credentials(username, password, basic=basic, token=text)
    return Credentials(username, password, cookies_of(token), basic)


def cookies_of(token: Mapping[str, str] | str | None) -> dict[str, str]:
    """Give the cookies that a copied script's ``token`` stands for.

    A mapping is taken as it is; a string is a ``Cookie`` header (``session=…``) or the
    value of the session cookie alone.

    Raises:
        InvalidRequest: no cookie can hold what was given.

    """
    if token is None:
        return {}
    cookies = _split(token) if isinstance(token, str) else dict(token)
    for name, value in cookies.items():
        if not (NAME.fullmatch(name) and VALUE.fullmatch(value)):
            raise InvalidRequest(
                "The session cookie holds characters that no cookie has, or nothing at all.",
                hint="Copy its value again from the browser: one line of letters, digits, dots "
                "and dashes.",
            )
    return cookies


def _split(token: str) -> dict[str, str]:
    text = re.sub(r"^\s*cookie\s*:", "", token, flags=re.IGNORECASE).strip()
    # A signed session value holds dots and dashes, and '=' only as base64 padding at its end.
    if "=" not in text.split(";", 1)[0].rstrip("="):
        return {SESSION_COOKIE: text}
    pairs = (part.split("=", 1) for part in text.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, value in pairs}
