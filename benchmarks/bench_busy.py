"""Seconds of a command alone and beside busy processes, against its fair share of the cores.

A program of as many threads as there are cores, beside `busy` processes of one thread, gets
cores / (cores + busy) of the machine, so its fair time is its time alone times (cores + busy) /
cores; "times fair" says by how much a command misses that. One uncounted run fills the caches;
then runs alternate, so that other load meets all of them.

python benchmarks/bench_busy.py [--command sample] [--busy 3] [--runs 1]
    [--no-warm] [--settings "" GOMP_SPINCOUNT=300000] [--json FILE]
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import tyro
from metric import Metric, Row, metrics_from

from portraiture.photo.demo_photo import demo_photo

Command = Literal["sample", "create", "invert"]


@dataclass(frozen=True)
class Options:
    """What to run beside how much. command: sample renders a few neural heads, in seconds; create
    and invert take the demo photo. settings: variables of the environment, as NAME=VALUE separated
    by commas, of the runs to compare; "" is none. warm: begin with a run that does not count."""

    command: Command = "sample"
    busy: int = 3
    runs: int = 1
    settings: tuple[str, ...] = ("",)
    warm: bool = True
    json: Path | None = None


@dataclass(frozen=True)
class Figures:
    """Medians of seconds, and what `beside_s` is of its fair time."""

    alone_s: float
    beside_s: float
    times_fair: float


def main(options: Options) -> None:
    """Print every run and each setting's figures; write them as JSON when asked."""
    figures = figures_of(options)
    for setting, found in figures.items():
        print(
            f"{setting or 'as it is':30} alone {found.alone_s:6.1f} s, beside {options.busy}:"
            f" {found.beside_s:6.1f} s, {found.times_fair:.2f} times fair ({cores()} cores)"
        )
    if options.json:
        rows = {setting: asdict(found) for setting, found in figures.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(command: Command = "sample", *, busy: int = 3, runs: int = 1) -> list[Metric]:
    """Seconds alone and beside, and times fair."""
    figures = figures_of(Options(command, busy, runs))[""]
    rows = (
        Row("alone_s", f"busy/{command} alone", "s", "lower", factor=3.0),
        Row("beside_s", f"busy/{command} beside {busy} busy processes", "s", "lower", factor=3.0),
        Row("times_fair", f"busy/{command} beside {busy}, times fair", "", "lower", factor=2.0),
    )
    return metrics_from(asdict(figures), rows)


def figures_of(options: Options) -> dict[str, Figures]:
    """By setting. Every run is printed when it ends."""
    alone: dict[str, list[float]] = {setting: [] for setting in options.settings}
    beside: dict[str, list[float]] = {setting: [] for setting in options.settings}
    if options.warm:
        print(f"uncounted run: {seconds_of(options.command, ''):.1f} s", flush=True)
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
    fair = (cores() + options.busy) / cores()
    found = {}
    for setting in options.settings:
        quiet, loud = statistics.median(alone[setting]), statistics.median(beside[setting])
        found[setting] = Figures(quiet, loud, loud / quiet / fair)
    return found


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


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


def seconds_of(command: Command, setting: str) -> float:
    """Wall seconds of one run in a fresh folder. Exits with its last words when it fails."""
    variables = dict(pair.split("=", 1) for pair in setting.split(",") if pair)
    given = ["--seeds", "0-3"] if command == "sample" else [str(demo_photo())]
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.executable, "-m", "portraiture.cli", command, *given]
        arguments += ["--out", f"{folder}/out"]
        start = time.perf_counter()
        done = subprocess.run(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **variables},
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"portraiture {command} failed: {done.stderr.strip()[-400:]}")
    return seconds


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
