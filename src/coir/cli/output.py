"""Where rows go: a file that appears when it is whole, or stdout, and then only what is whole."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from coir.errors import CoirError, InvalidRequest
from coir.files import opened_whole

__all__ = ["destination", "ending_in_order", "put", "writable"]

# Rows wait in memory up to this size, and beyond it on disk, until they are proven whole.
IN_MEMORY = 64 * 2**20


def ending_in_order() -> None:
    """Let a signal that ends the process be an exit, so that no temporary file stays behind.

    A signal that is ignored, as under ``nohup``, goes on being ignored.
    """
    for name in ("SIGTERM", "SIGHUP"):  # the second is not on Windows
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def writable(path: Path | None, option: str) -> None:
    """Refuse a file that could not be written, before anything is sent.

    Raises:
        InvalidRequest: its folder does not exist, or nothing may be written there.

    """
    if path is None:
        return
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be written.",
            hint=f"Give {option} a file in a folder that exists and can be written to.",
        ) from error


@contextmanager
def destination(path: Path | None, *, at_once: bool) -> Iterator[BinaryIO]:
    """Give the file to write rows into; what it holds counts only if the block ends well.

    On stdout that means that nothing is printed otherwise, unless rows are wanted at once.

    Raises:
        CoirError: it cannot be written, because the disk is full for instance.

    """
    if path is None and sys.stdout is None:
        raise CoirError("There is no stdout to print to.", hint="Use -o FILE.")
    try:
        if path is not None:
            with opened_whole(path) as file:
                yield file
        elif at_once:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        else:
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
                yield cast("BinaryIO", spool)
                spool.seek(0)
                with suppress(BrokenPipeError):
                    shutil.copyfileobj(spool, sys.stdout.buffer)
                    sys.stdout.buffer.flush()
                    return
                _forget_stdout()
    except OSError as error:
        _forget_stdout()
        if isinstance(error, BrokenPipeError):
            sys.exit(0)  # a reader that has seen enough, such as ``head``, is no error
        raise CoirError(f"The output could not be written: {error.strerror}.") from error


def put(lines: Iterable[str]) -> None:
    """Write lines to stdout.

    Raises:
        CoirError: they cannot be written.

    """
    with destination(None, at_once=True) as file:
        file.writelines(f"{line}\n".encode("utf-8", "surrogateescape") for line in lines)


def _forget_stdout() -> None:
    """Let what is left in its buffer go nowhere, or Python complains while it exits."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
