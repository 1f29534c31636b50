from __future__ import annotations

import signal
import threading

import pytest

from coir.demo.stage import _uninterrupted


def test_signals_are_held_back() -> None:
    """A signal that comes while a process is being started is dealt with right afterwards."""
    before = signal.getsignal(signal.SIGINT)
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it is raised is the point
        with _uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("started")
        done.append("went on")
    assert done == ["started"]
    assert signal.getsignal(signal.SIGINT) is before


def test_no_signal() -> None:
    """Without a signal nothing is different afterwards, also when the block fails."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError, match="no such program"), _uninterrupted():
        raise OSError("no such program")
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_a_thread() -> None:
    """In another thread, which no signal interrupts, there is nothing to hold back."""
    done = []

    def work() -> None:
        with _uninterrupted():
            done.append("started")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["started"]
