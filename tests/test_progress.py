"""Progress: stages are timed, steps counted, cancelled work ends."""

from __future__ import annotations

import os
import signal
import time

import pytest
from recorded_progress import RecordedProgress

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import CancelledError
from portraiture.progress import SILENT, StageTimes, counted, raise_if_cancelled


def test_stages_are_timed_and_passed_on() -> None:
    told = RecordedProgress()
    times = StageTimes(told)
    for name in ("a", "b", "a"):
        times.stage(name, 3)
        times.step(2, loss=0.5)
        time.sleep(0.02)
    times.finish()
    assert told.stages == [("a", 3), ("b", 3), ("a", 3)]
    assert told.steps == {"a": 4, "b": 2}
    assert list(times.seconds) == ["a", "b"]
    assert times.seconds["a"] >= 0.04 and times.seconds["b"] >= 0.02


def test_counted_items_are_steps_until_it_is_cancelled() -> None:
    told = RecordedProgress(cancel_after=2)
    told.stage("Count")
    seen = []
    with pytest.raises(CancelledError):
        seen.extend(item for item in counted("abcd", told))
    assert told.steps == {"Count": 2}
    raise_if_cancelled(SILENT)
    assert list(counted("ab", SILENT)) == ["a", "b"]


def test_the_first_ctrl_c_asks_and_the_second_ends() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with TerminalProgress() as progress:
            progress.stage("Work", 10)
            assert not progress.cancelled
            os.kill(os.getpid(), signal.SIGINT)
            assert progress.cancelled
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1.0)
            progress.stage("More work")
            assert not progress.cancelled
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert list(progress.seconds) == ["Work", "More work"]
        assert progress.table().row_count == 3
    finally:
        signal.signal(signal.SIGINT, before)
