"""Brings the tables of a mirror that an older coir made to what they are now.

Each step leads from one version to the next. All of them are one transaction: a kill leaves the
older tables, and the next one that opens the mirror takes the steps again.
"""

from __future__ import annotations

import sqlite3

__all__ = ["upgrade"]

# From which version, by which statements.
STEPS: dict[int, tuple[str, ...]] = {
    1: (
        # One column was for annotations and files, and the one cleared the other's words. Whose
        # they are is told by what is due; where both are it is not known, and told anew.
        "ALTER TABLE images RENAME COLUMN trouble TO annotations_trouble",
        "ALTER TABLE images ADD COLUMN file_trouble TEXT",
        "UPDATE images SET file_trouble = annotations_trouble, annotations_trouble = NULL "
        "WHERE annotations_trouble IS NOT NULL AND file_due AND NOT annotations_due",
    ),
    2: (
        # What a first sync writes for each image is few: an index that a sync uses once takes
        # longer than it saves, and that an image was added is a column of its row.
        "DROP INDEX images_annotations_at",
        "DROP INDEX versions_sync",
        "ALTER TABLE versions RENAME TO changes",
        "CREATE INDEX changes_sync ON changes (sync)",
        "ALTER TABLE images ADD COLUMN added INTEGER",
        # Where no files are kept none is due.
        "UPDATE images SET file_due = 0 WHERE EXISTS (SELECT 1 FROM mirror "
        "WHERE key = 'settings' AND json_extract(value, '$.images') = 'none')",
        # What a sync asks each time is not to take longer in a large mirror than in a small one.
        "CREATE INDEX images_numbered ON images (id) WHERE instr(place, '~' || id)",
        "CREATE INDEX annotations_category ON annotations (category_id)",
        "CREATE VIEW versions (kind, id, sync, before) AS "
        "SELECT kind, id, sync, before FROM changes "
        "UNION ALL SELECT 'image', id, added, NULL FROM images WHERE added IS NOT NULL",
    ),
}


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Take the steps that are missing up to a version; another process may have done so."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        before = connection.execute("PRAGMA user_version").fetchone()[0]
        for number in range(before, version):
            for statement in STEPS[number]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(before, version)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
