"""Brings the database to the newest revision, or refuses one from a newer coir."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from coir.server.settings import StartError
from coir.server.store.engine import Store


class MigrationError(StartError):
    """The database cannot be used by this version; the message says what to do."""


def migrate(store: Store) -> None:
    """Apply the missing migrations in one transaction.

    The writer's turn is waited for before the revision is read: of two processes that start
    together the second finds nothing to do.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with store.write() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
        if present - known:
            raise MigrationError(
                f"{store.name} was written by a newer coir (revision "
                f"{', '.join(sorted(present - known))}): upgrade coir, or use a backup made "
                "before the newer version ran."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
