"""Finds out, by counting, where a dataset changed while it was read."""

from __future__ import annotations

from coir.scan.ask import Ask, Purpose, Window
from coir.scan.ledger import Segment
from coir.scan.plan import Stretch

__all__ = ["Locator"]

# Counts that may be spent on it: that something changed is known without.
BUDGET = 24


class Locator:
    """Halves the stretches whose count is another than what was read there.

    ``moved`` is what was found so far.
    """

    def __init__(self) -> None:
        self.moved: list[Stretch] = []
        self._suspects: list[list[Segment]] = []
        self._asked: dict[Ask, list[Segment]] = {}
        self._budget = BUDGET

    @property
    def has_next(self) -> bool:
        """Whether there is something to ask."""
        return bool(self._suspects and self._budget)

    def suspect(self, segments: list[Segment]) -> None:
        """Look for changes in these segments, which follow each other."""
        middle = len(segments) // 2
        self._suspects += [half for half in (segments[:middle], segments[middle:]) if half]

    def next(self) -> Ask:
        """Give the next count to ask for."""
        self._budget -= 1
        segments = self._suspects.pop(0)
        ask = Ask(Purpose.LOCATE, _span(segments))
        self._asked[ask] = segments
        return ask

    def answered(self, ask: Ask, total: int) -> None:
        """Learn a count."""
        segments = self._asked.pop(ask)
        read = sum(segment.count for segment in segments)
        if total == read:
            return
        if len(segments) == 1 or not self._budget:
            window = _span(segments)
            self.moved.append(Stretch(window.start, window.stop, read, total))
        else:
            self.suspect(segments)

    def give_up(self) -> None:
        """Ask for nothing more: where it changed is told as a help."""
        self._budget = 0


def _span(segments: list[Segment]) -> Window:
    return Window(segments[0].window.start, segments[-1].window.stop)
