"""Inserts the rows of many images into the database of coir's server, and no pictures.

DATABASE is the SQLite file, or the URL of a PostgreSQL.

python -m bench.rows DATABASE DATASET_ID IMAGES
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert

from bench.talk import say
from coir.server.store.engine import Store
from coir.server.store.tables import images

FOLDERS = 50
CHUNK = 20_000


def row(number: int, dataset_id: int) -> dict[str, object]:
    """Give a row; the file names repeat from folder to folder, as people's do."""
    name = f"img_{number // FOLDERS:07d}.jpg"
    return {
        "dataset_id": dataset_id,
        "path": f"/datasets/big/day_{number % FOLDERS:02d}/{name}",
        "file_name": name,
        "width": 640,
        "height": 480,
        "created_at": 0,
    }


def is_url(database: str) -> bool:
    """Whether it is that of a PostgreSQL, and not the path of a SQLite file."""
    return "://" in database


@contextmanager
def opened(database: str) -> Iterator[Store]:
    """Give the store, and leave it as on a server that has run for a while.

    Nothing is left in the WAL; a PostgreSQL has looked at its tables.
    """
    store = Store(database if is_url(database) else Path(database))
    try:
        yield store
        settled = "VACUUM ANALYZE" if is_url(database) else "PRAGMA wal_checkpoint(TRUNCATE)"
        alone = store.engine.execution_options(isolation_level="AUTOCOMMIT")
        with alone.connect() as connection:
            connection.exec_driver_sql(settled)
    finally:
        store.close()


def main(database: str, dataset_id: int, count: int) -> None:
    """Insert so many rows, in a few large transactions."""
    with opened(database) as store:
        for start in range(0, count, CHUNK):
            say(f"inserting rows: {start:,} of {count:,}", passing=True)
            numbers = range(start, min(start + CHUNK, count))
            with store.write() as connection:
                connection.execute(insert(images), [row(one, dataset_id) for one in numbers])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
