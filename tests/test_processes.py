"""The command line lets OpenMP's threads sleep; workers are spawned, alone and configured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from recorded_progress import RecordedProgress

from portraiture.errors import CancelledError
from portraiture.processes import SETTINGS, configure_process, in_processes


def _tell(folder: Path, job: int) -> None:
    """Write down who did the job, and how."""
    import multiprocessing

    import torch

    if job < 0:
        raise ValueError("a negative job")
    kind = type(multiprocessing.current_process()).__name__
    setting = os.environ.get("GOMP_SPINCOUNT")
    about = [os.getpid(), kind, torch.get_num_threads(), setting]
    (folder / str(job)).write_text(json.dumps(about))


def test_workers_are_spawned_with_one_thread_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    told = RecordedProgress()
    told.stage("Tell")
    in_processes(partial(_tell, tmp_path), [1, 2, 3], 2, told)
    assert told.steps == {"Tell": 3}
    found = [json.loads((tmp_path / str(job)).read_text()) for job in (1, 2, 3)]
    assert os.getpid() not in {pid for pid, *_ in found}
    assert {tuple(about) for _, *about in found} == {
        ("SpawnProcess", 1, SETTINGS["GOMP_SPINCOUNT"])
    }
    assert "GOMP_SPINCOUNT" not in os.environ
    with pytest.raises(ValueError, match="negative"):
        in_processes(partial(_tell, tmp_path), [-1, -2], 2)


@pytest.mark.parametrize(("jobs", "workers"), [([4], 2), ([4, 5], 1), ([], 3)])
def test_one_worker_or_one_job_needs_no_process(
    tmp_path: Path, jobs: list[int], workers: int
) -> None:
    in_processes(partial(_tell, tmp_path), jobs, workers)
    found = {int(p.name): json.loads(p.read_text())[0] for p in tmp_path.iterdir()}
    assert found == dict.fromkeys(jobs, os.getpid())


def test_cancelled_work_ends(tmp_path: Path) -> None:
    told = RecordedProgress(cancel_after=1)
    told.stage("Tell")
    with pytest.raises(CancelledError):
        in_processes(partial(_tell, tmp_path), [1, 2, 3], 1, told)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "7")
    monkeypatch.delenv("KMP_BLOCKTIME")
    configure_process()
    assert {name: os.environ[name] for name in SETTINGS} == {
        **dict.fromkeys(SETTINGS, "7"), "KMP_BLOCKTIME": SETTINGS["KMP_BLOCKTIME"],
    }  # fmt: skip


PROGRAM = """
import os, sys
import portraiture, portraiture.cli.commands
names = {names}
assert not set(names) & set(os.environ), "importing has configured"
assert "torch" not in sys.modules and "numba" not in sys.modules
def run(command):
    print({{name: os.environ.get(name) for name in names}}, "torch" in sys.modules)
portraiture.cli.commands.run = run
portraiture.cli.main(["create", "nobody.jpg", "--out", "nowhere"])
"""


def test_the_command_line_sets_it_before_torch_is_loaded_and_the_library_does_not() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    program = PROGRAM.format(names=list(SETTINGS))
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"{SETTINGS} False", done.stderr


BEFORE_NUMPY = """
import sys
import portraiture.processes as processes
def configure():
    sys.exit("numpy" in sys.modules)
processes.configure_process = configure
import portraiture.cli
portraiture.cli.main(["create", "nobody.jpg", "--out", "nowhere"])
"""


def test_the_command_line_sets_it_before_numpy_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", BEFORE_NUMPY], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
