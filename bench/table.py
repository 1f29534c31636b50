"""The table of what was measured, as Markdown that can also be read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from bench.measurement import Row

__all__ = ["table"]

HEAD = (
    "way", "seconds", "spread", "requests", "ids/s", "times the loop", "server CPU, s",
    "longest answer, s", "others wait, s", "client memory, MB",
)  # fmt: skip
NOTHING = "-"


def table(rows: Sequence[Row], base: Row | None, groups: Sequence[str]) -> str:
    """Give a row for each way; ``≈`` marks what was extrapolated from a sample."""
    cells = [list(HEAD), *(_cells(row, base) for row in rows)]
    if len(groups) > 1:
        cells[0][6] = f"CPU of {' + '.join(groups)}, s"
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [_line(line, widths) for line in cells]
    rule = [f"{'-' * (width - 1)}{':' if column else '-'}" for column, width in enumerate(widths)]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]])


def _cells(row: Row, base: Row | None) -> list[str]:
    if not row.runs:
        return [row.title, row.error, *[NOTHING] * (len(HEAD) - 2)]
    summary, about = row.summary(), "≈ " if row.extrapolated else ""
    seconds = row.seconds
    strategy = row.runs[0].strategy
    return [
        f"{row.title} ({strategy})" if strategy else row.title,
        about + _number(seconds),
        _spread(summary["seconds_min"], summary["seconds_max"], len(row.runs)),
        f"{about}{summary['requests']:,.0f}" if summary["requests"] else NOTHING,
        f"{about}{summary['ids_per_second']:,.0f}",
        f"{base.seconds / seconds:,.1f}" if base and base.runs else NOTHING,
        about + " + ".join(map(_number, row.server_cpu)) if row.server_cpu else NOTHING,
        _number(row.longest),
        _number(max(row.others.others_wait, default=None) if row.others else None),
        f"{row.memory_mb:,.0f}" if row.memory_mb else NOTHING,
    ]


def _spread(least: float, most: float, runs: int) -> str:
    return f"{_number(least)} to {_number(most)}" if runs > 1 else NOTHING


def _number(value: float | None) -> str:
    """Give a figure with three digits, which is what a repetition confirms."""
    if value is None:
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        f"{cell:{'>' if column else '<'}{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
