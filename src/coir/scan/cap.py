"""Notices a server that gives fewer rows than it is asked for, whatever the limit."""

from __future__ import annotations

from dataclasses import dataclass

from coir.scan.ask import Ask, Reply
from coir.scan.ledger import Problem

__all__ = ["Cap"]


@dataclass
class Cap:
    """The most rows that a server gives: what it says, or what two short answers in a row show.

    The original knows no such limit; forks and proxies may.
    """

    _short: int | None = None

    def limit(self, ask: Ask, reply: Reply, problem: Problem | None) -> int:
        """Give how many rows a request like this one can bring."""
        if problem is not Problem.SHORT:
            return reply.limit(ask)
        same, self._short = self._short == len(reply.ids) > 0, len(reply.ids)
        return len(reply.ids) if same else ask.limit
