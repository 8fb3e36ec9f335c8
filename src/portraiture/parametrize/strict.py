"""From a relaxed vector to a strict one (Sang et al. 2022, section 3.4).

relaxed ─for each choice in turn, all candidates drawn in one batch─▶ the nearest to the relaxed
render is kept ─▶ strict ─a few steps on the numbers, through the imitator─▶ refined [ours]
Letters: D length of a vector, n candidates, R side of an image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.parametrize.networks import Imitator
from portraiture.parametrize.vector import (
    BLOCKS,
    FIRST_CHOICE,
    LAST_CHOICE,
    Block,
    hardened,
    with_choice,
)
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.progress import SILENT, Progress, raise_if_cancelled

Draw = Callable[[Float[Tensor, "n D"]], Float[Tensor, "n 3 R R"]]
PERCEPTUAL = 0.8
"""Weight of the perceptual distance beside L1."""
LEAST_PROBABLE = 0.02
"""Values of a choice below this probability are not tried."""
STAY = 0.003
"""Weight of the squared change of the numbers, in standard deviations, in refinement."""


def image_distance(
    images: Float[Tensor, "n 3 R R"], target: Float[Tensor, "1 3 R R"], features: FeatureNetwork
) -> Float[Tensor, "n"]:
    """Distance in image space: L1 and perceptual."""
    wanted = target.expand(len(images), -1, -1, -1)
    away = (images - wanted).abs().mean((1, 2, 3))
    return away + PERCEPTUAL * perceptual_distance(features, images, wanted)


@torch.no_grad()
def strict_vector(
    relaxed: Float[Tensor, "1 D"],
    target: Float[Tensor, "1 3 R R"],
    draw: Draw,
    features: FeatureNetwork,
    *,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 D"]:
    """The strict vector nearest in image space to `target`, the render of the relaxed one.

    draw: images of vectors, by the engine or the imitator. Choices are made from the surest to the
    least sure; values that the relaxed vector all but excludes are not tried. Raises
    CancelledError.
    """
    vector = relaxed.clone()
    progress.stage("Choose the nearest", len(BLOCKS))
    for block in sorted(BLOCKS, key=lambda block: -float(_part(relaxed, block).max())):
        probable = _part(relaxed, block)[0] >= min(
            LEAST_PROBABLE, float(_part(relaxed, block).max())
        )
        candidates = with_choice(vector, block)[probable]
        if len(candidates) > 1:
            distance = image_distance(draw(candidates), target, features)
            vector = candidates[int(distance.argmin())][None].clone()
        else:
            vector = candidates.clone()
        raise_if_cancelled(progress)
        progress.step()
    return hardened(vector)


def refine_numbers(
    strict: Float[Tensor, "1 D"],
    target: Float[Tensor, "1 3 R R"],
    imitator: Imitator,
    features: FeatureNetwork,
    *,
    steps: int = 30,
    rate: float = 0.1,
    progress: Progress = SILENT,
) -> Float[Tensor, "1 D"]:
    """The strict vector with its numbers moved so that the imitator's image comes nearer to
    `target`; the best of all steps. rate: of Adam, in the numbers' standard deviations. Raises
    CancelledError."""
    free = torch.ones_like(strict)
    free[:, FIRST_CHOICE:LAST_CHOICE] = 0.0
    spread = imitator.spread[None]
    change = torch.zeros_like(strict, requires_grad=True)
    optimizer = torch.optim.Adam([change], rate)
    best, least = strict, float("inf")
    progress.stage("Refine", steps)
    for _ in range(steps + 1):
        raise_if_cancelled(progress)
        vector = (strict + free * spread * change).clamp(0.0, 1.0)
        distance = image_distance(imitator(vector), target, features).sum()
        if float(distance.detach()) < least:
            best, least = vector.detach(), float(distance.detach())
        optimizer.zero_grad(set_to_none=True)
        (distance + STAY * change.square().mean()).backward()
        optimizer.step()
        progress.step()
    return hardened(best)


def _part(vector: Float[Tensor, "1 D"], block: Block) -> Float[Tensor, "1 n"]:
    return vector[:, block.first : block.last]
