"""The certificate of a scan: what was read, what was checked, and what that proves."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from coir.scan.plan import Plan, Stretch
from coir.scan.snapshot_plan import SnapshotPlan
from coir.scan.window_plan import WindowPlan

__all__ = ["Certificate", "Context", "Totals", "Verdict"]

FORMAT = "coir.certificate/1"
NUMBERS = re.compile(rb"\[\s+\d[\d,\s]*\]")


class Verdict(enum.Enum):
    """What a scan proves; the claims behind each are docs/spec/scan.md."""

    COMPLETE = "complete"
    CHANGED = "changed"
    INCOMPLETE = "incomplete"


class Totals(msgspec.Struct):
    """What a driver spent: retries by the transport, bytes of answers.

    ``details_missing`` counts images that were gone when their further fields were asked
    for.
    """

    retries: int = 0
    bytes_received: int = 0
    details_missing: int = 0


class Context(msgspec.Struct, frozen=True):
    """What was asked, of whom: part of the certificate.

    ``stable`` says that an image that matches goes on matching while it exists.
    """

    dataset_id: int
    dataset_name: str
    server_url: str
    server_name: str
    server_version: str
    filters: Mapping[str, Any] = {}
    stable: bool = True
    since: str | None = None
    from_id: int = 1


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
    filters: Mapping[str, Any]
    checked_here: tuple[str, ...]
    since: str | None
    from_id: int
    strategy: str
    claims: tuple[str, ...]
    high_water_mark: int | None
    smallest_id: int | None
    count: int
    ids_counted: int
    rows_read: int
    ids_sha256: str
    newest_ids: tuple[int, ...]
    counted_at_start: int | None
    counted_at_end: int | None
    moved: tuple[Stretch, ...]
    findings: tuple[Note, ...]
    windows: int
    windows_reread: int
    requests: int
    retries: int
    bytes_received: int
    details_missing: int
    started: str
    finished: str
    seconds: float

    def json(self) -> bytes:
        """Give the certificate as indented JSON."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=2)
        # A thousand ids stand on one line, not on a thousand.
        return NUMBERS.sub(lambda found: b" ".join(found[0].split()), text)

    def words(self) -> str:
        """Give the certificate in words, for a person."""
        again = f" ({self.windows_reread:,} read again)" if self.windows_reread else ""
        lines = [
            f"{self.verdict.value}: {self.reason}",
            f"{_counted(self.count, 'id')} up to {self.high_water_mark}, "
            f"sha256 {self.ids_sha256[:16]}…",
            f"{_counted(self.requests, 'request')}, {_counted(self.windows, 'window')}{again}, "
            f"{self.seconds:.1f} s",
        ]
        if self.ids_counted:
            lines.append(
                f"{_counted(self.ids_counted, 'id')} known by counts: windows in which the server "
                "counts as many images as there are ids"
            )
        lines += [
            f"changed while reading: ids {one.start} to {one.stop - 1}, "
            f"{one.read:,} read, {one.counted:,} at the end"
            for one in self.moved
        ]
        return "\n".join(lines)


def certify(
    plan: Plan,
    context: Context,
    checked_here: tuple[str, ...],
    totals: Totals,
    times: tuple[float, float],
) -> Certificate:
    """Write the certificate of a scan.

    ``times`` are when it started, in seconds since 1970, UTC, and the seconds it took.
    """
    verdict, claims, reason = _judge(plan, context)
    if plan.ledger.count != plan.ledger.read:
        what = "new" if context.since else "wanted"
        reason += f"; {plan.ledger.count:,} of them are {what}"
    ledger, (started, seconds) = plan.ledger, times
    fields: dict[str, Any] = msgspec.structs.asdict(context)
    del fields["stable"]
    return Certificate(
        verdict=verdict,
        reason=reason,
        **fields,
        checked_here=checked_here,
        strategy=plan.strategy,
        claims=claims,
        high_water_mark=plan.high,
        smallest_id=plan.low,
        count=ledger.count,
        ids_counted=ledger.ids_counted,
        rows_read=ledger.read - ledger.ids_counted,
        ids_sha256=ledger.ids_sha256,
        newest_ids=tuple(ledger.newest),
        counted_at_start=plan.counted_at_start,
        counted_at_end=plan.counted_at_end,
        moved=tuple(sorted(plan.moved)),
        findings=tuple(
            Note(one.window.start, one.window.stop, one.problem.value, one.attempt, one.detail)
            for one in ledger.findings
        ),
        windows=len(ledger.segments),
        windows_reread=plan.reread,
        requests=plan.requests,
        retries=totals.retries,
        bytes_received=totals.bytes_received,
        details_missing=totals.details_missing,
        started=_time(started),
        finished=_time(started + seconds),
        seconds=round(seconds, 3),
    )


def _judge(plan: Plan, context: Context) -> tuple[Verdict, tuple[str, ...], str]:
    """Give the verdict, the rules of docs/spec/scan.md that hold, and the reason in words."""
    read, counted = plan.ledger.read, plan.counted_at_end
    if plan.error is not None or not plan.done or counted is None:
        why = plan.error.message if plan.error else "The scan was ended before its end."
        return Verdict.INCOMPLETE, ("S2",), why
    throughout = "every image that matched throughout is here once"
    if context.since is not None:
        # Only the ids from `from_id` on were looked at: R3 says what that may miss.
        reason = f"{counted:,} images from id {context.from_id} on were looked at"
        return _verdict(plan), ("S2", "R3"), reason
    if isinstance(plan, SnapshotPlan):
        reason = f"the server gave its {read:,} images as they were at one instant"
        return Verdict.COMPLETE, ("S1", "S2", "S6"), reason
    if not plan.unchanged:
        reason = (
            f"the dataset changed while it was read ({read:,} read, {counted:,} at the end); "
            f"{throughout}"
        )
        return Verdict.CHANGED, ("S1", "S2", "S4"), reason
    if plan.ledger.passes is not None and not context.stable:
        reason = f"{read:,} images were looked at, and the server counts as many; {throughout}"
        return Verdict.COMPLETE, ("S1", "S2"), reason
    if context.stable and isinstance(plan, WindowPlan):
        reason = f"the server counts {counted:,} images up to id {plan.high}, and each is here once"
        return Verdict.COMPLETE, ("S1", "S2", "S3"), reason
    reason = (
        f"the server counts {counted:,} matching images up to id {plan.high}, and as many "
        f"are here; {throughout}"
    )
    return Verdict.COMPLETE, ("S1", "S2", "S5"), reason


def _verdict(plan: Plan) -> Verdict:
    return Verdict.COMPLETE if plan.unchanged else Verdict.CHANGED


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
