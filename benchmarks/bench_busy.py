"""Seconds of a command alone and beside busy processes, against its fair share of the cores.

A program of as many threads as there are cores, beside `busy` processes of one thread, gets
cores / (cores + busy) of the machine, so its fair time is its time alone times (cores + busy) /
cores; "times fair" says by how much a command misses that. Runs alternate, so that other load
meets all of them.

python benchmarks/bench_busy.py [--command create] [--busy 3] [--runs 3]
    [--settings "" GOMP_SPINCOUNT=300000] [--json FILE]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from portraiture.engine.bake.bake import bake, baked_path
from portraiture.photo.demo_photo import demo_photo


@dataclass(frozen=True)
class Options:
    """What to run beside how much. settings: variables of the environment, as NAME=VALUE separated
    by commas, of the runs to compare; "" is none."""

    command: Literal["create", "invert"] = "create"
    busy: int = 3
    runs: int = 3
    settings: tuple[str, ...] = ("",)
    json: Path | None = None


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """`count` processes that each keep a core busy meanwhile."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def seconds_of(command: str, setting: str) -> float:
    """Wall seconds of one run on the demo photo in a fresh folder."""
    variables = dict(pair.split("=", 1) for pair in setting.split(",") if pair)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.executable, "-m", "portraiture.cli", command, str(demo_photo())]
        arguments += ["--out", f"{folder}/out"]
        start = time.perf_counter()
        subprocess.run(
            arguments, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **variables}
        )
        return time.perf_counter() - start


def main(options: Options) -> None:
    """Print every run and each setting's medians; write them as JSON when asked."""
    if not baked_path().exists():
        bake()
    alone: dict[str, list[float]] = {setting: [] for setting in options.settings}
    beside: dict[str, list[float]] = {setting: [] for setting in options.settings}
    for number in range(options.runs):
        for setting in options.settings:
            alone[setting].append(seconds_of(options.command, setting))
            with busy_processes(options.busy):
                beside[setting].append(seconds_of(options.command, setting))
            print(
                f"run {number + 1} {setting or 'as it is':24} alone {alone[setting][-1]:6.1f} s,"
                f" beside {options.busy}: {beside[setting][-1]:6.1f} s",
                flush=True,
            )
    cores = len(os.sched_getaffinity(0))
    fair = (cores + options.busy) / cores
    rows = {}
    for setting in options.settings:
        quiet, loud = statistics.median(alone[setting]), statistics.median(beside[setting])
        rows[setting] = {"alone_s": quiet, "beside_s": loud, "times_fair": loud / quiet / fair}
        name = setting or "as it is"
        print(
            f"{name:30} alone {quiet:6.1f} s, beside {options.busy}: {loud:6.1f} s,"
            f" {loud / quiet / fair:.2f} times fair ({cores} cores)"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Options))
