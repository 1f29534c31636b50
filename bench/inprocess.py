"""The ways without a server: the same SELECT on the SQLite file itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from bench.job import Bench
from bench.measurement import Measurement

__all__ = ["fetchall", "rows"]

SELECT = "SELECT id FROM images WHERE dataset_id = ? AND deleted = 0 ORDER BY id"


def fetchall(bench: Bench) -> Measurement:
    """Read every id with the driver of the standard library."""
    connection = sqlite3.connect(f"file:{bench.job.place.database}?mode=ro", uri=True)
    try:
        return _timed(bench, lambda: connection.execute(SELECT, (bench.job.dataset_id,)).fetchall())
    finally:
        connection.close()


def rows(bench: Bench) -> Measurement:
    """Read every id as SQLAlchemy's rows."""
    from sqlalchemy import Column, Integer, MetaData, Table, create_engine, select

    # A table of its own: the client's side must not load the server's.
    images = Table(
        "images",
        MetaData(),
        *(Column(name, Integer) for name in ("id", "dataset_id", "deleted")),
    )
    wanted = (
        select(images.c.id)
        .where(images.c.dataset_id == bench.job.dataset_id, images.c.deleted == 0)
        .order_by(images.c.id)
    )
    engine = create_engine(f"sqlite:///{bench.job.place.database}")
    try:
        with engine.connect() as connection:
            return _timed(bench, lambda: connection.execute(wanted).all())
    finally:
        engine.dispose()


def _timed(bench: Bench, read: Callable[[], Sequence[Any]]) -> Measurement:
    clock = bench.clock()
    with clock.running():
        found = read()
    return Measurement(
        seconds=clock.seconds,
        requests=0,
        ids=len(found),
        distinct=len({row[0] for row in found}),
        memory_mb=clock.memory_mb,
        memory_before_mb=clock.memory_before_mb,
        foreign=clock.foreign,
    )
