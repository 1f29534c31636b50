"""The first requests of a scan by windows: which ids there are, and whether filters work."""

from __future__ import annotations

from coir.scan.ask import WIDEST, Ask, Purpose, Reply, Window
from coir.scan.ledger import Finding, Ledger, Problem
from coir.scan.prices import Prices

__all__ = ["Survey"]


class Survey:
    """Learns the largest and the smallest id and the count, and has them confirmed.

    Args:
        ledger: where doubts are written down.
        prices: learns what a request and a count cost.
        first: the smallest id that is wanted; 0 for all.

    ``high`` and ``low`` are 0 where there is no image, None before they are known;
    ``filters_obeyed`` is false once the server shows that it ignores windows or order.

    """

    def __init__(self, ledger: Ledger, prices: Prices, first: int) -> None:
        self.high: int | None = None
        self.low: int | None = None
        self.count: int | None = None
        self.filters_obeyed = True
        self._ledger = ledger
        self._prices = prices
        self._first = first
        self._whole = Window(first, WIDEST) if first else None
        self._asks = [Ask(Purpose.EMPTY, Window(1, 1))]
        # Asked once the first has answered: then their times tell what counting costs.
        self._later = [Ask(Purpose.HIGHEST, self._whole), Ask(Purpose.LOWEST, self._whole)]
        self._doubted = False

    def resume(self, high: int, low: int, count: int) -> None:
        """Take over what an earlier survey found; only filters are tried again."""
        self.high, self.low, self.count = high, low, count
        self._later = []

    @property
    def has_next(self) -> bool:
        """Whether there is something to ask."""
        return bool(self._asks)

    def next(self) -> Ask:
        """Give the next request."""
        return self._asks.pop(0)

    def again(self, ask: Ask) -> None:
        """Ask the same once more."""
        self._asks.append(ask.again())

    def answered(self, ask: Ask, reply: Reply) -> None:
        """Learn from an answer."""
        found = reply.ids[0] if reply.ids else 0
        match ask.purpose:
            case Purpose.EMPTY:
                self.filters_obeyed &= reply.total == 0
                self._prices.request = reply.seconds
                self._asks, self._later = self._later, []
            case Purpose.HIGHEST:
                self._highest(found, reply)
            case Purpose.ABOVE if found != self.high or reply.total != 1:
                # Uploads above it or its deletion explain that, and then the largest id is
                # another now; or the order or the windows are not obeyed.
                window = ask.window or Window(found, WIDEST)
                finding = Finding(window, Problem.UNCONFIRMED, ask.attempt)
                self._ledger.findings.append(finding)
                self._doubted = True
                self._asks.append(Ask(Purpose.HIGHEST, self._whole))
            case Purpose.LOWEST:
                self.low = found
                if found > self._first:
                    self._asks.append(Ask(Purpose.BELOW, Window(self._first, found)))
            case Purpose.BELOW if reply.total:
                self.low = self._first  # read from the beginning

    def _highest(self, found: int, reply: Reply) -> None:
        before, self.high = self.high, found
        self.count = reply.total
        if self._doubted:
            self.filters_obeyed &= found != before
        else:
            self._prices.counted(reply.total, reply.seconds)
            if found:
                self._asks.append(Ask(Purpose.ABOVE, Window(found, WIDEST)))
