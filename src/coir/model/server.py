"""What a server tells of itself, of its users and of its jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = [
    "Job",
    "Moment",
    "ObjectId",
    "ServerInfo",
    "Started",
    "Token",
    "User",
    "UserPage",
    "Version",
]


class Version(msgspec.Struct, frozen=True):
    """The version tag that a server shows."""

    tag: str = ""


class ServerInfo(msgspec.Struct, frozen=True):
    """An answer of ``GET /api/info/``; ``coir`` is there when the server is coir's own."""

    name: str
    git: Version = Version()
    login_enabled: bool = True
    total_users: int = 0
    allow_registration: bool = False
    coir: dict[str, Any] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """What the server offers beside the original's routes."""
        return tuple((self.coir or {}).get("features") or ())

    @property
    def version(self) -> str:
        """The version in the server's own words."""
        return str((self.coir or {}).get("version") or self.git.tag)


class ObjectId(msgspec.Struct, frozen=True):
    """The id of a user, in hexadecimal digits."""

    text: str = msgspec.field(name="$oid")


class Moment(msgspec.Struct, frozen=True):
    """A moment, in milliseconds since 1970."""

    milliseconds: int = msgspec.field(name="$date")

    @property
    def datetime(self) -> datetime:
        """The same with a calendar, in UTC."""
        return datetime.fromtimestamp(self.milliseconds / 1000, UTC)


class User(msgspec.Struct, frozen=True):
    """A user. The members of a dataset are told without ``id`` and ``preferences``.

    The original gives administrators the hash of the password as well; it is not kept.
    """

    username: str
    name: str | None = None
    email: str | None = None
    is_admin: bool = False
    online: bool = False
    id: ObjectId | None = None
    preferences: dict[str, Any] = {}
    last_seen: Moment | None = None


class UserPage(msgspec.Struct, frozen=True):
    """A page of the users; ``page`` counts from 0 here, and from 1 when it is asked for."""

    total: int
    page: int
    per_page: int
    users: tuple[User, ...]


class Token(msgspec.Struct, frozen=True):
    """What coir's own server tells of an API token: never its text."""

    id: int
    name: str
    scope: str
    created: Moment
    expires: Moment
    last_used: Moment | None = None


class Started(msgspec.Struct, frozen=True):
    """The answer to a request that starts a job: the job's id and name."""

    id: int
    name: str


class Job(msgspec.Struct, frozen=True):
    """Slow work on the server, as ``GET /api/tasks/`` lists it; progress is in percent."""

    id: int
    name: str
    completed: bool
    progress: float
    errors: int
    warnings: int
    group: str = ""
