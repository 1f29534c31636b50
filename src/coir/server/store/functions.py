"""What SQLite and PostgreSQL call by different names; each is written once for both.

The default is SQLite's, and the second one PostgreSQL's.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Integer, LargeBinary, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

POSTGRES = "postgresql"


# What a text is cast to for a column with JSON: SQLite would take its JSON for a number.
JSON_TEXT = Text().with_variant(JSON(), POSTGRES)


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


class as_object(FunctionElement[str]):  # noqa: N801
    """An object as the text of its JSON: names, as literals, and values in turn.

    Each value that is a text is quoted; none may be absent.
    """

    type = Text()
    inherit_cache = True


class as_json(FunctionElement[str]):  # noqa: N801
    """A text that is JSON already, as a value of `as_object`."""

    type = Text()
    inherit_cache = True


class compact(FunctionElement[str]):  # noqa: N801
    """A JSON list of numbers without blanks, as a value of `as_object`."""

    type = Text()
    inherit_cache = True


class elements(FunctionElement[Any]):  # noqa: N801
    """The elements of a list in JSON, as rows with the column `value`."""

    inherit_cache = True


class part(FunctionElement[str]):  # noqa: N801
    """What a list in JSON has at a place, counted from 0, to be cast to what it is."""

    type = Text()
    inherit_cache = True


class joined(FunctionElement[bytes]):  # noqa: N801
    """The texts of the rows with the second argument between them, as one in UTF-8.

    An aggregate; the rows must come from a subquery in order and with a limit, which both
    databases then keep. As bytes it needs no decoding, only to be encoded again.
    """

    type = LargeBinary()
    inherit_cache = True


class seen_xid(FunctionElement[int]):  # noqa: N801
    """The first part of where the change feed ends: no transaction below it can still commit.

    In a transaction of PostgreSQL that has one snapshot: entries of transactions below are seen.
    """

    type = BigInteger()
    inherit_cache = True


class seen_seq(FunctionElement[int]):  # noqa: N801
    """The second part: on SQLite, with one writer, the number of the newest entry ever made."""

    type = BigInteger()
    inherit_cache = True


class next_xid(FunctionElement[int]):  # noqa: N801
    """A number that no transaction has had yet."""

    type = BigInteger()
    inherit_cache = True


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


@compiles(as_object)
def _as_object(element: as_object, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_object({', '.join(_sql(element, compiler, more))})"


@compiles(as_object, POSTGRES)
def _as_object_there(element: as_object, compiler: SQLCompiler, **more: Any) -> str:
    # PostgreSQL's own functions put blanks between what they write.
    names = _sql(element, compiler, more)[::2]
    values = list(element.clauses)[1::2]
    text, before = "", "{"
    for name, value in zip(names, values, strict=True):
        sql = compiler.process(value, **more)
        if isinstance(value.type, Text) and not isinstance(value, as_json | compact):
            sql = f"to_json({sql})"
        key = name.strip("'")  # as a part of one text, which costs less than three
        text += f"""'{before}"{key}":' || CAST({sql} AS text) || """
        before = ","
    return f"{text}'}}'"


@compiles(as_json)
@compiles(compact)
def _as_json(element: as_json | compact, compiler: SQLCompiler, **more: Any) -> str:
    return "json({})".format(*_sql(element, compiler, more))


@compiles(as_json, POSTGRES)
def _as_json_there(element: as_json, compiler: SQLCompiler, **more: Any) -> str:
    return _sql(element, compiler, more)[0]


@compiles(compact, POSTGRES)
def _compact_there(element: compact, compiler: SQLCompiler, **more: Any) -> str:
    return "replace(CAST({} AS text), ' ', '')".format(*_sql(element, compiler, more))


@compiles(elements)
def _elements(element: elements, compiler: SQLCompiler, **more: Any) -> str:
    return "json_each({})".format(*_sql(element, compiler, more))


@compiles(elements, POSTGRES)
def _elements_there(element: elements, compiler: SQLCompiler, **more: Any) -> str:
    return "json_array_elements(CAST({} AS json))".format(*_sql(element, compiler, more))


@compiles(part)
def _part(element: part, compiler: SQLCompiler, **more: Any) -> str:
    value, number = _sql(element, compiler, more)
    return f"json_extract({value}, '$[' || {number} || ']')"


@compiles(part, POSTGRES)
def _part_there(element: part, compiler: SQLCompiler, **more: Any) -> str:
    value, number = _sql(element, compiler, more)
    return f"({value} ->> CAST({number} AS int))"


@compiles(joined)
def _joined(element: joined, compiler: SQLCompiler, **more: Any) -> str:
    return "CAST(group_concat({}, {}) AS BLOB)".format(*_sql(element, compiler, more))


@compiles(joined, POSTGRES)
def _joined_there(element: joined, compiler: SQLCompiler, **more: Any) -> str:
    text, between = _sql(element, compiler, more)
    return f"convert_to(string_agg(CAST({text} AS text), {between}), 'UTF8')"


@compiles(seen_xid)
def _seen_xid(element: seen_xid, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ARG001
    return "0"


@compiles(seen_xid, POSTGRES)
def _seen_xid_there(element: seen_xid, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ARG001
    return "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@compiles(seen_seq)
def _seen_seq(element: seen_seq, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ARG001
    return "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)"


@compiles(seen_seq, POSTGRES)
def _seen_seq_there(element: seen_seq, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ARG001
    return "0"


@compiles(next_xid)
def _next_xid(element: next_xid, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ARG001
    return "1"


@compiles(next_xid, POSTGRES)
def _next_xid_there(element: next_xid, compiler: SQLCompiler, **more: Any) -> str:  # noqa: ARG001
    return "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
