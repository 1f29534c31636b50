"""What a user proves their identity with; never shown by ``repr``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coir.errors import InvalidRequest

__all__ = ["Credentials", "cookies_of"]

SESSION_COOKIE = "session"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password, or the cookies of a session, or nothing."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "user name"
            raise InvalidRequest(
                f"The {missing} is missing.",
                hint="Give both: --username and the password that is asked for, or COIR_USERNAME "
                "and COIR_PASSWORD.",
            )

    @property
    def can_log_in(self) -> bool:
        """Whether a new session can be started when the old one has ended."""
        return self.username is not None


def cookies_of(token: Mapping[str, str] | str | None) -> dict[str, str]:
    """Give the cookies that a copied script's ``token`` stands for.

    A mapping is taken as it is; a string is a ``Cookie`` header (``session=…``) or the
    value of the session cookie alone.
    """
    if token is None:
        return {}
    if not isinstance(token, str):
        return dict(token)
    first = token.split(";", 1)[0]
    # A signed session value holds dots and dashes, and '=' only as base64 padding at its end.
    if "=" not in first.rstrip("="):
        return {SESSION_COOKIE: token.strip()}
    pairs = (part.split("=", 1) for part in token.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, value in pairs}
