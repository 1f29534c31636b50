"""What people write for a time, a part, or a number of images."""

from __future__ import annotations

import math
import re

import typer

from coir.mirror import MaxDelete

__all__ = ["max_delete", "part", "seconds"]

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def seconds(text: str) -> float:
    """Give the seconds of ``90``, ``30s``, ``5m``, ``1.5h``, ``30d`` or ``2w``.

    Raises:
        typer.BadParameter: it is no time.

    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"'{text}' is no time: write it like 30s, 5m, 2h or 30d.")
    return float(found[1]) * UNITS[found[2]]


def part(text: str) -> float:
    """Give the part of one that ``5%`` or ``0.05`` is.

    Raises:
        typer.BadParameter: it is no part.

    """
    found = PERCENT.fullmatch(text.strip())
    try:
        value = float(found[1]) / 100 if found else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"'{text}' is no part: write it like 5%, or 0.05.")
    return value


def max_delete(text: str) -> MaxDelete:
    """Give what ``50`` or ``10%`` allows to be removed.

    Raises:
        typer.BadParameter: it is neither.

    """
    found = PERCENT.fullmatch(text.strip())
    if found and float(found[1]) <= 100:
        return MaxDelete(percent=float(found[1]))
    if re.fullmatch(r"[0-9]{1,18}", text.strip()):
        return MaxDelete(number=int(text))
    raise typer.BadParameter(f"'{text}' is neither a number of images nor a part such as 10%.")
