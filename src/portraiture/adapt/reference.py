"""The style of one reference image on a head (3DAvatarGAN, supplement, "stylization").

reference ─features─▶ Gram matrices ◀─features─ image of G from a camera that rotates over its range
Only the texture layers change (colour), or also the geometry layers (shape). Letters: C channels of
a feature map, H×W its size, R side of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import radians
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.adapt.layers import geometry_names, texture_names
from portraiture.adapt.stylise import STYLED
from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.errors import AdaptError
from portraiture.head import Head, rounded
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.train.lr_schedule import annealed
from portraiture.triplane.volume import render_volume

Changed = Literal["color", "color+shape"]


@dataclass(frozen=True)
class ReferenceConfig:
    """changed: the texture layers, or also the geometry layers. steps, rate: of Adam. content:
    weight of the coarsest features' distance from the head's own, which keeps the person. style: of
    the Gram matrices'. yaw, pitch: largest angles of the camera, which covers the range uniformly.
    rays: side of the render. The paper gives none of these numbers. [ours]"""

    changed: Changed = "color"
    steps: int = 120
    rate: float = 0.01
    content: float = 1.0
    style: float = 30.0
    yaw: float = radians(35.0)
    pitch: float = radians(12.0)
    rays: int = 64


def gram(features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C C"]:
    """F Fᵀ / (C H W), the feature correlations of the style loss (Gatys et al. 2016, eq. 3)."""
    b, c, h, w = features.shape
    flat = features.reshape(b, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def style_distance(
    found: Sequence[Float[Tensor, "B C H W"]], wanted: Sequence[Float[Tensor, "1 C C"]]
) -> Float[Tensor, ""]:
    """Relative squared difference of Gram matrices, mean over the layers (Gatys et al. 2016, eq. 4;
    relative, so that no layer dominates: ours)."""
    parts = [
        (gram(x) - g).square().sum() / (len(x) * g.square().sum().clamp_min(1e-12))
        for x, g in zip(found, wanted, strict=True)
    ]
    return torch.stack(parts).mean()


def rotation(step: int, config: ReferenceConfig) -> tuple[float, float]:
    """Yaw and pitch at a step: a low-discrepancy sequence, uniform over the range ("rotate the
    camera to cover the θ and φ ranges uniformly")."""
    u = (0.5 + (step + 1) * 0.7548776662466927) % 1.0
    v = (0.5 + (step + 1) * 0.5698402909980532) % 1.0
    return config.yaw * (2.0 * u - 1.0), config.pitch * (2.0 * v - 1.0)


def stylise_by_reference(
    head: Head, reference: Float[Tensor, "1 3 R R"], features: FeatureNetwork, *, name: str,
    config: ReferenceConfig | None = None, progress: Progress = SILENT,
) -> Head:  # fmt: skip
    """The head in the style of an image in [-1, 1], as tuned weights of its own.

    If cancelled, it returns the current result. Raises AdaptError, HeadError.
    """
    config = config or ReferenceConfig()
    if head.ws is None:
        raise AdaptError("This head has no latent w, so no style can show it; use another method.")
    device = head.models.device
    before = head.network
    network = deepcopy(before).requires_grad_(False)
    chosen = set(texture_names(network))
    if config.changed == "color+shape":
        chosen |= set(geometry_names(network))
    trained = [p.requires_grad_(True) for n, p in network.named_parameters() if n in chosen]
    ws = head.ws.to(device)
    with torch.no_grad():
        taps = features.features(reference.to(device))
        wanted = [gram(x) for x in taps]
    optimizer = torch.optim.Adam(trained, lr=config.rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: annealed(k, config.steps, warmup=5, last=0.1)
    )
    progress.stage("Stylise", config.steps)
    for step in range(config.steps):
        optimizer.zero_grad(set_to_none=True)
        camera = _camera(rotation(step, config)).to(ws)
        with torch.no_grad():
            plain = features.features(_view(before, before.planes(ws), ws, camera, config.rays))
        found = features.features(_view(network, network.planes(ws), ws, camera, config.rays))
        content = (found[-1] - plain[-1]).square().mean() / plain[-1].square().mean()
        loss = config.style * style_distance(found, wanted) + config.content * content
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.step(loss=float(loss.detach()))
        if progress.cancelled:
            break
    return _finished(head, network.requires_grad_(False), ws, name)


def _finished(head: Head, network: TriPlaneGenerator, ws: Tensor, name: str) -> Head:
    base = head.models.generator(head.generator).state_dict()
    tuned = {k: v for k, v in network.state_dict().items() if not torch.equal(v, base[k])}
    facts = {k: v for k, v in head.facts.items() if k not in ("psnr_person_db", "loss", *STYLED)}
    with torch.no_grad():
        planes = network.planes(ws)
    return rounded(
        replace(
            head, planes=planes, features=None, visible=None, residual=None, tuned=tuned,
            facts={**facts, "reference": name},
        )
    )  # fmt: skip


def reference_pixels(image: Float[Tensor, "1 3 H W"], size: int) -> Float[Tensor, "1 3 R R"]:
    """The largest square in the middle of an image in [-1, 1], at `size` pixels."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resized(image[..., top : top + side, left : left + side], size)


def _camera(angles: tuple[float, float]) -> Float[Tensor, "1 25"]:
    return torch.from_numpy(to_eg3d(eg3d_orbit(*angles))).float()[None]


def _view(
    network: TriPlaneGenerator, planes: Tensor, ws: Tensor, camera: Tensor, rays: int
) -> Float[Tensor, "1 3 R R"]:
    volume = render_volume(
        planes, network.decoder, camera, network.config.rendering,
        resolution=rays, backend="torch", deterministic=True,
    )  # fmt: skip
    return network.superresolution(volume.features, ws, noise=network.config.superres_noise)
