"""What goes to stdout: data, one item a line, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from coir.errors import CoirError

__all__ = ["put"]


def put(lines: Iterable[str]) -> None:
    """Write lines to stdout; a reader that has seen enough, such as ``head``, is no error.

    Raises:
        CoirError: they cannot be written, to a full disk for instance.

    """
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must go somewhere, or Python complains while it exits.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise CoirError(f"The output could not be written: {error.strerror}.") from error
