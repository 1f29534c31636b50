"""The key that signs session cookies: random, made once, readable by the server's user only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from coir.server.settings import StartError

# As long as the output of the hash it keys.
SECRET_BYTES = 32


class SecretError(StartError):
    """The secret file cannot be trusted; the message says what to do."""


def read_or_create(path: Path) -> bytes:
    """The secret in ``path``, made there when the file does not exist.

    O_EXCL decides which of two processes that start together makes it; the file is complete
    before it carries its name, so the other one never reads half a secret.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES).hex().encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # fails when the name is taken, unlike rename
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SecretError(f"{path} is readable by others (mode {mode:o}): chmod 600 it.")
    content = path.read_bytes().strip()
    if len(content) != 2 * SECRET_BYTES:
        raise SecretError(f"{path} is damaged: remove it, and everybody signs in again.")
    return content
