"""Methods of inversion on held-out people, through the command that users run.

python benchmarks/eval_inversion.py [--people 4] [--methods goae+refine] [--json FILE]

`portraiture bench invert` prints its tables; here the numbers of inputs from the front and 30° are
averaged, and those of inputs from 60°, at the input's view and at the others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import tyro
from metric import Metric, loose, table_of, write_metrics
from rich.console import Console

METHODS = ("goae+refine",)
PLACES = {"input": "own view", "novel": "other views"}
STEEP = 60
"""Degrees from which on an input counts as steep."""


def main(
    people: int = 4,
    methods: tuple[str, ...] = METHODS,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print a table; write the same as JSON."""
    metrics = measure(people=people, methods=methods)
    Console().print(table_of(metrics))
    if json_file is not None:
        write_metrics(json_file, metrics)


def measure(*, people: int = 4, methods: tuple[str, ...] = METHODS) -> list[Metric]:
    """PSNR, similarity and seconds of each method."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        command = [sys.executable, "-m", "portraiture.cli", "bench", "invert"]
        command += ["--people", str(people), "--methods", *methods]
        command += ["--json", str(out)]
        subprocess.run(command, check=True)
        return metrics_of(json.loads(out.read_text()))


def metrics_of(rows: list[dict[str, Any]]) -> list[Metric]:
    """Of `bench invert`'s rows, each the mean of `count` views."""
    metrics = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        for steep, turned in ((False, ""), (True, f", {STEEP}°")):
            for where, place in PLACES.items():
                chosen = [
                    row for row in own if (row["yaw"] >= STEEP, row["where"]) == (steep, where)
                ]
                if not chosen:
                    continue
                name = f"invert/{method}{turned}, {place}"
                metrics += [
                    Metric(f"{name}: PSNR", _mean(chosen, "psnr"), "dB", "higher", 0.3),
                    Metric(f"{name}: similarity", _mean(chosen, "identity"), "", "higher", 0.02),
                ]
        seconds = _mean(own, "seconds")
        allowed = loose(seconds, "lower", 3.0)
        metrics.append(Metric(f"invert/{method}: seconds", seconds, "s", "lower", allowed))
    return metrics


def _mean(rows: list[dict[str, Any]], score: str) -> float:
    """Over views."""
    return sum(row["count"] * row[score] for row in rows) / sum(row["count"] for row in rows)


if __name__ == "__main__":
    tyro.cli(main)
