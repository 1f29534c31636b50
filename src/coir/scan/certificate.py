"""The certificate of a scan: what was read, what was checked, and what that proves."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from coir.scan.plan import Planner

__all__ = ["Certificate", "Context", "Totals", "Verdict"]

FORMAT = "coir.certificate/1"


class Verdict(enum.Enum):
    """What a scan proves; the claims behind each are docs/spec/scan.md."""

    COMPLETE = "complete"
    CHANGED = "changed"
    INCOMPLETE = "incomplete"


class Totals(msgspec.Struct):
    """What a driver spent: retries by the transport, bytes of answers."""

    retries: int = 0
    bytes_received: int = 0


class Context(msgspec.Struct, frozen=True):
    """What was asked, of whom: part of the certificate."""

    dataset_id: int
    dataset_name: str
    server_url: str
    server_name: str
    server_version: str
    filters: Mapping[str, str] = {}


class Stretch(msgspec.Struct, frozen=True):
    """Ids from ``start`` up to, and without, ``stop``: rows read there, and counted at the end."""

    start: int
    stop: int
    read: int
    counted: int


class Note(msgspec.Struct, frozen=True):
    """An answer that did not add up, and was asked for again."""

    start: int
    stop: int
    problem: str
    attempt: int
    detail: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan proves, as data; docs/certificate.md describes each field."""

    format: str = FORMAT
    verdict: Verdict
    reason: str
    dataset_id: int
    dataset_name: str
    server_url: str
    server_name: str
    server_version: str
    filters: Mapping[str, str]
    strategy: str
    high_water_mark: int | None
    smallest_id: int | None
    count: int
    ids_sha256: str
    counted_at_start: int | None
    counted_at_end: int | None
    moved: tuple[Stretch, ...]
    findings: tuple[Note, ...]
    windows: int
    windows_reread: int
    requests: int
    retries: int
    bytes_received: int
    started: str
    finished: str
    seconds: float

    def json(self) -> bytes:
        """Give the certificate as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def words(self) -> str:
        """Give the certificate in words, for a person."""
        lines = [
            f"{self.verdict.value}: {self.reason}",
            f"{self.count:,} ids up to {self.high_water_mark}, sha256 {self.ids_sha256[:16]}…",
            f"{self.requests} requests, {self.windows} windows"
            f"{f' ({self.windows_reread} read again)' if self.windows_reread else ''}, "
            f"{self.seconds:.1f} s",
        ]
        lines += [
            f"changed while reading: ids {one.start} to {one.stop - 1}, "
            f"{one.read:,} read, {one.counted:,} at the end"
            for one in self.moved
        ]
        return "\n".join(lines)


def certify(
    planner: Planner, context: Context, totals: Totals, started: float, finished: float
) -> Certificate:
    """Write the certificate of a scan; the times are seconds since 1970, UTC."""
    verdict, reason = _judge(planner)
    fields: dict[str, Any] = msgspec.structs.asdict(context)
    return Certificate(
        verdict=verdict,
        reason=reason,
        **fields,
        strategy="windows",
        high_water_mark=planner.high,
        smallest_id=planner.low,
        count=planner.ledger.count,
        ids_sha256=planner.ledger.ids_sha256,
        counted_at_start=planner.counted_at_start,
        counted_at_end=planner.counted_at_end,
        moved=tuple(
            Stretch(one.window.start, one.window.stop, one.read, one.counted)
            for one in planner.moved
        ),
        findings=tuple(
            Note(one.window.start, one.window.stop, one.problem.value, one.attempt, one.detail)
            for one in planner.ledger.findings
        ),
        windows=len(planner.ledger.segments),
        windows_reread=planner.reread,
        requests=planner.requests,
        retries=totals.retries,
        bytes_received=totals.bytes_received,
        started=_time(started),
        finished=_time(finished),
        seconds=round(finished - started, 3),
    )


def _judge(planner: Planner) -> tuple[Verdict, str]:
    if planner.error is not None or not planner.done:
        why = planner.error.message if planner.error else "The scan was ended before its end."
        return Verdict.INCOMPLETE, why
    if planner.counted_at_end == planner.ledger.count:
        return (
            Verdict.COMPLETE,
            f"the server counts {planner.counted_at_end:,} images up to id {planner.high}, "
            "and each of them is here once",
        )
    return (
        Verdict.CHANGED,
        f"the dataset changed while it was read ({planner.ledger.count:,} read, "
        f"{planner.counted_at_end:,} at the end); every image that was there throughout "
        "is here once",
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
