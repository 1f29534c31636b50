"""One run of one way in a process of its own, so that its memory is nobody else's.

It is told a `Job` as JSON on stdin, and answers in lines of JSON on stdout: how far it
is, and at the end a measurement or what went wrong.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import httpx2
import msgspec
import stamina

from bench.job import Bench, Job
from bench.measurement import Measurement
from bench.way import WAYS
from coir.errors import CoirError

__all__ = ["Said", "main"]

# Between two words on how far it is: telling must not be what is measured.
PAUSE = 0.2


class Said(msgspec.Struct, omit_defaults=True):
    """A line of the worker."""

    done: int = 0
    expected: int | None = None
    measurement: Measurement | None = None
    error: str = ""


def main() -> None:
    """Do the job on stdin."""
    stamina.instrumentation.set_on_retry_hooks([])
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        with job.place.connect() as server:
            bench = Bench(job, server.dataset(job.dataset_id), _Teller().tell)
            _say(Said(measurement=WAYS[job.way].run(bench)))
    except CoirError as error:
        _say(Said(error=error.message))
    except (httpx2.HTTPError, ValueError) as error:
        _say(Said(error=f"{type(error).__name__}: {error}".splitlines()[0]))


class _Teller:
    def __init__(self) -> None:
        self._next = 0.0

    def tell(self, done: int, expected: int | None) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + PAUSE
            _say(Said(done, expected))


def _say(words: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(words) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
