"""PostgreSQL: the database that a URL names, through psycopg."""

from __future__ import annotations

import selectors
from selectors import EVENT_READ
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from coir.server.settings import StartError
from coir.server.store.database import JSON, Database

SCHEMES = ("postgresql", "postgres")
# Who writes holds it until the transaction has ended and its rows are seen (docs/adr/0010). The
# number is "coir" in ASCII: applications that share a database have keys of their own.
WRITER_KEY = int.from_bytes(b"coir")
WRITES = "coir_writes"
# What the URL may change: half a minute to find that a host does not answer.
DEFAULTS: dict[str, Any] = {"connect_timeout": 30, "fallback_application_name": "coir"}
ALWAYS = {"client_encoding": "utf8"}
# In one INSERT: as many as triggers are spared by; a longer text takes longer for each row.
ROWS = 100
# Rules for lower case that know every script, the best first: PostgreSQL 18, one built with ICU,
# PostgreSQL 17.
FOLDING = ("pg_unicode_fast", "und-x-icu", "pg_c_utf8")

# One that opens nothing of the system's to look once; Windows has no other than this.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

FORM = "write it as postgresql://USER:PASSWORD@HOST:5432/NAME"


# What PostgreSQL says when it cannot serve now: it starts or ends, or has no connection left. The
# class 08 is of the connection itself.
AWAY = ("57P01", "57P02", "57P03", "53300")
CONNECTION = "08"


def is_away(error: DBAPIError) -> bool:
    """Whether a PostgreSQL could not be reached, or was lost: it may be there again soon."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", "")
    if state is None:  # not the server's own word: nobody was there to say one
        return isinstance(error, OperationalError)
    return state in AWAY or state.startswith(CONNECTION)


def opened(url: str) -> Database:
    """The database of a URL, which must be reachable and empty or coir's.

    Raises `StartError`; no message repeats the URL, which may hold a password.
    """
    _check(url)
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ModuleNotFoundError as missing:
        raise StartError(
            f"PostgreSQL needs a package that is not installed ({missing.name}): run "
            "pip install 'coir[postgres]'."
        ) from None
    try:
        given = DEFAULTS | conninfo_to_dict(url) | ALWAYS
        # Without @HOST the password would stand where the port does, and be told.
        [int(port) for port in str(given.get("port", "")).split(",") if port]
    except (psycopg.Error, ValueError):  # a message that may hold a part of the password
        raise StartError(
            f"The URL of the database cannot be read: {FORM}, with %XX for special characters."
        ) from None
    # No limit above the pool, as for SQLite. The ping spares requests the connections that a
    # restart of PostgreSQL has cut.
    engine = create_engine(
        "postgresql+psycopg://",
        connect_args=given,  # a `creator` would leave psycopg with its own JSON
        pool_size=8,
        max_overflow=-1,
        pool_pre_ping=True,
        insertmanyvalues_page_size=ROWS,
        hide_parameters=True,
        **JSON,
    )
    # Rows that are inserted together go in few statements, and their triggers run as often.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    name = f"the PostgreSQL database {given.get('dbname', '')!r}"

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_KEY})")

    event.listen(engine, "handle_error", _shorten)
    _ping_where_something_came(engine.dialect)
    _prepare(engine, name)
    # A writer reads what is committed: its snapshot must not be older than its turn.
    return Database(
        name,
        engine,
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={"isolation_level": "READ COMMITTED", WRITES: True},
        glancing={"isolation_level": "AUTOCOMMIT"},  # a begin and an end are a round trip each
    )


def without_values(error: BaseException) -> None:
    """Leave of what PostgreSQL says of an error its first sentence.

    What it adds is for who may see everything: the values of the row that it refuses, or the line
    of the COPY in which they stand.
    """
    said = getattr(getattr(error, "diag", None), "message_primary", None)
    if said is not None:
        error.args = (said,)


def _shorten(context: ExceptionContext) -> None:
    error, told = context.original_exception, context.sqlalchemy_exception
    whole = str(error)
    without_values(error)
    if told is not None:  # which was given the whole by now
        told.args = tuple(str(one).replace(whole, str(error)) for one in told.args)


def _ping_where_something_came(dialect: Dialect) -> None:
    """Spare the ping's round trip where the connection is silent.

    A PostgreSQL that ends says so, and its system closes the connection: there is something to
    read before anything was asked.
    """
    ping = dialect.do_ping

    def do_ping(connection: Any) -> bool:
        with _Selector() as selector:
            selector.register(connection.fileno(), EVENT_READ)
            return not selector.select(0) or ping(connection)

    vars(dialect)["do_ping"] = do_ping


def _check(url: str) -> None:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise StartError(
            "The URL of the database must begin with postgresql:// (without one, the SQLite file "
            "in the data folder is used)."
        )
    # A password with such a character would be taken for a part of the address, and told.
    user, at, _ = rest.rpartition("@")
    if at and any(character in user for character in "/?#@"):
        raise StartError(
            "The URL of the database is ambiguous: in user names, passwords and parameters write "
            "%2F for /, %3F for ?, %23 for # and %40 for @."
        )


def _prepare(engine: Engine, name: str) -> None:
    """Connect once: whether it can be used at all, and how it folds case."""
    try:
        with engine.connect() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            known = "SELECT collname FROM pg_collation WHERE collname = ANY (%s)"
            found = set(connection.exec_driver_sql(known, (list(FOLDING),)).scalars())
    except OperationalError as error:
        engine.dispose()
        raise StartError(f"{name} cannot be used: {_reason(error)}") from None
    if encoding != "UTF8":
        engine.dispose()
        raise StartError(
            f"{name} has the encoding {encoding}: make one with CREATE DATABASE … ENCODING 'UTF8'."
        )
    # Where `functions.py` looks when it writes the SQL.
    vars(engine.dialect)["coir_folding"] = next((one for one in FOLDING if one in found), None)


def _reason(error: OperationalError) -> str:
    """The first line of what the driver says, and what to do."""
    lines = str(error.orig).strip().splitlines()
    said = lines[0].rstrip(".") if lines else "no reason was given"
    return f"{said}. Look whether the server runs, and at host, port, user, password and name."
