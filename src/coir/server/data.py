"""The data directory of a server: what is missing in it is made, and its database opened.

What changes it without serving imports this, and nothing of the application: that took as long
again as everything else that `coir admin` imports.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import DatabaseError

from coir.server.secret import read_or_create
from coir.server.settings import Settings, StartError
from coir.server.store import changes
from coir.server.store.engine import Store
from coir.server.store.migration import migrate


def open_data(settings: Settings) -> tuple[Store, bytes]:
    """Make what is missing in the data directory; its database, of this version, and its secret.

    Raises `StartError`.
    """
    try:
        settings.datasets.mkdir(parents=True, exist_ok=True)
        settings.imports.mkdir(mode=0o700, exist_ok=True)
        secret = read_or_create(settings.secret)
        if isinstance(settings.store, Path):
            # It holds password hashes; SQLite gives its side files the mode of the database.
            settings.store.touch(mode=0o600)
    except OSError as error:
        raise StartError(f"{settings.data} cannot be used: {error}") from error
    return _opened_store(settings), secret


def _opened_store(settings: Settings) -> Store:
    store = Store(settings.store)
    try:
        migrate(store)
        changes.begin(store)
    except DatabaseError as error:
        store.close()
        raise StartError(f"{store.name} cannot be opened: {error.orig}") from error
    except BaseException:
        store.close()
        raise
    return store
