"""The GPU kernels against the torch reference; without a GPU in triton's interpreter.

The interpreter has to be chosen before triton is first imported, so it gets a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from portraiture.networks.eg3d import Decoder
from portraiture.triplane.rendering import RenderingConfig, Volume
from portraiture.triplane.tables import VolumeBackend
from portraiture.triplane.volume import render_volume

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="triton is not installed (optional extra: gpu)",
)
runs_here = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="runs in test_in_the_interpreter's process"
)
CASES = {
    "plain": (RenderingConfig(depth_resolution=7, importance_resolution=5), (8, 12), (8, 64, 32)),
    "by the box": (
        RenderingConfig(
            depth_resolution=7,
            importance_resolution=5,
            ray_limits="box",
            box_warp=0.5,
            white_background=True,
        ),
        (8, 8),
        (8, 64, 32),
    ),
    "fixed axes, white, odd": (
        RenderingConfig(
            depth_resolution=7, importance_resolution=0, plane_axes="fixed", white_background=True
        ),
        (7, 9),
        (5, 24, 6),
    ),
}


def _camera() -> Tensor:
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    pose[0, 3], pose[2, 3] = 0.1, 2.7
    intrinsics = torch.tensor([[3.0, 0, 0.5], [0, 3.0, 0.5], [0, 0, 1]])
    return torch.cat([pose.reshape(-1), intrinsics.reshape(-1)])[None]


def _run(
    backend: VolumeBackend, planes: Tensor, decode: Decoder, config: RenderingConfig
) -> Volume:
    camera = _camera().expand(2, -1).to(DEVICE)
    return render_volume(
        planes, decode, camera, config, resolution=2, backend=backend, deterministic=True
    )


@pytest.mark.skipif(DEVICE == "cuda" or INTERPRETED, reason="the tests run in this process")
def test_in_the_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@runs_here
@pytest.mark.parametrize("case", CASES)
def test_forward_and_gradients(case: str) -> None:
    """Features within 1e-4; gradients of planes and decoder within 1e-3 of the largest."""
    config, size, widths = CASES[case]
    torch.manual_seed(0)
    planes = torch.randn(2, 3, widths[0], *size, device=DEVICE, requires_grad=True)
    decode = Decoder(*widths).to(DEVICE)
    seeds = torch.randn(2, widths[2], 2, 2, device=DEVICE)
    results, gradients = [], []
    for backend in ("torch", "triton"):
        seen = _run(backend, planes, decode, config)
        loss = (seen.features * seeds).sum() + seen.depth.sum() + seen.opacity.square().sum()
        results.append(seen)
        gradients.append(torch.autograd.grad(loss, [planes, *decode.parameters()]))
    for name in ("features", "depth", "opacity"):
        one, other = (getattr(seen, name) for seen in results)
        assert (one - other).abs().max() < 1e-4, name
    for one, other in zip(*gradients, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-3 * one.abs().max()


@runs_here
def test_half_tables_without_gradients() -> None:
    config, size, widths = CASES["plain"]
    torch.manual_seed(1)
    planes, decode = torch.randn(2, 3, widths[0], *size, device=DEVICE), Decoder(*widths).to(DEVICE)
    with torch.no_grad():
        one, other = (_run(b, planes, decode, config) for b in ("torch", "triton"))
    assert (one.features - other.features).abs().max() < 2e-3


@runs_here
def test_no_gradients_for_cameras() -> None:
    planes, decode = torch.randn(1, 3, 5, 4, 4, device=DEVICE), Decoder(5, 16, 4).to(DEVICE)
    camera = _camera().to(DEVICE).requires_grad_()
    with pytest.raises(RuntimeError, match="cameras"):
        render_volume(
            planes, decode, camera, RenderingConfig(), resolution=2, backend="triton"
        )  # fmt: skip
