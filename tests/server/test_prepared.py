"""Statements that are built once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, create_engine, select

from coir.server.store.prepared import prepared


def test_a_statement_is_built_once_for_each_of_its_kinds() -> None:
    """Its values are those of the call; what is no value, and which values there are, is a kind."""
    built: list[Any] = []

    @prepared
    def sums(sign: int, *, one: Any, **more: Any) -> Select[Any]:
        built.append((sign, *more))
        total = one
        for value in more.values():
            total = total + value
        return select(sign * total)

    with create_engine("sqlite://").connect() as connection:
        for number in (1, 2):
            assert connection.execute(*sums(1, one=number)).scalar_one() == number
            assert connection.execute(*sums(-1, one=number)).scalar_one() == -number
            assert connection.execute(*sums(1, one=number, two=5)).scalar_one() == number + 5
    assert built == [(1,), (-1,), (1, "two")]
