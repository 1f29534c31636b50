"""What the server writes to stderr: a line for each event, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from typing import Any, TextIO

from coir.server.trace import REQUEST, current

log = logging.getLogger(__name__)


def configure(kind: str) -> None:
    """Write warnings and errors, and unless ``kind`` is quiet a line for each request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger(REQUEST).setLevel(logging.WARNING if kind == "quiet" else logging.INFO)
    # Libraries warn of what they meet, such as damaged EXIF data; by itself Python would write it
    # past the log, in two lines with a place of this machine.
    warnings.showwarning = _warned


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,  # noqa: ARG001 - Python gives it
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    log.warning("%s: %s", category.__name__, " ".join(str(message).split()))


class TextLines(logging.Formatter):
    """``MOMENT LEVEL what happened``, and which request it happened in."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and below it the traceback if there is one."""
        told = fields(record)
        at, level, message = told.pop("time"), told.pop("level"), told.pop("message")
        below = f"\n{told.pop('exception')}" if "exception" in told else ""
        rest = "".join(f" {name}={value}" for name, value in told.items() if value is not None)
        return f"{at} {level.upper()} {message}{rest}{below}"


class JsonLines(logging.Formatter):
    """An object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in it."""
        return json.dumps(fields(record), default=str)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a line tells: of a request what `trace` has of it, else where it was written."""
    moment = datetime.fromtimestamp(record.created, UTC)
    told: dict[str, Any] = {
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
        "level": record.levelname.lower(),
        "message": record.getMessage(),
    }
    if record.name == REQUEST:
        of_request: dict[str, Any] = vars(record)["told"]
        return told | of_request
    told["logger"] = record.name
    if (trace := current()) is not None:
        told["request_id"] = trace.id
    if record.exc_info:
        told["exception"] = logging.Formatter().formatException(record.exc_info)
    return told
