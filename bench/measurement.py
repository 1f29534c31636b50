"""What one run of one way gave, and what several runs of it say together."""

from __future__ import annotations

from statistics import median
from typing import Any

import msgspec

__all__ = ["Measurement", "Row"]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``server_cpu`` has one figure for each group of processes, in seconds.

    ``foreign`` is how many cores were at work on other things meanwhile.
    ``sampled`` is how many of the requests were made when the rest is extrapolated.
    ``distinct`` counts different ids; ``longest`` is the longest single answer in seconds;
    memory is that of the client's process at its peak, and before it began to read.
    """

    seconds: float
    requests: int
    ids: int
    distinct: int | None = None
    longest: float | None = None
    server_cpu: list[float] = []
    memory_mb: float | None = None
    memory_before_mb: float | None = None
    sampled: int | None = None
    strategy: str = ""
    foreign: float = 0.0
    others_wait: list[float] = []


class Row(msgspec.Struct, kw_only=True):
    """All runs of a way; ``others`` is the one beside which another user worked."""

    way: str
    title: str
    runs: list[Measurement] = []
    others: Measurement | None = None
    error: str = ""

    @property
    def extrapolated(self) -> bool:
        """Whether only a sample of its requests was made."""
        return any(run.sampled is not None for run in self.runs)

    @property
    def seconds(self) -> float:
        """The median of the seconds."""
        return median(run.seconds for run in self.runs)

    @property
    def longest(self) -> float | None:
        """The longest single answer of the median run; None where there are no answers."""
        return self._median([run.longest for run in self.runs if run.longest is not None])

    @property
    def memory_mb(self) -> float | None:
        """The client's peak memory; of a sample it would say nothing."""
        if self.extrapolated:
            return None
        return self._median([run.memory_mb for run in self.runs if run.memory_mb is not None])

    @property
    def server_cpu(self) -> list[float]:
        """The median of the server's processor seconds, for each group of processes."""
        return [median(group) for group in zip(*(run.server_cpu for run in self.runs), strict=True)]

    def summary(self) -> dict[str, Any]:
        """Give the medians as JSON has them."""
        if not self.runs:
            return {}
        seconds = [run.seconds for run in self.runs]
        return {
            "seconds": self.seconds,
            "seconds_min": min(seconds),
            "seconds_max": max(seconds),
            "requests": median(run.requests for run in self.runs),
            "ids_per_second": self.runs[0].ids / self.seconds,
            "server_cpu": self.server_cpu,
            "longest_answer": self.longest,
            "memory_mb": self.memory_mb,
            "extrapolated": self.extrapolated,
        }

    @staticmethod
    def _median(values: list[float]) -> float | None:
        return median(values) if values else None
