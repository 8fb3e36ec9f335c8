"""CosFace: large-margin cosine loss (Wang et al. 2018, "CosFace", eq. 4).

Letters: B faces, D length of an embedding, K people.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def cosface_logits(
    cosines: Float[Tensor, "B K"], people: Int[Tensor, "B"], *, scale: float, margin: float
) -> Float[Tensor, "B K"]:
    """scale · (cosine − margin where the person is the right one)."""
    right = F.one_hot(people, cosines.shape[1]).to(cosines.dtype)
    return scale * (cosines - margin * right)


def pair_loss(
    first: Float[Tensor, "B D"], second: Float[Tensor, "B D"], *, scale: float, margin: float
) -> Float[Tensor, ""]:
    """CosFace with the faces themselves for directions: unit embeddings of two images of each of
    B different people, each to be nearer to its counterpart than to all others. It learns from the
    first step, when directions of hundreds of people still mean nothing."""
    cosines, people = first @ second.T, torch.arange(len(first), device=first.device)
    ways = (cosines, cosines.T)
    losses = [
        F.cross_entropy(cosface_logits(c, people, scale=scale, margin=margin), people) for c in ways
    ]
    return (losses[0] + losses[1]) / 2


class CosFace(nn.Module):
    """One direction for each of the K people of the training set; not needed afterwards.

    scale: the sharpness s. margin: the m by which a face must be nearer to its own direction than
    to any other, in cosine.
    """

    def __init__(self, people: int, length: int, *, scale: float = 30.0, margin: float = 0.3):
        super().__init__()
        self.directions = nn.Parameter(torch.randn(people, length) / length**0.5)
        self.scale, self.margin = scale, margin

    def cosines(self, embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Of unit embeddings with every person's direction."""
        return embeddings @ F.normalize(self.directions, dim=1).T

    def forward(
        self, embeddings: Float[Tensor, "B D"], people: Int[Tensor, "B"]
    ) -> Float[Tensor, ""]:
        """The mean loss of unit embeddings whose people are known."""
        logits = cosface_logits(
            self.cosines(embeddings), people, scale=self.scale, margin=self.margin
        )
        return F.cross_entropy(logits, people)
