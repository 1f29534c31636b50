"""What the store knows of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class Database:
    """An opened database: its engine, and the execution options that make the two transactions.

    ``name`` is for messages, and holds no password.
    """

    name: str
    engine: Engine
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]
