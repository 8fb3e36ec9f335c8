"""Speed of the mesh renderer: visibility alone, and with all shading.

    python benchmarks/bench_rasterize.py [--seed 2] [--seconds 3] [--json OUT.json]

Prints a table and writes it as JSON. The bust is a sampled person with hair.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numba
import numpy as np
import tyro
from metric import Metric, loose
from rich.console import Console
from rich.table import Table

from portraiture.engine.build import build_bust
from portraiture.engine.sample import sample_parameters
from portraiture.render import mesh
from portraiture.render.framing import portrait_camera
from portraiture.render.scene import flatten, scene_of
from portraiture.types import Bust

TARGETS = {("visibility", 256): 40.0, ("visibility", 512): 12.0}
"""Images a second that the renderer promises on two cores."""

NAMES = {
    "visibility": "bust with hair rasterised at {size}²",
    "frame": "bust with hair rendered at {size}²",
}
"""Rows that the suite reports, by what they measure."""


@dataclass(frozen=True)
class Row:
    """One measurement. cpu_ms: processor time an image, both cores together."""

    what: str
    size: int
    images_per_second: float
    cpu_ms: float
    target: float | None


def measure(*, seed: int = 2, seconds: float = 3.0) -> list[Metric]:
    """Images a second, each measured for `seconds`."""
    rows = rows_for(build_bust(sample_parameters(seed)), seconds)
    return [
        Metric(
            f"rasterize/{NAMES[row.what].format(size=row.size)}",
            row.images_per_second,
            "images/s",
            "higher",
            loose(row.images_per_second, "higher", 3.0),
        )
        for row in rows
        if row.what in NAMES
    ]


def timed(what: str, size: int, work: Callable[[], object], seconds: float) -> Row:
    """Repeat `work` for `seconds`, after one run that compiles."""
    work()
    count, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds or count < 3:
        work()
        count += 1
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    return Row(what, size, count / wall, 1000.0 * used / count, TARGETS.get((what, size)))


def rows_for(bust: Bust, seconds: float) -> list[Row]:
    scene, camera = scene_of(bust), portrait_camera(bust)
    rows = []
    for size in (256, 512):

        def visibility(size: int = size) -> object:
            view = mesh.view_of(scene, camera, (size, size), "numba")
            return mesh.nearest(view, np.arange(len(scene.faces)))

        def frame(size: int = size, supersample: int = 1) -> object:
            return mesh.render_bust(bust, camera, size=size, supersample=supersample)

        rows.append(timed("visibility", size, visibility, seconds))
        rows.append(timed("frame", size, frame, seconds))
        rows.append(timed("frame, 2 × 2 samples", size, lambda s=size: frame(s, 2), seconds))
    rows.append(timed("flatten a new bust", 0, lambda: flatten(bust), seconds))
    return rows


def main(
    seed: int = 2,
    seconds: float = 3.0,
    json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Measure and print.

    Args:
        seed: the sampled person.
        seconds: time for each row.
        json_path: where to write the table as JSON.
    """
    parameters = sample_parameters(seed)
    bust = build_bust(parameters)
    triangles = {p.name: len(p.faces) for p in bust.parts}
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "load": os.getloadavg()[0],
    }
    rows = rows_for(bust, seconds)
    table = Table("what", "size", "images/s", "CPU ms/image", "target/s")
    for row in rows:
        target = "" if row.target is None else f"{row.target:g}"
        table.add_row(
            row.what,
            str(row.size or ""),
            f"{row.images_per_second:.1f}",
            f"{row.cpu_ms:.1f}",
            target,
        )
    console = Console()
    console.print(f"{parameters.hair_style}, {sum(triangles.values())} triangles; {machine}")
    console.print(table)
    if json_path is not None:
        result = {"machine": machine, "triangles": triangles, "rows": [asdict(r) for r in rows]}
        json_path.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    tyro.cli(main)
