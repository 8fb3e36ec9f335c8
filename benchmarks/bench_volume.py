"""A novel view at 512² from 128² rays and cached planes: the fast path against the reference.

Random weights in the layout of the published FFHQ 512-128 generator; both draw the same depths.
python benchmarks/bench_volume.py [--runs 5] [--json FILE]
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import tyro
from metric import Metric, Row, metrics_from
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.triplane.density_grid import density_grid
from portraiture.triplane.tables import VolumeBackend

ROWS = (
    Row("seconds_fast", "volume/view at 512², cached planes", "s", "lower", factor=3.0),
    Row("ratio", "volume/view at 512², times torch's speed", "", "higher", factor=2.0),
    Row("psnr", "volume/view at 512², PSNR to torch", "dB", "higher", 3.0),
    Row("seconds_grid", "volume/density grid 256³", "s", "lower", factor=3.0),
    Row("peak_mb", "volume/view at 512², memory", "MB", "lower", factor=1.3),
)


@dataclass(frozen=True)
class Options:
    """How often, and where the figures go."""

    runs: int = 5
    grid: int = 256
    json: Path | None = None


@dataclass
class Figures:
    """Medians of seconds; psnr in dB for images of range 2; megabytes resident at most, of the
    whole process, before the reference runs."""

    seconds_fast: float = 0.0
    seconds_fast_render: float = 0.0
    seconds_reference: float = 0.0
    psnr: float = 0.0
    ratio: float = 0.0
    seconds_grid: float = 0.0
    peak_mb: float = 0.0
    threads: int = 0
    load: float = 0.0


def median_seconds(work: Callable[[], object], runs: int) -> float:
    """Of `runs` calls after one that does not count."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def front_camera() -> Tensor:
    """(1, 25): 2.7 before the origin, FFHQ's field of view."""
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    pose[2, 3] = 2.7
    intrinsics = torch.tensor([[4.2647, 0, 0.5], [0, 4.2647, 0.5], [0, 0, 1]])
    return torch.cat([pose.reshape(-1), intrinsics.reshape(-1)])[None]


def measure(*, runs: int = 5) -> list[Metric]:
    """In a process of its own, whose memory counts from its beginning."""
    return metrics_from(asdict(figures_of(Options(runs=runs))), ROWS)


def main(options: Options) -> None:
    """Measure, print, and write JSON where asked."""
    figures = figures_of(options)
    for name, value in asdict(figures).items():
        print(f"{name:22}{value:10.3f}")
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=1))


@torch.no_grad()
def figures_of(options: Options) -> Figures:
    """Both paths on the same planes."""
    torch.manual_seed(0)
    generator = TriPlaneGenerator(TriPlaneConfig()).eval()
    camera = front_camera()
    ws = generator.mapping(torch.randn(1, 512), camera)
    planes = generator.planes(ws)

    def view(backend: VolumeBackend) -> Tensor:
        rng = torch.Generator().manual_seed(1)
        seen = generator.render(planes, camera, backend=backend, generator=rng)
        return generator.upsample(seen.features, ws, backend=backend)

    figures = Figures(threads=torch.get_num_threads(), load=os.getloadavg()[0])
    figures.seconds_fast = median_seconds(lambda: view("auto"), options.runs)
    figures.seconds_fast_render = median_seconds(
        lambda: generator.render(planes, camera), options.runs
    )
    figures.seconds_grid = median_seconds(
        lambda: density_grid(planes[0], generator.decoder, resolution=options.grid), 1
    )
    figures.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.seconds_reference = median_seconds(lambda: view("torch"), max(1, options.runs // 2))
    error = (view("auto") - view("torch")).square().mean()
    figures.psnr = float(10 * torch.log10(4 / error))
    figures.ratio = figures.seconds_reference / figures.seconds_fast
    return figures


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
