"""Runs the ways in turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.job import Job
from bench.machine import wait_for_calm
from bench.measurement import Row
from bench.neighbour import neighbour
from bench.talk import say
from bench.way import WAYS, Way
from bench.worker import Said

__all__ = ["FOREIGN", "Series"]

ROOT = Path(__file__).resolve().parents[1]
# Of a way that is sampled: enough answers to see how long another user waits.
OTHERS_BUDGET = 10.0
# Of one core: a run beside more work than that says little about what it measures.
FOREIGN = 0.2


@dataclass
class Series:
    """All runs of the chosen ways; a way that takes longer than the budget runs once."""

    job: Job
    ways: Sequence[Way]
    repeat: int
    others: bool = True
    calm: float = 0.0

    def run(self) -> Iterator[list[Row]]:
        """Give the rows as far as they are known, after each run."""
        rows = [Row(way=way.name, title=way.title) for way in self.ways]
        for turn in range(self.repeat):
            for row in rows:
                if turn == 0 or self._again(row):
                    self._once(row, f"{turn + 1} of {self.repeat}")
                    yield rows
        yield from self._calmer(rows)
        for row in rows:
            if self.others and row.runs and not WAYS[row.way].own:
                self._beside(row)
                yield rows

    def _calmer(self, rows: list[Row]) -> Iterator[list[Row]]:
        """Repeat the runs beside which others worked, and keep the calmer ones."""
        end = time.monotonic() + self.calm
        while any(map(_disturbed, rows)) and time.monotonic() < end:
            for row in filter(_disturbed, rows):
                wait_for_calm(end)
                if time.monotonic() >= end:
                    return
                said = self._measured(row, self.job.budget, "in calm")
                if said.measurement is None:
                    continue
                row.runs.sort(key=lambda run: run.foreign)
                if said.measurement.foreign < row.runs[-1].foreign:
                    row.runs[-1] = said.measurement
                    yield rows

    def _again(self, row: Row) -> bool:
        return bool(row.runs) and not row.extrapolated and row.seconds <= self.job.budget

    def _once(self, row: Row, turn: str) -> None:
        said = self._measured(row, self.job.budget, turn)
        if said.measurement is None:
            row.error = said.error or "failed"
            row.runs.clear()
            say(f"{row.title}: {row.error}")
            return
        row.runs.append(said.measurement)
        about = "about " if row.extrapolated else ""
        say(f"{row.title}, {turn}: {about}{said.measurement.seconds:,.2f} s")

    def _beside(self, row: Row) -> None:
        with neighbour(self.job.place) as waits:
            said = self._measured(row, min(self.job.budget, OTHERS_BUDGET), "others at work")
        if said.measurement is not None:
            row.others = msgspec.structs.replace(said.measurement, others_wait=waits)

    def _measured(self, row: Row, budget: float, turn: str) -> Said:
        job = msgspec.structs.replace(self.job, way=row.way, budget=budget)
        command = [sys.executable, "-m", "bench.worker"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(msgspec.json.encode(job))
                process.stdin.close()
                said = Said()
                for line in process.stdout:
                    said = msgspec.json.decode(line, type=Said)
                    if said.measurement is None and not said.error:
                        self._tell(row, turn, said)
            except BaseException:
                process.kill()  # it would read on, for nobody
                raise
        return said

    def _tell(self, row: Row, turn: str, said: Said) -> None:
        of = f" of {said.expected:,}" if said.expected else ""
        say(f"{row.title}, {turn}: {said.done:,}{of}", passing=True)


def _disturbed(row: Row) -> bool:
    return any(run.foreign > FOREIGN for run in row.runs)
