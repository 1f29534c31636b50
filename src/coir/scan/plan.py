"""What every plan has: a phase, a ledger, and what it learned of the dataset.

A driver sends what `asks` returns, reports each answer with `answered` or `failed`, and
takes the readings, in ascending order of ids, from `take`, until `done`. Plans are pure:
no network, no clock. The rules behind them are docs/spec/scan.md.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from coir.errors import CoirError, ConnectionFailed, ServerFailed, UnexpectedAnswer
from coir.scan.ask import Ask, Reply, Window
from coir.scan.ledger import Finding, Ledger, Problem, Reading
from coir.scan.prices import Prices

__all__ = ["ATTEMPTS", "Phase", "Plan", "Stretch"]

# Of a question that gets no answer, or none that adds up: asked so often, a window in ever
# smaller pieces, before it is given up. The transport repeats each attempt by itself when
# the network is at fault.
ATTEMPTS = 4


class Phase(enum.Enum):
    """How far a scan is."""

    PROBE = "probing"
    READ = "reading"
    CLOSE = "counting again"
    LOCATE = "locating changes"
    DONE = "done"


class Stretch(msgspec.Struct, frozen=True, order=True):
    """Ids from ``start`` up to, and without, ``stop``: rows read there, and counted at the end."""

    start: int
    stop: int
    read: int
    counted: int


class Plan(ABC):
    """One way to read a dataset; ``ledger`` keeps the account of what came, ``prices`` of its cost.

    A plan that has no use for prices learns none.
    """

    strategy: ClassVar[str]

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.prices = Prices()
        self.phase = Phase.PROBE
        self.high: int | None = None
        self.low: int | None = None
        self.counted_at_start: int | None = None
        self.counted_at_end: int | None = None
        # Whether the count at the end confirms what was read.
        self.unchanged = False
        self.moved: list[Stretch] = []
        self.requests = 0
        self.reread = 0
        self.error: CoirError | None = None
        # It cannot be carried out on this server: another plan takes over.
        self.refused = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return self.phase is Phase.DONE

    @abstractmethod
    def asks(self) -> list[Ask]:
        """Give the requests to send now; counts them."""

    @abstractmethod
    def answered(self, ask: Ask, reply: Reply) -> None:
        """Learn from an answer."""

    @abstractmethod
    def failed(self, ask: Ask, error: CoirError) -> None:
        """Learn that no answer came."""

    @abstractmethod
    def take(self) -> list[Reading]:
        """Give the readings that follow, in ids, all that was given before."""

    def note(self, ask: Ask, problem: Problem, error: CoirError | None = None) -> bool:
        """Write down what is wrong with an answer; says whether it may be asked for again."""
        window = ask.window or Window(0, 2**63 - 1)
        detail = error.message if error else ""
        self.ledger.findings.append(Finding(window, problem, ask.attempt, detail))
        if ask.attempt + 1 >= ATTEMPTS:
            self.give_up(error or _disbelief(ask, problem))
            return False
        return True

    def give_up(self, error: CoirError) -> None:
        """End without a proof."""
        self.error = self.error or error
        self.phase = Phase.DONE


def passing(error: CoirError) -> bool:
    """Whether asking again, for less, may help."""
    return isinstance(error, (ConnectionFailed, ServerFailed, UnexpectedAnswer))


def _disbelief(ask: Ask, problem: Problem) -> UnexpectedAnswer:
    where = f"ids {ask.window}" if ask.window else ask.purpose.value
    return UnexpectedAnswer(
        f"The server's answer about {where} cannot be right: {problem.value}; "
        f"it was asked {ask.attempt + 1} times.",
        hint="A proxy or a fork in between may change requests; try it with --concurrency 1, "
        "and report the certificate.",
    )
