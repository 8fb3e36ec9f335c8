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


def test_waits_until_rendering_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import time; time.sleep(0.5); print('rendering', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    start = lru_cache(lambda: prepare._watched(process))
    monkeypatch.setattr(prepare, "_start", start)
    prepare.wait()
    assert start.cache_info().currsize == 0
    assert not start().rendering.is_set()
    prepare.wait(seconds=0.01)
    with pytest.raises(CancelledError):
        prepare.wait(Stopped())
    prepare.wait()
    assert start().rendering.is_set() and process.poll() is None
    process.kill()
    process.communicate()


def test_does_not_wait_for_a_compiler_that_has_died() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert prepare._watched(process).rendering.wait(20.0)
    process.communicate()


def test_no_garbage_is_collected_while_a_kernel_compiles() -> None:
    program = (
        "import gc, portraiture.engine.prepare as prepare\n"
        "from numba import njit\n"
        "from numba.core.event import Listener, register\n"
        "prepare._collect_between_kernels()\n"
        "during = []\n"
        "class Seen(Listener):\n"
        "    def on_start(self, event): during.append(gc.isenabled())\n"
        "    def on_end(self, event): pass\n"
        "register('numba:run_pass', Seen())\n"
        "@njit\n"
        "def broken(x): return x.nothing\n"
        "@njit\n"
        "def sound(x): return 2 * x\n"
        "try: broken(1)\n"
        "except Exception: pass\n"
        "sound(1)\n"
        "print(gc.isenabled(), any(during), len(during) > 20)\n"
    )
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "False", "True"]


MISSED = """
import numba.core.caching as caching
import portraiture
missed = []
load = caching.Cache.load_overload
def counted(self, signature, context):
    found = load(self, signature, context)
    if found is None:
        missed.append(self._name)
    return found
caching.Cache.load_overload = counted
portraiture.Avatar.sample(0).render(size=64)
print(" ".join(name.split()[1] for name in missed))
"""


def _missed(cache: Path) -> set[str]:
    """Kernels that building and rendering a person compiles."""
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", MISSED]
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return set(out.stdout.split())


@pytest.mark.slow
def test_what_is_compiled_is_not_compiled_again(tmp_path: Path) -> None:
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "portraiture.engine.prepare"], env=env, check=True)
    assert _starts(tmp_path) == 0
    missed = _missed(tmp_path)
    assert "_paint" in missed  # the main process's own
    assert not missed & {
        "_shade",
        "_transfer",
        "_draw_heights",
        "_split",
        "draw_hairs",
        "_darts",
        "_paint_eye",
        "_closest_of",
        "_tangents",
    }
