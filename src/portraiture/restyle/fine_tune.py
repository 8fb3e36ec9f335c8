"""Fine-tuning of the image-to-plane network to one style (Ma et al. 2023, Algorithm 2).

few-shot set ─I_f─▶ H ─▶ planes ─G*(I_f, v)─▶ image ◀─ Eqs. 5 to 7 ─▶ I_v;  all of G* but H frozen
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.errors import RestyleError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import ImageToPlanes, planes_of_photos
from portraiture.ops.resize import resized
from portraiture.perception.features import FeatureNetwork
from portraiture.progress import SILENT, Progress
from portraiture.restyle.few_shot import FewShot
from portraiture.restyle.losses import StyleLosses, style_losses


@dataclass(frozen=True)
class FineTuning:
    """steps, batch: of Algorithm 2 [ours: the paper tells neither]. learning_rate, betas: of Adam
    (section 4.1). warmup: steps over which the rate rises [ours]. clip: maximum gradient norm
    [ours], 0 for none. losses: Eqs. 5 to 7."""

    steps: int = 300
    batch: int = 4
    learning_rate: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    warmup: int = 20
    clip: float = 1.0
    losses: StyleLosses = field(default_factory=StyleLosses)

    def __post_init__(self) -> None:
        """Raises RestyleError on numbers out of range."""
        if self.steps < 0 or self.batch < 1:
            raise RestyleError("Steps must be at least 0 and the batch at least 1.")


TINY = FineTuning(
    steps=2, batch=2, losses=StyleLosses(points=32, rendering="deferred", rays=16, ray_samples=4)
)
CPU = FineTuning(steps=120, batch=2, learning_rate=5e-4, losses=StyleLosses(rendering="deferred"))
"""For two cores [ours]: a fourth of the published rate, which suits the small batches."""
GPU = FineTuning(
    steps=400, batch=8, learning_rate=1e-3,
    losses=StyleLosses(rendering="deferred", rays=1024, ray_samples=32, points=4096, side=128),
)  # fmt: skip
PAPER = FineTuning(steps=1000, batch=4, clip=0.0, losses=StyleLosses(points=4096))


def fine_tune(
    network: ImageToPlanes,
    few: FewShot,
    generator: TriPlaneGenerator,
    features: FeatureNetwork,
    config: FineTuning = CPU,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> ImageToPlanes:
    """A copy of a pre-trained H, tuned to the few-shot set; fewer steps when it is cancelled.

    generator: G, frozen, on whose device all is computed. features: network of the perceptual
    distance. seed: of views and points.
    """
    device = generator.backbone.mapping.w_avg.device
    tuned = deepcopy(network).to(device).train().requires_grad_(True)
    freeze_statistics(tuned)
    front = few.images[few.front][None].to(device)
    images, cameras = few.images.to(device), few.cameras.to(device)
    order, rng = torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(seed)
    optimizer = torch.optim.Adam(
        tuned.parameters(), lr=config.learning_rate, betas=config.betas, foreach=False
    )
    progress.stage("Fine-tune", config.steps)
    for step in range(config.steps):
        if progress.cancelled:
            break
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup))
        chosen = torch.randint(len(few), (config.batch,), generator=order).to(device)
        planes, ws = styled_planes(tuned, front, generator)
        repeated = planes.expand(config.batch, -1, -1, -1, -1)
        losses = style_losses(
            generator, features, repeated, ws.expand(config.batch, -1, -1), cameras[chosen],
            images[chosen], config.losses, rng,
        )  # fmt: skip
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(tuned.parameters(), config.clip)
        optimizer.step()
        progress.step(loss=float(loss.detach()))
    return tuned.eval().requires_grad_(False)


def freeze_statistics(network: nn.Module) -> None:
    """Keep the running means of batch normalisation: a batch of one front view has none."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def styled_planes(
    network: ImageToPlanes, fronts: Float[Tensor, "B 3 R R"], generator: TriPlaneGenerator
) -> tuple[Float[Tensor, "B 3 C P P"], Float[Tensor, "B N D"]]:
    """H of front views in [-1, 1], of any size: planes, and the w+ of superresolution."""
    return planes_of_photos(network, resized(fronts, network.config.image_size), generator)
