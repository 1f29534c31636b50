"""How much to ask for at once: learned from how long the answers take.

The brake is a budget for the response time, not a pause: on a server that answers one
request after the other, everybody else waits as long as our answer takes. Two things make
an answer late, and each has its own remedy. Its rows cost time: then fewer are asked for.
Other answers stand before it in a queue: then fewer are under way. What a request costs
whatever its size is neither, and asking for less would only make more such requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from coir.scan.ask import WIDEST

__all__ = ["Pace"]

# People at work hardly notice half a second; answers that are much shorter are mostly the
# fixed cost of a request.
TARGET_SECONDS = 0.5
QUICK, SLOW = 0.6, 1.25  # times the target: between them all is well
FIRST_ROWS = 1_000
# A page of 200,000 rows cost the original 300 MB and blocked it for 5 s; one of 20,000
# stays below a tenth of both, even where the answers come fast.
MOST_ROWS = 20_000
FEWEST_ROWS = 50
# One answer says little: none changes the size by more than this factor.
STEP = 2.0
# Rows a second gained by a step up that show that it was the requests that took long, and
# lost by a step down that show the same.
GAIN, LOSS = 1.25, 0.75
# Empty stretches are crossed in strides that grow by this factor.
STRIDE = 4.0
# Two requests under way keep a server of one process busy while the client works.
BUSY = 2


@dataclass
class Pace:
    """The size of the next window, and how many may be asked for at the same time.

    ``rows`` is what one answer should hold, ``density`` the rows expected per id, ``span``
    the widest window whose count the server manages in time.
    """

    most_in_flight: int
    density: float = 1.0
    target: float = TARGET_SECONDS
    rows: float = FIRST_ROWS
    span: float = WIDEST
    most_rows: int = field(default_factory=lambda: MOST_ROWS)
    in_flight: int = field(init=False)
    # Rows a second before the size was changed last, at the same number under way; and how
    # many answers of the present size have come: the first ones had less to wait for.
    _before: float | None = None
    _seen: int = 0
    _tried: bool = False
    _shrinking: bool = True

    def __post_init__(self) -> None:
        self.in_flight = min(BUSY, self.most_in_flight)

    @property
    def limit(self) -> int:
        """The largest number of rows to ask for in one answer."""
        return math.ceil(self.rows)

    def width(self, density: float | None = None) -> int:
        """Give the width of the next window, given the density there if it is known.

        A fifth less than would fill the answer, as densities vary: a window that holds
        more than was asked for costs a second request for its rest.
        """
        expected = max(density or self.density, 1.0 / WIDEST)
        wanted = self.rows if expected >= 1.0 else 0.8 * self.rows / expected
        return self.within(wanted)

    def within(self, width: float) -> int:
        """Give the width, or that of the widest window whose count is quick enough."""
        return max(1, int(min(width, self.span)))

    def cap(self, rows: int) -> None:
        """Learn that no answer holds more rows than this."""
        self.most_rows = min(self.most_rows, rows)
        self._resize(1.0, None)

    def counted(self, width: int, seconds: float) -> None:
        """Learn what counting costs: the seconds that a count of so many ids took."""
        if seconds > 0:
            self.span = max(1.0, min(self.span, width * self.target / seconds))

    def answered(self, width: int, total: int, rows: int, seconds: float) -> None:
        """Learn from an answer.

        Args:
            width: how many ids its window spans.
            total: how many rows the server counts there.
            rows: how many of them came.
            seconds: the time it took, with that of whatever it had to wait for.

        """
        seen = (total + 0.5) / width if total < width else 1.0
        self.density = max((self.density + seen) / 2, self.density / STRIDE)
        if seconds < QUICK * self.target and width > self.span / 2:
            self.span *= STEP  # what failed once, or came late, may have been chance
        # Only an answer of the present size tells something about it.
        if self.rows / 2 < rows <= self.limit:
            self._judge(rows, max(seconds, 1e-6))
        elif seconds > SLOW * self.target:
            self._allow(self.in_flight - 1)

    def failed(self, width: int) -> None:
        """Learn from a window that the server did not manage: ask for half, alone."""
        self._resize(1 / STEP, None)
        self.span = max(1.0, min(self.span, width) / 2)
        self._allow(1)

    def _judge(self, rows: int, seconds: float) -> None:
        self._seen += 1
        if seconds < QUICK * self.target:
            if self.rows < self.most_rows:
                self._resize(STEP, None)
            else:
                self._allow(self.in_flight + 1)
        elif seconds > SLOW * self.target and self.in_flight > 1:
            self._allow(self.in_flight - 1)
        elif self._seen > self.in_flight:
            speed = rows / seconds
            gain = speed / self._before if self._before else 1.0
            if seconds > SLOW * self.target:
                self._search(speed, gain)
            else:
                self._explore(speed, gain)

    def _search(self, speed: float, gain: float) -> None:
        """Change the size of an answer that is slow although it is alone.

        Downwards first; when that costs speed it is the request that takes long, and not
        its rows, and larger answers are the better ones.
        """
        if self._shrinking and gain < LOSS:
            self._shrinking = False
        elif not self._shrinking and gain < GAIN:
            self._shrinking = True
        self._resize(1 / STEP if self._shrinking else STEP, speed)

    def _explore(self, speed: float, gain: float) -> None:
        """Try once whether larger answers bring more rows a second, and go on while they do."""
        if gain > GAIN or not self._tried:
            self._tried = True
            self._resize(STEP, speed)
        elif self._before is not None:
            self._resize(1 / STEP, None)

    def _resize(self, factor: float, speed: float | None) -> None:
        self.rows = min(max(self.rows * factor, FEWEST_ROWS), self.most_rows)
        self._before, self._seen = speed, 0

    def _allow(self, in_flight: int) -> None:
        in_flight = min(max(in_flight, 1), self.most_in_flight)
        if in_flight != self.in_flight:
            self.in_flight, self._before, self._seen = in_flight, None, 0
