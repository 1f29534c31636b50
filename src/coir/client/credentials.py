"""What a user proves their identity with; never shown by ``repr``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from coir.errors import InvalidRequest

__all__ = ["Credentials", "cookies_of"]

SESSION_COOKIE = "session"
# RFC 6265, 4.1.1, and the quotes that may stand around a value.
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r'"?[!#-+\--:<-\[\]-~]+"?')


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password, or the cookies of a session, or nothing.

    ``basic`` sends the user name and password with each request instead of logging in.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: bool = False

    def __post_init__(self) -> None:
        if self.username is not None and self.cookies:
            raise InvalidRequest(
                "Both a user name and a session cookie are given.", hint="Use one of them."
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
    def can_log_in(self) -> bool:
        """Whether a new session can be started when the old one has ended."""
        return self.username is not None and not self.basic


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
