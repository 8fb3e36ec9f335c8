"""Losses of AgileAvatar's trainings (Sang et al. 2022, section 3.3; supplement, equations 1 to 3).

Letters: B avatars, D length of a vector, C numbers, K probabilities, n side of an image, G regions,
S segments.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from portraiture.parametrize.vector import (
    BLOCKS,
    FIRST_CHOICE,
    choices_of,
    numbers_of,
    shown_numbers,
)
from portraiture.perception.features import FeatureNetwork, perceptual_distance
from portraiture.perception.identity import IdentityNetwork, face_crop
from portraiture.types import Segment

REGIONS: tuple[tuple[Segment, ...], ...] = (
    (Segment.HAIR,),
    (Segment.SKIN, Segment.NOSE),
    (Segment.UPPER_LIP, Segment.LOWER_LIP),
    (Segment.LEFT_BROW, Segment.RIGHT_BROW),
    (Segment.LEFT_EYE, Segment.RIGHT_EYE),
    (Segment.CLOTH,),
)
"""Segments whose mean colours are compared."""
LEAST = 4.0
"""Pixels that a region needs in both images."""


def imitation_losses(
    image: Float[Tensor, "B 3 n n"],
    target: Float[Tensor, "B 3 n n"],
    features: FeatureNetwork,
    identity: IdentityNetwork,
) -> dict[str, Float[Tensor, ""]]:
    """Equation 1's three terms without their weights: L1, perceptual distance, 1 - cosine of the
    embeddings. [ours] The networks are those of `perception` instead of VGG-16 and ArcFace."""
    side = identity.config.size
    with torch.no_grad():
        wanted = identity(face_crop(target, side))
    found = identity(face_crop(image, side))
    return {
        "image": (image - target).abs().mean(),
        "perceptual": perceptual_distance(features, image, target).mean(),
        "identity": (1.0 - (found * wanted).sum(1)).mean(),
    }


def region_colours(
    image: Float[Tensor, "B 3 n n"], probabilities: Float[Tensor, "B S n n"]
) -> tuple[Float[Tensor, "B G 3"], Float[Tensor, "B G"]]:
    """Mean colour of each of `REGIONS`, and how many pixels it has."""
    masks = torch.stack(
        [probabilities[:, [int(s) for s in region]].sum(1) for region in REGIONS], 1
    )
    count = masks.sum((2, 3))
    total = torch.einsum("bgij,bcij->bgc", masks, image)
    return total / count[..., None].clamp_min(1e-3), count


def colour_loss(
    image: Float[Tensor, "B 3 n n"],
    target: Float[Tensor, "B 3 n n"],
    image_parsed: Float[Tensor, "B S n n"],
    target_parsed: Float[Tensor, "B S n n"],
) -> Float[Tensor, ""]:
    """L1 of the mean colours of the regions that both images have (section 3.3). *_parsed:
    probabilities of segments, through which no gradient flows."""
    found, own = region_colours(image, image_parsed.detach())
    wanted, theirs = region_colours(target, target_parsed.detach())
    both = ((own > LEAST) & (theirs > LEAST)).to(found.dtype)
    return ((found - wanted).abs().mean(2) * both).sum() / both.sum().clamp_min(1.0)


def number_loss(
    found: Float[Tensor, "B C"], vector: Float[Tensor, "B D"], spread: Float[Tensor, "C"]
) -> Float[Tensor, ""]:
    """Huber distance of the numbers that show (`shown_numbers`), in standard deviations."""
    shown = shown_numbers(vector).to(found.dtype)
    error = F.smooth_l1_loss(found / spread, numbers_of(vector) / spread, reduction="none")
    return (error * shown).sum() / shown.sum().clamp_min(1.0)


def choice_loss(
    logits: Float[Tensor, "B K"], vector: Float[Tensor, "B D"], beta: float = 1.0
) -> Float[Tensor, ""]:
    """Cross-entropy of the softmax of β times the logits, averaged over the choices: of the same
    probabilities that `vector.relaxed_choices` makes."""
    losses = [
        F.cross_entropy(
            beta * logits[:, block.first - FIRST_CHOICE : block.last - FIRST_CHOICE],
            vector[:, block.first : block.last].argmax(1),
        )
        for block in BLOCKS
    ]
    return torch.stack(losses).mean()


def right_choices(
    logits: Float[Tensor, "B K"], vector: Float[Tensor, "B D"]
) -> Bool[Tensor, "B blocks"]:
    """Which choices are right."""
    wanted = choices_of(vector)
    columns = []
    for block in BLOCKS:
        at = slice(block.first - FIRST_CHOICE, block.last - FIRST_CHOICE)
        columns.append(logits[:, at].argmax(1) == wanted[:, at].argmax(1))
    return torch.stack(columns, 1)
