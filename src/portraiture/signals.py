"""SIGTERM and SIGHUP as exceptions, so that what Ctrl-C cleans up they clean up, too."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
ALARM = hasattr(signal, "setitimer")
"""Windows has none."""

AGAIN_S = 2.0
"""Seconds after which a signal raises again where Python has swallowed what it raised, as it does
in finalisers and in callbacks from C."""


class _Leaving(SystemExit):
    """What a signal raises."""


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
    alarm = signal.getsignal(signal.SIGALRM) if ALARM else None
    install_exit()
    try:
        yield
    finally:
        if ALARM and signal.getsignal(signal.SIGALRM) is not alarm:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if alarm is None else alarm)
        for number, handler in before.items():
            signal.signal(number, handler)


def install_exit() -> None:
    """Raise SystemExit on these signals for the rest of the process, such as a worker's."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    """Raise, unless what a signal has raised is on its way out: another one must not interrupt the
    cleaning up."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, _Leaving):
            return
        error = error.__context__
    if ALARM:
        signal.signal(signal.SIGALRM, lambda _, frame: _exit(number, frame))
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)
    raise _Leaving(128 + number)
