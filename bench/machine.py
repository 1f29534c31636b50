"""The machine that measures, in words that do not identify it."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from pathlib import Path

from bench.cost import busy_seconds

__all__ = ["describe", "load", "wait_for_calm"]

# Calm: two seconds in which less than a quarter of one core was used.
CALM_TURNS, CALM_SECONDS, CALM_CORES = 2, 1.0, 0.25


def describe() -> dict[str, str | int | float]:
    """Give processor, cores, memory, system and versions."""
    return {
        "cpu": _line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(int((_line("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
    }


def load() -> float | None:
    """Give the processes that wanted to run in the last minute, on average, where known."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def wait_for_calm(end: float) -> None:
    """Wait until the machine does almost nothing, at most until a moment of the clock."""
    calm = 0
    while calm < CALM_TURNS and time.monotonic() < end:
        busy, started = busy_seconds(), time.monotonic()
        time.sleep(CALM_SECONDS)
        used = (busy_seconds() - busy) / (time.monotonic() - started)
        calm = calm + 1 if used < CALM_CORES else 0


def _line(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((one.partition(":")[2].strip() for one in lines if one.startswith(name)), "")
