"""Kernels are compiled ahead when they never were, and not again."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from portraiture.engine import prepare
from portraiture.errors import CancelledError
from portraiture.progress import SILENT


class Stopped(type(SILENT)):
    """The user has cancelled."""

    cancelled = True


STARTS = """
import portraiture.engine.prepare as prepare
started = []
prepare._start = lambda: started.append(1)
prepare.prepare()
print(len(started))
"""


def _starts(cache: Path) -> int:
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", STARTS]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return int(out.stdout)


def test_a_cold_cache_starts_the_compiler(tmp_path: Path) -> None:
    assert _starts(tmp_path) == 1


def test_waits_for_the_compiler_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(0.5)"]
    start = lru_cache(lambda: subprocess.Popen(command))
    monkeypatch.setattr(prepare, "_start", start)
    prepare.wait()
    assert start.cache_info().currsize == 0
    start()
    prepare.wait(seconds=0.01)
    assert start().poll() is None
    with pytest.raises(CancelledError):
        prepare.wait(Stopped())
    prepare.wait()
    assert start().poll() == 0


@pytest.mark.slow
def test_what_is_compiled_is_not_compiled_again(tmp_path: Path) -> None:
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "portraiture.engine.prepare"], env=env, check=True)
    assert _starts(tmp_path) == 0
