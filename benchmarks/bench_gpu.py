"""Milliseconds on a GPU: a view of the published layout, the shipped heads, encoder and alignment.

python benchmarks/bench_gpu.py [--runs 20] [--json FILE]

The view: 512² from 128² rays and cached planes, random weights in the layout of the published FFHQ
512-128 generator; its rays once more by Triton's kernel and by the torch reference.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, cast

import torch
import torch.nn.functional as F
import tyro
from bench_volume import front_camera
from metric import Metric, Skip, loose, table_of, write_metrics
from rich.console import Console
from torch import Tensor

from portraiture.checkpoints import load_generator
from portraiture.invert.goae.refine import refine
from portraiture.invert.weights import Encoder, load_alignment, load_encoder
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.goae_alignment import FeatureAlignment
from portraiture.triplane.tables import VolumeBackend


def main(
    runs: int = 20, json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
) -> None:
    """Print a table; write the same as JSON."""
    try:
        metrics = measure(runs=runs)
    except Skip as reason:
        raise SystemExit(str(reason)) from None
    Console().print(table_of(metrics))
    if json_file is not None:
        write_metrics(json_file, metrics)


@torch.no_grad()
def measure(*, runs: int = 20) -> list[Metric]:
    """Medians. Raises Skip without a GPU."""
    if not torch.cuda.is_available():
        raise Skip("needs a CUDA GPU.")
    figures = milliseconds(torch.device("cuda"), runs, ("triton", "torch"))
    metrics = [
        Metric(f"gpu/{name}", value, "ms", "lower", loose(value, "lower", 3.0))
        for name, value in figures.items()
    ]
    ratio = figures["rays by torch"] / figures["rays by triton"]
    allowed = loose(ratio, "higher", 2.0)
    return [*metrics, Metric("gpu/Triton rays, times torch's", ratio, "", "higher", allowed)]


def milliseconds(
    device: torch.device, runs: int, backends: tuple[VolumeBackend, ...]
) -> dict[str, float]:
    """By name; the rays once by each backend."""
    torch.manual_seed(0)
    published = TriPlaneGenerator(TriPlaneConfig()).eval().to(device)
    camera = front_camera().to(device)
    ws = published.mapping(torch.randn(1, published.config.z_dim, device=device), camera)
    planes = published.planes(ws)
    found = {
        "view at 512², cached planes": median_ms(lambda: _view(published, planes, ws, camera), runs)
    }
    for backend in backends:
        found[f"rays by {backend}"] = median_ms(
            lambda b=backend: published.render(planes, camera, backend=b), runs
        )
    heads = cast(TriPlaneGenerator, load_generator("heads")).to(device)
    encoder = load_encoder("swin-w").to(device)
    alignment = load_alignment("goae-alignment").to(device)
    ws = heads.mapping(torch.randn(1, heads.config.z_dim, device=device), camera)
    planes = heads.planes(ws)
    photo = _view(heads, planes, ws, camera).clamp(-1.0, 1.0)
    found["view of heads at 256²"] = median_ms(lambda: _view(heads, planes, ws, camera), runs)
    found["encoder and alignment"] = median_ms(
        lambda: _aligned(heads, encoder, alignment, photo, camera), runs
    )
    return found


def _view(generator: TriPlaneGenerator, planes: Tensor, ws: Tensor, camera: Tensor) -> Tensor:
    return generator.upsample(generator.render(planes, camera).features, ws)


def _aligned(
    heads: TriPlaneGenerator, encoder: Encoder, alignment: FeatureAlignment, photo: Tensor,
    camera: Tensor,
) -> Tensor:  # fmt: skip
    side = encoder.config.image_size
    small = F.interpolate(photo, (side, side), mode="area")
    ws = heads.backbone.mapping.w_avg + encoder(small)
    return refine(heads, alignment, ws, photo, camera).planes


def median_ms(work: Callable[[], object], runs: int) -> float:
    """Of `runs` calls after three that do not count; each is waited for."""
    seconds = []
    for _ in range(3 + runs):
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        seconds.append(time.perf_counter() - start)
    return 1000.0 * statistics.median(seconds[3:])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    tyro.cli(main)
