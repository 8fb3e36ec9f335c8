"""SIGTERM and SIGHUP as exceptions, so that what Ctrl-C cleans up they clean up, too."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """In the block, SIGTERM and SIGHUP raise SystemExit with 128 and the signal's number.

    Outside the main thread, which alone gets signals, nothing changes; nor does a signal that is
    ignored, as SIGHUP is under nohup.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    install_exit()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def install_exit() -> None:
    """Raise SystemExit on these signals for the rest of the process, such as a worker's."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    """A second signal must not interrupt the cleaning up."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
