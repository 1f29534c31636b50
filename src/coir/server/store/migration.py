"""Brings the database to the newest revision, or refuses one from a newer coir."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from coir.server.settings import StartError
from coir.server.store.engine import Store


class MigrationError(StartError):
    """The database cannot be used by this version; the message says what to do."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


# What a database that this version can use is at.
NEWEST = str(ScriptDirectory.from_config(_config()).get_current_head())


def revisions(connection: Connection) -> set[str]:
    """What the database is at; empty when it is new."""
    return set(MigrationContext.configure(connection).get_current_heads())


def migrate(store: Store) -> None:
    """Apply the missing migrations in one transaction.

    The writer's turn is waited for before the revision is read: of two processes that start
    together the second finds nothing to do.
    """
    config = _config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with store.write() as connection:
        present = revisions(connection)
        if present - known:
            raise MigrationError(
                f"{store.name} was written by a newer coir (revision "
                f"{', '.join(sorted(present - known))}): upgrade coir, or use a backup made "
                "before the newer version ran."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
