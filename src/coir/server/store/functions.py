"""What SQLite and PostgreSQL call by different names; each is written once for both.

The default is SQLite's, and the second one PostgreSQL's.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Cast, Integer, LargeBinary, Text, bindparam, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

POSTGRES = "postgresql"


class position(FunctionElement[int]):  # noqa: N801 - written as the functions of SQLAlchemy are
    """Where the second text begins in the first, from 1; 0 for nowhere."""

    type = Integer()
    inherit_cache = True


class folded(FunctionElement[str]):  # noqa: N801
    """The text in lower case, whatever its script."""

    type = Text()
    inherit_cache = True


class ends_with(FunctionElement[bool]):  # noqa: N801
    """Whether the first text ends with the second."""

    type = Boolean()
    inherit_cache = True


class quoted(FunctionElement[str]):  # noqa: N801
    """The text as JSON has it."""

    type = Text()
    inherit_cache = True


class compact(FunctionElement[str]):  # noqa: N801
    """A JSON list of numbers as a text without blanks."""

    type = Text()
    inherit_cache = True


class joined(FunctionElement[bytes]):  # noqa: N801
    """The texts of the rows with the second argument between them, as one in UTF-8.

    An aggregate; the rows must come from a subquery in order and with a limit, which both
    databases then keep. As bytes it needs no decoding, only to be encoded again.
    """

    type = LargeBinary()
    inherit_cache = True


def written(name: str) -> Cast[Any]:
    """The parameter of this name, which holds JSON as a text, for a column with JSON."""
    return cast(bindparam(name, type_=Text()), Text().with_variant(JSON(), POSTGRES))


Compiled = dict[str, Any]


def _sql(element: FunctionElement[Any], compiler: SQLCompiler, more: Compiled) -> list[str]:
    return [compiler.process(one, **more) for one in element.clauses]


@compiles(position)
def _position(element: position, compiler: SQLCompiler, **more: Any) -> str:
    return "instr({}, {})".format(*_sql(element, compiler, more))


@compiles(position, POSTGRES)
def _position_there(element: position, compiler: SQLCompiler, **more: Any) -> str:
    return "strpos({}, {})".format(*_sql(element, compiler, more))


@compiles(folded)
def _folded(element: folded, compiler: SQLCompiler, **more: Any) -> str:
    return "lower({})".format(*_sql(element, compiler, more))


@compiles(folded, POSTGRES)
def _folded_there(element: folded, compiler: SQLCompiler, **more: Any) -> str:
    (text,) = _sql(element, compiler, more)
    rule = getattr(compiler.dialect, "coir_folding", None)
    return f'lower({text} COLLATE "{rule}")' if rule else f"lower({text})"


@compiles(ends_with)
def _ends_with(element: ends_with, compiler: SQLCompiler, **more: Any) -> str:
    text, end = _sql(element, compiler, more)
    return f"(length({text}) >= length({end}) AND substr({text}, -length({end})) = {end})"


@compiles(ends_with, POSTGRES)
def _ends_with_there(element: ends_with, compiler: SQLCompiler, **more: Any) -> str:
    text, end = _sql(element, compiler, more)
    return f"right({text}, length({end})) = {end}"


@compiles(quoted)
def _quoted(element: quoted, compiler: SQLCompiler, **more: Any) -> str:
    return "json_quote({})".format(*_sql(element, compiler, more))


@compiles(quoted, POSTGRES)
def _quoted_there(element: quoted, compiler: SQLCompiler, **more: Any) -> str:
    return "CAST(to_json({}) AS text)".format(*_sql(element, compiler, more))


@compiles(compact)
def _compact(element: compact, compiler: SQLCompiler, **more: Any) -> str:
    return "json({})".format(*_sql(element, compiler, more))


@compiles(compact, POSTGRES)
def _compact_there(element: compact, compiler: SQLCompiler, **more: Any) -> str:
    return "replace(CAST({} AS text), ' ', '')".format(*_sql(element, compiler, more))


@compiles(joined)
def _joined(element: joined, compiler: SQLCompiler, **more: Any) -> str:
    return "CAST(group_concat({}, {}) AS BLOB)".format(*_sql(element, compiler, more))


@compiles(joined, POSTGRES)
def _joined_there(element: joined, compiler: SQLCompiler, **more: Any) -> str:
    text, between = _sql(element, compiler, more)
    return f"convert_to(string_agg(CAST({text} AS text), {between}), 'UTF8')"
