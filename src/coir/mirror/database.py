"""The database of a mirror: one SQLite file, which is the truth.

Whatever belongs together (rows, what they were before, and how far the sync is) is written in one
transaction, so that a process that is killed at any instant leaves a mirror that goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from coir.errors import CoirError, InvalidRequest
from coir.mirror.upgrade import upgrade

__all__ = ["Database", "connected", "keep", "translated"]

# "coir", so that `file` and SQLite know whose it is; and the version of the tables.
APPLICATION_ID = 0x636F6972
VERSION = 3
# Another program that reads may hold the file for a moment.
BUSY_SECONDS = 30.0
# With SQLite's 2 MB a first sync takes a third longer for each row; with more than this no less.
CACHE_KB = 16_000
# What SQLite says where it cannot make a file beside a database.
NOT_WRITTEN = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM
}  # fmt: skip
NOT_SHARED = {sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN}

TABLES = """
CREATE TABLE mirror (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE syncs (
    id INTEGER PRIMARY KEY,
    mode TEXT NOT NULL,            -- full, quick or feed
    state TEXT NOT NULL,           -- reading, ready, applied, done or stopped
    started INTEGER NOT NULL,      -- milliseconds since 1970
    finished INTEGER,
    cursor TEXT,                   -- where the change feed is to be followed from
    counts TEXT NOT NULL DEFAULT '{}',
    certificate TEXT
);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    file_name TEXT NOT NULL,
    path TEXT,
    width INTEGER,
    height INTEGER,
    annotated INTEGER NOT NULL,
    num_annotations INTEGER NOT NULL,
    annotations_due INTEGER NOT NULL,   -- whether its annotations are to be fetched
    annotations_at INTEGER NOT NULL DEFAULT 0,  -- the sync that fetched them last
    file_due INTEGER NOT NULL,     -- whether its file is to be fetched, or asked after
    place TEXT,                    -- below images/, once there is a file
    place_key TEXT,                -- unique; older mirrors say so here
    size INTEGER,
    sha256 TEXT,
    etag TEXT,
    annotations_trouble TEXT,      -- why its annotations could not be fetched
    file_trouble TEXT,             -- why its file could not be fetched
    added INTEGER                  -- the sync that added it, while `changes` knows nothing of it
);
CREATE UNIQUE INDEX images_place_key ON images (place_key) WHERE place_key IS NOT NULL;
CREATE INDEX images_annotations_due ON images (id) WHERE annotations_due;
CREATE INDEX images_file_due ON images (id) WHERE file_due;
CREATE INDEX images_numbered ON images (id) WHERE instr(place, '~' || id);
CREATE TABLE annotations (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL,
    category_id INTEGER,
    body TEXT NOT NULL             -- an AnnotationRecord as JSON
);
CREATE INDEX annotations_image ON annotations (image_id, id);
CREATE INDEX annotations_category ON annotations (category_id);
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE changes (
    kind TEXT NOT NULL,            -- image, annotation or category
    id INTEGER NOT NULL,
    sync INTEGER NOT NULL,
    before TEXT,                   -- the record before that sync; NULL where there was none
    PRIMARY KEY (kind, id, sync)
) WITHOUT ROWID;
CREATE INDEX changes_sync ON changes (sync);
CREATE TABLE tombstones (
    kind TEXT NOT NULL,
    id INTEGER NOT NULL,
    sync INTEGER NOT NULL,         -- the sync that saw that it is gone
    body TEXT NOT NULL,            -- the last record
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE VIEW versions (kind, id, sync, before) AS
    SELECT kind, id, sync, before FROM changes
    UNION ALL SELECT 'image', id, added, NULL FROM images WHERE added IS NOT NULL;
CREATE TABLE plan (id INTEGER PRIMARY KEY, action TEXT NOT NULL);
"""


class Database:
    """The connection to a mirror's database.

    Args:
        path: the file.
        create: whether to make it where it is not there.

    Raises:
        InvalidRequest: it is not there, or no mirror's.
        CoirError: it was written by a newer coir, or cannot be opened.

    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            raise InvalidRequest(
                f"There is no mirror in {path.parent}.",
                hint="Make one with: coir sync DATASET DIR",
            )
        with translated(path):
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
            # Threads fetch; only the one that opened it writes.
            self._connection, self._frozen = connected(path)
        try:
            with translated(path):
                self._prepare(create=create)
        except BaseException:
            self._connection.close()
            raise

    def rows(self, sql: str, parameters: Any = ()) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a query, as they are read."""
        with translated(self.path):
            yield from self._connection.execute(sql, parameters)
        self._check()

    def value(self, sql: str, parameters: Any = ()) -> Any:
        """Give the first value of the first row; None where there is none."""
        with translated(self.path):
            row = self._connection.execute(sql, parameters).fetchone()
        self._check()
        return None if row is None else row[0]

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction: whole at the end of the block, or nothing of it."""
        self._thaw()
        with translated(self.path):
            self._connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")  # who only reads has less
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let all that is read in the block be of one instant."""
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                with suppress(sqlite3.ProgrammingError):  # closed meanwhile, which ends it, too
                    self._connection.execute("COMMIT")

    def checkpoint(self) -> None:
        """Put into the database what a process that ended early has left in the log beside it.

        On a disk that is full, the log would grow by whatever has become free, with each attempt to
        write, and leave nothing for the database.

        Raises:
            CoirError: there is no space for it.

        """
        self._thaw()
        with translated(self.path):
            self._connection.execute("PRAGMA wal_checkpoint").fetchall()

    def setting(self, key: str, kind: Any = Any) -> Any:
        """Give a setting of the mirror; None where it was never set."""
        text = self.value("SELECT value FROM mirror WHERE key = ?", (key,))
        return None if text is None else msgspec.json.decode(text, type=kind)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _check(self) -> None:
        if self._frozen is not None:
            self._frozen.check()

    def _thaw(self) -> None:
        """Open it anew where it could only be read, and say why where that has not changed."""
        if self._frozen is None:
            return
        with translated(self.path):
            connection, frozen = connected(self.path)
            if frozen is not None:
                connection.close()
                raise frozen.error
            self._connection.close()
            self._connection, self._frozen = connection, None
            self._prepare(create=False)

    def _prepare(self, *, create: bool) -> None:
        connection = self._connection
        known = connection.execute("PRAGMA application_id").fetchone()[0]
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if known != APPLICATION_ID and not (empty and create):
            raise InvalidRequest(
                f"{self.path} is not the database of a mirror.", hint="Give another folder."
            )
        # A power failure may take back the last transactions, and damages nothing: data and
        # progress go back together, and the next sync does it again.
        if self._frozen is None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        if empty:
            connection.executescript(
                f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {VERSION}; COMMIT;"
            )
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise CoirError(
                f"{self.path} was written by a newer version of coir.",
                hint="Upgrade coir on this machine; nothing was changed.",
            )
        if version < VERSION:
            self._upgrade()

    def _upgrade(self) -> None:
        if self._frozen is not None:
            raise CoirError(
                f"{self.path} was written by an older version of coir, and cannot be brought up "
                f"to date there: {self._frozen.error.message}",
                hint="Open it once where it can be written, or copy it there.",
            )
        upgrade(self._connection, VERSION)


def keep(connection: sqlite3.Connection, key: str, value: Any) -> None:
    """Set a setting of the mirror."""
    connection.execute(
        "INSERT OR REPLACE INTO mirror VALUES (?, ?)", (key, msgspec.json.encode(value).decode())
    )


@dataclass(frozen=True)
class Frozen:
    """A database that is read as it lies there, since nothing can be written beside it.

    ``error`` is what keeps it from being written.
    """

    path: Path
    error: CoirError
    stamp: tuple[int, ...]

    def check(self) -> None:
        """Make sure that what was read is of one instant.

        Raises:
            CoirError: somebody has written it since it was opened.

        """
        if _stamp(self.path) != self.stamp:
            raise CoirError(f"{self.path} was written while it was read.", hint="Run it again.")


def connected(
    path: Path, *, mode: str = "", **options: Any
) -> tuple[sqlite3.Connection, Frozen | None]:
    """Open a database, also on a disk that is full, or takes no writing.

    The memory that connections share is a file beside it. Where that cannot be made nobody else
    is at work on it, and what is there can be read as it lies.

    Raises:
        CoirError: a part of it lies in a file of its own, which cannot be put into it there.
        sqlite3.DatabaseError: it cannot be opened.

    """
    settings = {"timeout": BUSY_SECONDS, "isolation_level": None, **options}
    connection = sqlite3.connect(
        f"{_uri(path)}{mode}" if mode else path, uri=bool(mode), **settings
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        if not (_is_alone(error) and path.is_file() and path.stat().st_size):
            raise
        message, hint = _words(error, path)
        frozen = Frozen(path, CoirError(message, hint=hint), _stamp(path))
        log = Path(f"{path}-wal")
        if log.is_file() and log.stat().st_size:
            raise CoirError(
                f"What was written last is in {log}, and {message[0].lower()}{message[1:]}",
                hint="Copy coir.db and coir.db-wal to a disk that can be written, and read them "
                f"there. {hint}",
            ) from error
    else:
        return connection, None
    return sqlite3.connect(f"{_uri(path)}?immutable=1", uri=True, **settings), frozen


def _uri(path: Path) -> str:
    return path.absolute().as_uri()


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_alone(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite could not make the memory that connections share."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in NOT_SHARED or code & 0xFF in NOT_WRITTEN


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into coir's errors.

    Raises:
        CoirError: the file cannot be read or written; what was committed is untouched.

    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        message, hint = _words(error, path)
        raise CoirError(message, hint=hint) from error
    except OverflowError as error:
        raise CoirError(
            f"A number is too large for {path}.",
            hint="The server told an id or a size that none can have: look what answers there.",
        ) from error
    except OSError as error:
        raise CoirError(f"{path} cannot be opened: {error.strerror}.") from error


def _words(error: sqlite3.DatabaseError, path: Path) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", 0)
    # Of the memory that connections share SQLite says so where no space for it is left.
    match sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_SHMSIZE else code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"The disk with {path} is full.", "Free some space, and run it again."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{path} cannot be written.", "Look at the owner and permissions of the folder."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{path} is in use by another program.", "Wait for it, and run it again."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"{path} is damaged, or no database.", "Restore it from a backup, or sync anew."
    return f"{path} cannot be used: {error}.", "Look at the disk and its permissions."
