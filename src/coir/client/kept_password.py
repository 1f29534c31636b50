"""Keeps what a user logs in with: in the desktop's keyring, or in a file only they may read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from coir.client.credentials import Credentials
from coir.errors import CoirError
from coir.files import write_whole

__all__ = ["forget", "keep", "kept", "kept_where"]

SERVICE = "coir"
PRIVATE = 0o600


class _Entry(msgspec.Struct):
    username: str
    password: str | None = None  # None: it is in the keyring


def keep(url: str, credentials: Credentials) -> str:
    """Keep a user name and password for a server; says where the password is.

    Raises:
        CoirError: it cannot be written.

    """
    username, password = credentials.username, credentials.password
    assert username is not None and password is not None  # noqa: S101, PT018
    entries = _entries()
    before, ring = entries.get(url), _keyring()
    if ring is not None:
        with _asking_the_keyring():
            if before is not None and before.username != username:
                _remove(ring, url, before)
            ring.set_password(SERVICE, _name(url, username), password)
    entries[url] = _Entry(username, None if ring is not None else password)
    _write(entries)
    return kept_where(url)


def kept(url: str) -> Credentials | None:
    """Give what is kept for a server, if anything.

    Raises:
        CoirError: it cannot be read.

    """
    entry = _entries().get(url)
    if entry is None:
        return None
    password = entry.password
    if password is None and (ring := _keyring()) is not None:
        with _asking_the_keyring():
            password = ring.get_password(SERVICE, _name(url, entry.username))
    return Credentials(entry.username, password) if password is not None else None


def forget(url: str) -> bool:
    """Forget what is kept for a server; says whether there was something.

    Raises:
        CoirError: it cannot be removed.

    """
    entries = _entries()
    entry = entries.pop(url, None)
    if entry is None:
        return False
    ring = _keyring()
    if ring is not None:
        with _asking_the_keyring():
            _remove(ring, url, entry)
    _write(entries)
    return True


def kept_where(url: str) -> str:
    """Say where the password of a server is kept, for a person."""
    entry = _entries().get(url)
    if entry is None:
        return "nowhere"
    return "the keyring" if entry.password is None else str(_path())


def _path() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "coir" / "credentials.json"


def _entries() -> dict[str, _Entry]:
    path = _path()
    try:
        # Windows has other means, and shows every file as readable by all.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise CoirError(f"{path} can be read by others.", hint=f"Run: chmod 600 {path}")
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Entry])
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as error:
        raise CoirError(
            f"{path} cannot be read: {error}.", hint="Remove it, and log in again."
        ) from error


def _write(entries: dict[str, _Entry]) -> None:
    path = _path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, msgspec.json.encode(entries) + b"\n", PRIVATE)
    except OSError as error:
        raise CoirError(f"{path} cannot be written: {error.strerror}.") from error


def _keyring() -> Any:
    """Give the keyring, where there is one that works without asking."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ModuleNotFoundError:
        return None
    works = not isinstance(keyring.get_keyring(), (fail.Keyring, null.Keyring))
    return keyring if works else None


def _remove(ring: Any, url: str, entry: _Entry) -> None:
    name = _name(url, entry.username)
    if entry.password is None and ring.get_password(SERVICE, name) is not None:
        ring.delete_password(SERVICE, name)


@contextmanager
def _asking_the_keyring() -> Iterator[None]:
    """Let only coir's errors out: a keyring may be locked, or refuse."""
    from keyring.errors import KeyringError

    try:
        yield
    except KeyringError as error:
        raise CoirError(
            f"The keyring refused: {str(error) or type(error).__name__}.",
            hint="Unlock it, or set PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring "
            "to do without it.",
        ) from error


def _name(url: str, username: str) -> str:
    return f"{username} {url}"
