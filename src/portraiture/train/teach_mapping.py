"""A mapping that knows its people before it sees them: w says what the engine's parameters say.

z ─mapping─▶ w ─one linear layer─▶ parameters of the person that z stands for
What z means is known without a single picture, in any number: that a drawer of hairstyles counts
only for one sex, that ancestry shifts the skin. A mapping that has learned this gives the same w's
to the same looks, and the pictures that follow have to teach only how looks look.
Letters: A numbers of a person, Z latent size.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.data.latent import draw_latents, person_from_latent
from portraiture.engine.actions import ACTIONS
from portraiture.models.eg3d import TriPlaneGenerator

PEOPLE_SEED = 0x7EAC4
BATCH = 512
MAPPING_RATE, LINEAR_RATE = 0.1, 0.003


def describe_people(z: Float[Tensor, "N Z"]) -> Float[Tensor, "N A"]:
    """Parameters (continuous, shape, one-hot choices) and expression of each latent's person."""
    rows = []
    for latent in z.numpy():
        person = person_from_latent(latent)
        expression = [person.expression.get(name, 0.0) for name in ACTIONS]
        rows.append(np.concatenate([person.parameters.to_vector(), expression]))
    return torch.from_numpy(np.array(rows, np.float32))


def teach_mapping(
    network: TriPlaneGenerator, *, people: int = 16_000, steps: int = 1_500, seed: int = 0
) -> float:
    """Train the mapping alone, in place, so that a person's numbers are linear in w.

    Returns the mean squared error on people that were not used, where 1 is that of guessing the
    average. Numbers that never change are left out.
    """
    z = torch.from_numpy(draw_latents(people, PEOPLE_SEED + seed))
    truth = describe_people(z)
    spread = truth.std(0)
    truth = ((truth - truth.mean(0)) / spread.clamp_min(1e-6))[:, spread > 1e-4]
    linear = nn.Linear(network.config.w_dim, truth.shape[1])
    mapping = list(network.backbone.mapping.parameters())
    optimizer = torch.optim.Adam(
        [{"params": mapping, "lr": MAPPING_RATE}, {"params": linear.parameters()}], lr=LINEAR_RATE
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 1e-5)
    kept = max(people // 10, 1)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = torch.randint(kept, people, (BATCH,), generator=draw)
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(linear(_w(network, z[chosen])), truth[chosen]).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        w = _w(network, z[kept:])
        network.backbone.mapping.w_avg.copy_(w.mean(0))
        return float(F.mse_loss(linear(_w(network, z[:kept])), truth[:kept]))


def _w(network: TriPlaneGenerator, z: Float[Tensor, "N Z"]) -> Float[Tensor, "N D"]:
    return network.mapping(z, None)[:, 0]
