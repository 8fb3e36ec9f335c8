"""SIGTERM and SIGHUP end a command as Ctrl-C does: nothing half-written, 128 + the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
            print("ready", flush=True)
            time.sleep(60)

networks.convert = slow
main(["convert", "a.pkl", sys.argv[1]])
"""


def _listen() -> None:
    """What runs in the background, or under nohup, may have been told to ignore signals, and hands
    that on."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "deep" / "out"
    (tmp_path / "deep").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out)], stdout=subprocess.PIPE, text=True,
        preexec_fn=_listen,
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
