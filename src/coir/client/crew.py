"""Many pieces of work over one connection pool: a few at a time, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from queue import SimpleQueue
from typing import Generic, TypeVar

from coir.errors import CoirError

__all__ = ["Done", "each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Done(Generic[Item, Result]):
    """What became of a piece of work: a result, or the error that kept it from one."""

    def __init__(self, item: Item, result: Result | None, error: CoirError | None) -> None:
        self.item = item
        self.error = error
        self._result = result

    @property
    def result(self) -> Result:
        """The result.

        Raises:
            CoirError: there is none, for this reason.

        """
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value]  # there is one where there is no error


def each(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Done[Item, Result]]:
    """Give what became of each item, as it ends; at most ``workers`` are under way.

    Items are taken when there is a worker for them, by the caller's own thread. Close the
    generator to end early: what is under way is dropped.
    """
    crew = _Crew(work, workers)
    waiting, under_way = iter(items), 0
    try:
        while True:
            for item in islice(waiting, workers - under_way):
                crew.asks.put((item,))
                under_way += 1
            if not under_way:
                return
            end = crew.ends.get()
            under_way -= 1
            if isinstance(end, BaseException):
                raise end
            yield end
    finally:
        crew.dismiss()


class _Crew(Generic[Item, Result]):
    """Threads that work on what is put into ``asks``, and say in ``ends`` what became of it."""

    def __init__(self, work: Callable[[Item], Result], workers: int) -> None:
        self.asks: SimpleQueue[tuple[Item] | None] = SimpleQueue()
        self.ends: SimpleQueue[Done[Item, Result] | BaseException] = SimpleQueue()
        self._work = work
        self._workers = workers
        for _ in range(workers):
            # Daemons: a server that hangs must not keep an interrupted program from ending.
            threading.Thread(target=self._run, daemon=True).start()

    def dismiss(self) -> None:
        """Tell each to end after what it is at."""
        for _ in range(self._workers):
            self.asks.put(None)

    def _run(self) -> None:
        while (ask := self.asks.get()) is not None:
            (item,) = ask
            try:
                self.ends.put(Done(item, self._work(item), None))
            except CoirError as error:
                self.ends.put(Done(item, None, error))
            except BaseException as error:  # it is raised by the thread that waits
                self.ends.put(error)
