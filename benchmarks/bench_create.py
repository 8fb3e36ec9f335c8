"""Seconds and peak memory of `portraiture create` on the demo photo, as whole processes.

python benchmarks/bench_create.py [--runs 3] [--cold-runs 1] [--style natural] [--json FILE]

The cold runs come first. Each has an empty folder for compiled kernels, as after installation.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from metric import Metric, Row, metrics_from

from portraiture.photo.demo_photo import demo_photo
from portraiture.types import Style

ROWS = (
    Row("cold_seconds", "create/first avatar after installation", "s", "lower", factor=1.5),
    Row("seconds", "create/create on the demo photo", "s", "lower", factor=3.0),
    Row("peak_mb", "create/memory of create", "MB", "lower", factor=1.3),
)


@dataclass(frozen=True)
class Options:
    """How often and what."""

    runs: int = 3
    cold_runs: int = 1
    style: Style = "natural"
    json: Path | None = None


def run_once(style: Style, *, cold: bool = False) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of one run in a fresh folder; cold: without the
    kernels that other runs have compiled."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "portraiture.cli", "create", str(demo_photo())]
        command += ["--out", f"{folder}/out", "--style", style]
        kernels = {"NUMBA_CACHE_DIR": f"{folder}/kernels"} if cold else {}
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | kernels)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            sys.exit("portraiture create failed")
        return seconds, usage.ru_maxrss / 1024


def measure(*, runs: int = 3, cold_runs: int = 1, style: Style = "natural") -> list[Metric]:
    """Medians of whole processes."""
    return metrics_from(medians(Options(runs, cold_runs, style)), ROWS)


def main(options: Options) -> None:
    """Print every run and the medians; write them as JSON when asked."""
    median = medians(options)
    print(
        f"median: {median['seconds']:6.1f} s, cold {median['cold_seconds']:6.1f} s, "
        f"{median['peak_mb']:7.0f} MB on {os.cpu_count()} cores"
    )
    if options.json:
        options.json.write_text(json.dumps(median))


def medians(options: Options) -> dict[str, float]:
    """Of all runs, each of which is printed."""
    cold, warm = (
        [_printed(options.style, number, cold=cold) for number in range(count)]
        for cold, count in ((True, options.cold_runs), (False, options.runs))
    )
    return {
        "cold_seconds": statistics.median(s for s, _ in cold),
        "seconds": statistics.median(s for s, _ in warm),
        "peak_mb": statistics.median(m for _, m in warm),
    }


def _printed(style: Style, number: int, *, cold: bool) -> tuple[float, float]:
    seconds, megabytes = run_once(style, cold=cold)
    print(f"{'cold' if cold else 'warm'} {number + 1}: {seconds:6.1f} s  {megabytes:7.0f} MB")
    return seconds, megabytes


if __name__ == "__main__":
    main(tyro.cli(Options))
