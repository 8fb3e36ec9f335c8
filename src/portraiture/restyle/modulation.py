"""FF3D without the image-to-plane network, its ablation (Ma et al. 2023, section 4.5, table 2): two
trainable modulation layers on the frozen plane generator.

planes of G ─modulated by Eq. 3, convolved, added─twice─▶ planes
The paper tells no more; the learned w_s without an encoder and the sums are ours. Letters: B heads,
C channels and P side of a plane, K channels and k side of w_s.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import modulated
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.restyle.few_shot import FewShot
from portraiture.restyle.fine_tune import FineTuning
from portraiture.restyle.losses import style_losses


class ModulationLayers(nn.Module):
    """At first they change nothing. channels: 3·C."""

    def __init__(self, channels: int, *, code: int = 64, code_size: int = 32) -> None:
        super().__init__()
        self.code = nn.Parameter(0.1 * torch.randn(1, code, code_size, code_size))
        self.modulate = nn.ModuleList(nn.Conv2d(code, 2 * channels, 1) for _ in range(2))
        self.convolve = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(2))
        for layer in self.convolve:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, planes: Float[Tensor, "B 3 C P P"]) -> Float[Tensor, "B 3 C P P"]:
        x = planes.flatten(1, 2)
        for modulate, convolve in zip(self.modulate, self.convolve, strict=True):
            found = F.interpolate(modulate(self.code), x.shape[-2:], mode="bilinear")
            gamma, beta = found.chunk(2, 1)
            x = x + convolve(F.leaky_relu(modulated(x, 1.0 + gamma, beta), 0.2))
        return x.unflatten(1, planes.shape[1:3])


def tune_layers(
    few: FewShot,
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "1 3 C P P"],
    ws: Float[Tensor, "1 N D"],
    features: FeatureNetwork,
    config: FineTuning,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 3 C P P"]:
    """The head's planes in the style, by `fine_tune`'s losses and schedule; fewer steps when it is
    cancelled. planes, ws: of the head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = ModulationLayers(planes.shape[1] * planes.shape[2]).to(planes.device)
    order, rng = torch.Generator().manual_seed(seed), torch.Generator(planes.device)
    rng.manual_seed(seed)
    optimizer = torch.optim.Adam(
        layers.parameters(), lr=config.learning_rate, betas=config.betas, foreach=False
    )
    images, cameras = few.images.to(planes), few.cameras.to(planes)
    progress.stage("Tune two layers", config.steps)
    for _ in range(config.steps):
        if progress.cancelled:
            break
        chosen = torch.randint(len(few), (config.batch,), generator=order).to(planes.device)
        made = layers(planes).expand(config.batch, -1, -1, -1, -1)
        losses = style_losses(
            generator, features, made, ws.expand(config.batch, -1, -1), cameras[chosen],
            images[chosen], config.losses, rng,
        )  # fmt: skip
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(layers.parameters(), config.clip)
        optimizer.step()
        progress.step(loss=float(loss.detach()))
    with torch.no_grad():
        return layers(planes)
