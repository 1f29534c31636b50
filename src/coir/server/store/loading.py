"""Many rows into a table at once, past SQLAlchemy: it takes longer for a row than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from coir.server.store.functions import POSTGRES
from coir.server.store.postgres import without_values

Value = str | int | float | None


def load(connection: Connection, table: Table, names: Sequence[str], rows: list[Any]) -> None:
    """Insert rows, each a tuple of texts, numbers and None for these columns; JSON is a text.

    Columns that are not named get what the database has for them: defaults of SQLAlchemy are
    not filled in. On PostgreSQL by COPY, without which the parameters of some hundred rows took ten
    times as long to be put into a statement as the rows to be written.
    """
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(map(quote, names))
    if connection.dialect.name != POSTGRES:
        places = ", ".join("?" * len(names))
        insert = f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({places})"  # noqa: S608 - names of the schema
        connection.exec_driver_sql(insert, rows)
        return
    statement = f"COPY {quote(table.name)} ({columns}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    errors = connection.dialect.loaded_dbapi.Error
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write("".join(map(_line, rows)))
    except errors as error:  # as SQLAlchemy tells of what its own statements meet
        without_values(error)
        raise DBAPIError.instance(statement, None, error, errors, hide_parameters=True) from error


def _line(row: Iterable[Value]) -> str:
    """A row in COPY's text format."""
    return "\t".join(map(_text, row)) + "\n"


def _text(value: Value) -> str:
    if value is None:
        return "\\N"
    text = str(value)
    if not isinstance(value, str) or text.isalnum():
        return text
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    # Of all that a text may hold these three alone would end a value or a row.
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
