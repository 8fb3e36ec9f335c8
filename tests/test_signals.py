"""SIGTERM and SIGHUP end a command as Ctrl-C does: nothing half-written, 128 + the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portraiture import signals
from portraiture.signals import exit_on_signals

PROGRAM = """
import sys, time
from portraiture.cli import main, networks
from portraiture.media import atomic_path, staged_folder

def slow(command):
    with staged_folder(command.out, ["a.txt"]) as stage:
        (stage / "a.txt").write_text("half")
        with atomic_path(command.out.parent / "b.txt") as partial:
            partial.write_text("half")
            Finalised() if sys.argv[2:] else wait()
            time.sleep(60)

def wait(*_):
    print("ready", flush=True)
    time.sleep(60)

class Finalised:
    __del__ = wait

networks.convert = slow
main(["convert", "a.pkl", sys.argv[1]])
"""


def _listen() -> None:
    """What runs in the background, or under nohup, may have been told to ignore signals, and hands
    that on."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "where"),
    [(signal.SIGTERM, ""), (signal.SIGHUP, ""), (signal.SIGINT, ""), (signal.SIGTERM, "finaliser")],
)
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals, where: str) -> None:
    """In a finaliser Python swallows what the signal raises."""
    out = tmp_path / "deep" / "out"
    (tmp_path / "deep").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out), *where.split()], stdout=subprocess.PIPE,
        text=True, preexec_fn=_listen,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        assert len(list((tmp_path / "deep").iterdir())) == 2
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert list((tmp_path / "deep").iterdir()) == []


def test_handlers_come_back_and_ignored_signals_stay_ignored() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as stop, exit_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)  # as under nohup
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        assert stop.value.code == 143
        assert signal.getsignal(signal.SIGTERM) == before[0]
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[1])


def test_no_signal_interrupts_the_cleaning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_S", 0.02)
    before = signal.getsignal(signal.SIGALRM)
    cleaned = []
    with pytest.raises(SystemExit) as stop, exit_on_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            try:
                raise OSError
            except OSError:
                os.kill(os.getpid(), signal.SIGHUP)
                time.sleep(0.1)
                cleaned.append(stop)
    assert cleaned and stop.value.code == 143
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_was_swallowed_is_raised_again_by_the_next_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "ALARM", False)
    with pytest.raises(SystemExit) as stop, exit_on_signals():
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert stop.value.code == 143
