"""A small generator, prepared images with known cameras, and a style with something learned."""

from __future__ import annotations

from math import radians
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from portraiture.adapt.cameras import FILE, Cameras
from portraiture.adapt.style import Style, new_style, save_style
from portraiture.checkpoints import save_generator
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.triplane.rendering import RenderingConfig

SIZES = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=8, first_size=8, channel_base=256,
    channel_max=16, decoder_hidden=8, flow_rank=3, flow_size=8, neural_resolution=16,
    superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(
        box_warp=0.9, depth_resolution=12, importance_resolution=0, white_background=True,
        plane_axes="fixed",
    ),
)  # fmt: skip


def small_generator(*, seed: int = 0) -> TriPlaneGenerator:
    """Random weights with something solid in them, and a flow."""
    torch.manual_seed(seed)
    made = TriPlaneGenerator(SIZES).eval().requires_grad_(False)
    made.decoder.net[2].weight[0] *= 60.0
    made.decoder.net[2].bias[0] = 30.0
    made.flow.basis.normal_(std=0.05)
    return made


def generator_file(folder: Path) -> Path:
    path = folder / "small.safetensors"
    save_generator(small_generator(), path)
    return path


def prepared_folder(folder: Path, count: int = 6) -> Path:
    """Noise, with yaws from -15° to 15°, as `adapt prepare` would leave it."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(count):
        pixels = rng.integers(0, 256, (128, 128, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:05d}.webp", "WEBP", quality=60)
    yaws = np.linspace(radians(-15.0), radians(15.0), count)
    Cameras(tuple((float(yaw), 0.02) for yaw in yaws)).save(folder / FILE)
    return folder


def learned_style(generator: TriPlaneGenerator, *, size: float = 0.05) -> Style:
    """A style with random residuals and a random warp."""
    style = new_style(generator).eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(3)
    for name in style.names:
        change = style.change(name)
        change.copy_(size * torch.randn(change.shape, generator=rng))
    style.warp.out.weight.copy_(torch.randn(style.warp.out.weight.shape, generator=rng))
    return style


def style_folder(generator: TriPlaneGenerator, folder: Path) -> Path:
    save_style(learned_style(generator), folder)
    return folder
