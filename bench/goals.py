"""The goals, and how far they are reached by what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measurement import Row
from bench.way import BASE

__all__ = ["Goal", "goals"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted, and what was measured."""

    words: str
    wanted: float
    measured: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is reached."""
        return self.measured >= self.wanted if self.at_least else self.measured <= self.wanted

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        verdict = "reached" if self.reached else "not reached"
        return f"{self.words}: {self.measured:,.2f} ({bound} {self.wanted:,g}: {verdict})"


def goals(rows: Sequence[Row], *, own: bool) -> list[Goal]:
    """Give the goals of coir's own server, or those of any other."""
    known = {row.way: row for row in rows if row.runs}
    return _own(known) if own else _other(known)


def _own(known: Mapping[str, Row]) -> list[Goal]:
    found = []
    if {"stream", "sqlite3"} <= known.keys():
        ratio = known["stream"].seconds / known["sqlite3"].seconds
        found.append(Goal("streamed ids, times sqlite3's fetchall", 1.0, ratio))
    if "rows" in known:
        rate = known["rows"].runs[0].ids / known["rows"].seconds
        found.append(Goal("rows a second by coir.Scan", 400_000, rate, at_least=True))
    return found


def _other(known: Mapping[str, Row]) -> list[Goal]:
    scan, found = known.get("ids-4"), []
    if scan and BASE in known:
        ratio = known[BASE].seconds / scan.seconds
        found.append(Goal("coir, times as fast as the page loop", 400, ratio, at_least=True))
    if scan and "windows-20000" in known and known["windows-20000"].server_cpu:
        floor = known["windows-20000"].server_cpu[0]
        found.append(Goal("coir's seconds, times the server's own CPU", 1.4, scan.seconds / floor))
    if scan and scan.longest is not None:
        longest = max(run.longest or 0.0 for run in scan.runs)
        found.append(Goal("coir's longest single answer, seconds", 1.5, longest))
    return found
