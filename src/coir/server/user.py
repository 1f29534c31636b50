"""Users: what their names and passwords may be; making, finding and removing them."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, Row, delete, false, func, insert, select, update

from coir.server.answers import unsuccessful
from coir.server.names import fold
from coir.server.passwords import MAX_PASSWORD_LENGTH
from coir.server.store.engine import now_ms
from coir.server.store.tables import sessions, shares, tokens, users

MAX_NAME_LENGTH = 25  # the original's; it crashes above (recorded: user_create.long_name)


def checked_username(username: str) -> str:
    """``username`` if a user can have it."""
    printable = username.isprintable() and username == username.strip()
    if not 0 < len(username) <= MAX_NAME_LENGTH or not printable or ":" in username:
        raise unsuccessful(
            f"A username has 1 to {MAX_NAME_LENGTH} printable characters, no colon (HTTP Basic "
            "could not carry it) and no space at either end."
        )
    return username


def checked_password(text: str) -> str:
    """``text`` if it can be a password."""
    if not 0 < len(text) <= MAX_PASSWORD_LENGTH:
        raise unsuccessful(f"A password has 1 to {MAX_PASSWORD_LENGTH} characters.")
    return text


def by_name(connection: Connection, username: str) -> Row[Any] | None:
    """The user of this name, in any case, or None."""
    asked = select(users).where(
        users.c.username_folded == fold(username), users.c.deleted == false()
    )
    return connection.execute(asked).first()


def still_has(connection: Connection, user_id: int, password_hash: str) -> bool:
    """Whether this is the user's password hash now, too.

    For a transaction that gives access: the password was checked before it, and may have been
    changed meanwhile to end the access of whoever knew it.
    """
    asked = select(users.c.password_hash).where(users.c.id == user_id, users.c.deleted == false())
    return bool(connection.execute(asked).scalar() == password_hash)


def nobody(connection: Connection) -> bool:
    """Whether there has never been a user: the next one will be the administrator."""
    return connection.execute(select(func.count()).select_from(users)).scalar_one() == 0


def refuse_last_administrator(connection: Connection, row: Row[Any]) -> None:
    """Refuse when this user is the only one who administers."""
    there = users.c.is_admin, users.c.deleted == false()
    asked = select(func.count()).select_from(users).where(*there)
    if row.is_admin and connection.execute(asked).scalar_one() < 2:
        raise unsuccessful("This is the only administrator: make another one first.")


def create(connection: Connection, username: str, password_hash: str, **fields: Any) -> Row[Any]:
    """Make a user; the first one is an administrator. Refuses a taken name."""
    if by_name(connection, username) is not None:
        raise unsuccessful("Username already exists.")
    values = {
        "oid": _new_oid(),
        "username": username,
        "username_folded": fold(username),
        "password_hash": password_hash,
        "is_admin": nobody(connection),
        "created_at": now_ms(),
    }
    made = insert(users).values(**(values | fields)).returning(users)
    return connection.execute(made).one()


def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Set a user's password; their sessions and tokens end."""
    changed = update(users).where(users.c.id == user_id)
    connection.execute(changed.values(password_hash=password_hash))
    end_access(connection, user_id)


def end_access(connection: Connection, user_id: int) -> None:
    """End all sessions of a user, and all tokens.

    Tokens too: whoever knew the old password may have made one, and would keep the access that
    the new password is to end.
    """
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    connection.execute(delete(tokens).where(tokens.c.user_id == user_id))


def remove(connection: Connection, row: Row[Any]) -> None:
    """Take the user's access, shares and personal fields; the name is free again.

    The row stays under the name: datasets and annotations tell who made them. A new user of the
    same name is another one, without their rights.
    """
    end_access(connection, row.id)
    connection.execute(delete(shares).where(shares.c.user_id == row.id))
    connection.execute(
        update(users)
        .where(users.c.id == row.id)
        .values(
            deleted=True,
            # No name can contain this character: nobody signs in or registers as it.
            username_folded=f"{row.username_folded}\x1f{row.id}",
            password_hash="",
            name=None,
            email=None,
            is_admin=False,
            preferences={},
            last_seen=None,
            password_changed=False,
        )
    )


def _new_oid() -> str:
    """24 hexadecimal digits, as clients of the original expect of a user's id."""
    return f"{now_ms() // 1000:08x}{secrets.token_hex(8)}"
