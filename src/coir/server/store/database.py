"""What the store knows of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Dialect, Engine, Text
from sqlalchemy.types import TypeDecorator

_encode = msgspec.json.Encoder().encode


def json_text(value: Any) -> str:
    """What a column with JSON holds: the text that answers have, too."""
    return _encode(value).decode()


# The standard library's encoder took a twentieth of the server's time while people annotate.
JSON: Mapping[str, Any] = {
    "json_serializer": json_text,
    "json_deserializer": msgspec.json.Decoder().decode,
}


class JsonText(TypeDecorator[msgspec.Raw]):
    """A column with JSON, cast to this: its text as it is, which goes into an answer undecoded."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, _: Dialect) -> msgspec.Raw:
        """The text, for the encoder."""
        return msgspec.Raw("null" if value is None else value)


@dataclass(frozen=True, slots=True)
class Database:
    """An opened database: its engine, and the execution options of its connections.

    ``reading`` and ``writing`` make the two transactions, ``glancing`` is for a single
    statement. ``name`` is for messages, and holds no password.
    """

    name: str
    engine: Engine
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]
    glancing: Mapping[str, Any]
