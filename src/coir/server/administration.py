"""Users and tokens of a data directory, changed directly, also while servers run on it.

Whoever may write the files administers: no password is asked for. A server sees each change with
its next request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, false, select, update
from sqlalchemy.exc import DatabaseError

from coir.server import tokens, user
from coir.server.answers import Refusal
from coir.server.data import open_data
from coir.server.passwords import Passwords
from coir.server.settings import Settings, StartError
from coir.server.store.engine import Store
from coir.server.store.migration import NEWEST, revisions
from coir.server.store.tables import tokens as token_table
from coir.server.store.tables import users


class UnusableError(StartError):
    """What was asked for cannot be done; the message is a sentence that says why."""


class Administration:
    """One data directory. What is refused raises `UnusableError`, and changes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def users(self) -> list[Row[Any]]:
        """All users who can sign in, in the order in which they were made."""
        asked = select(users).where(users.c.deleted == false()).order_by(users.c.id)
        with self._reading() as connection:
            return list(connection.execute(asked).all())

    def create(self, username: str, password: str, *, administrator: bool) -> bool:
        """Make a user; whether they administer, as the first one always does."""
        with self._writing() as connection:
            # The original's page asks how long the name is: empty is not absent.
            fields = {"name": "", **({"is_admin": True} if administrator else {})}
            checked = user.checked_username(username)
            row = user.create(connection, checked, _hash(password), **fields)
            return bool(row.is_admin)

    def set_password(self, username: str, password: str) -> None:
        """Set a password; the user's sessions and tokens end."""
        with self._writing() as connection:
            row = _found(connection, username)
            user.set_password(connection, row.id, _hash(password))

    def remove(self, username: str) -> None:
        """Remove a user; what they made stays under their name."""
        with self._writing() as connection:
            row = _found(connection, username)
            user.refuse_last_administrator(connection, row)
            user.remove(connection, row)

    def set_administrator(self, username: str, administrator: bool) -> None:
        """Make a user an administrator, or an ordinary user."""
        with self._writing() as connection:
            row = _found(connection, username)
            if not administrator:
                user.refuse_last_administrator(connection, row)
            changed = update(users).where(users.c.id == row.id)
            connection.execute(changed.values(is_admin=administrator))

    def tokens(self, username: str | None = None) -> list[Row[Any]]:
        """The tokens of a user, or of all, with their users' names."""
        asked = select(token_table, users.c.username).join(users).order_by(token_table.c.id)
        with self._reading() as connection:
            if username is not None:
                asked = asked.where(users.c.id == _found(connection, username).id)
            return list(connection.execute(asked).all())

    def create_token(self, username: str, name: str, scope: str, days: int) -> str:
        """Make a token; gives its text, which nothing keeps."""
        with self._writing() as connection:
            row = _found(connection, username)
            checked = tokens.checked_name(name), tokens.checked_scope(scope)
            return tokens.create(connection, row.id, *checked, tokens.checked_days(days))[0]

    def revoke(self, token_id: int) -> None:
        """End a token."""
        with self._writing() as connection:
            tokens.revoke(connection, token_id)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _translated(self._store), self._store.read() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _translated(self._store), self._store.write() as connection:
            yield connection


@contextmanager
def administered(settings: Settings, *, make: bool = False) -> Iterator[Administration]:
    """Open a server's data; one that is not there is an error, unless it is to be made.

    Raises `StartError`. A database of an older version is left to the server: it may be running.
    """
    if isinstance(settings.store, Path) and not settings.store.exists():
        _made(settings, make)
    store = Store(settings.store)
    try:
        with _translated(store), store.read() as connection:
            found = revisions(connection)
        if not found:
            _made(settings, make)
        elif found != {NEWEST}:
            raise UnusableError(
                f"{store.name} is not of this version of coir: start this version's server once, "
                "which upgrades it, or use the version that serves it."
            )
        yield Administration(store)
    finally:
        store.close()


def _made(settings: Settings, make: bool) -> None:
    """Make a new server's data, or say that there is none."""
    if not make:
        what = "The database" if settings.database else str(settings.data)
        raise UnusableError(
            f"{what} holds no server's data: name the server's own with --data or --database, or "
            "start a server once."
        )
    open_data(settings)[0].close()


@contextmanager
def _translated(store: Store) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        wrong = refusal.body.get("errors", {}).values()
        raise UnusableError(" ".join(wrong) or str(refusal)) from refusal
    except DatabaseError as error:
        raise UnusableError(f"{store.name} cannot be used: {error.orig}.") from error


def _found(connection: Connection, username: str) -> Row[Any]:
    row = user.by_name(connection, username)
    if row is None:
        raise UnusableError(f"There is no user '{username}'.")
    return row


def _hash(password: str) -> str:
    return Passwords().hash(user.checked_password(password))
