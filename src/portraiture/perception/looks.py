"""Looks of a portrait: hair, beard, glasses, clothes, each one of a few classes [ours].

features, colours ─pooled over regions of the segmentation─▶ MLP ─▶ logits of each of `LOOKS`
Letters: B images, C channels, K segments, G regions, h×w cells of the deepest features.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.engine.classes import CLASSES
from portraiture.types import Segment

Look = Literal["hair", "form", "fringe", "colour", "beard", "glasses", "clothes", "skin", "sex"]
LOOKS: dict[Look, tuple[str, ...]] = {
    **CLASSES, "skin": ("1", "2", "3", "4", "5", "6"), "sex": ("m", "f"),
}  # fmt: skip
"""Classes of each look. hair: its length, or how it recedes; medium is over the ears or to the jaw.
skin: from light to dark."""
NAMES: tuple[Look, ...] = get_args(Look)
REGIONS: tuple[tuple[Segment, ...], ...] = (
    (Segment.HAIR,),
    (Segment.SKIN, Segment.NOSE),
    (Segment.UPPER_LIP, Segment.LOWER_LIP, Segment.MOUTH),
    (Segment.LEFT_EYE, Segment.RIGHT_EYE, Segment.GLASSES, Segment.LEFT_BROW, Segment.RIGHT_BROW),
    (Segment.CLOTH, Segment.NECK),
    (Segment.BACKGROUND,),
)
"""Regions that are pooled apart."""
AROUND = 3
"""Cells by which the lips' and the eyes' regions are widened, to hold beards and frames."""
HIDDEN = 192


class LooksHead(nn.Module):
    """Logits of every look, from a parser's deepest features and its own segmentation."""

    def __init__(self, channels: int, dropout: float = 0.3) -> None:
        super().__init__()
        size = len(REGIONS) * (channels + 1 + 6) + channels
        self.hidden = nn.Sequential(
            nn.LayerNorm(size), nn.Dropout(dropout), nn.Linear(size, HIDDEN), nn.ReLU(),
            nn.Dropout(dropout),
        )  # fmt: skip
        self.out = nn.Linear(HIDDEN, sum(len(LOOKS[name]) for name in NAMES))

    def forward(
        self, features: Float[Tensor, "B C h w"], logits: Float[Tensor, "B K H W"],
        images: Float[Tensor, "B 3 H W"],
    ) -> Float[Tensor, "B L"]:  # fmt: skip
        """All logits side by side, in the order of `NAMES`; `split` names them."""
        with torch.no_grad():
            fine = F.avg_pool2d(logits.float().softmax(1), 4)
        colours = F.avg_pool2d(images.float(), 4)
        coarse = F.adaptive_avg_pool2d(fine, (features.shape[-2], features.shape[-1]))
        parts = [features.float().mean((2, 3))]
        for k, region in enumerate(REGIONS):
            chosen = [int(segment) for segment in region]
            mask = coarse[:, chosen].sum(1, keepdim=True)
            if k in (2, 3):
                mask = F.max_pool2d(mask, 2 * AROUND + 1, 1, AROUND)
            parts += [_mean(features.float(), mask), mask.mean((2, 3))]
            own = fine[:, chosen].sum(1, keepdim=True)
            mean = _mean(colours, own)
            spread = _mean((colours - mean[..., None, None]).square(), own).clamp_min(1e-6).sqrt()
            parts += [mean, spread]
        return self.out(self.hidden(torch.cat(parts, 1)))


def _mean(
    values: Float[Tensor, "B C h w"], weight: Float[Tensor, "B 1 h w"]
) -> Float[Tensor, "B C"]:
    return (values * weight).sum((2, 3)) / (weight.sum((2, 3)) + 1e-3)


def split(logits: Float[Tensor, "B L"]) -> dict[Look, Float[Tensor, "B n"]]:
    """The logits of each look."""
    sizes = [len(LOOKS[name]) for name in NAMES]
    return dict(zip(NAMES, logits.split(sizes, 1), strict=True))
