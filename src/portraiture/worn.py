"""What a neural head can put on: glasses, as an addition to its planes. [ours]

The generators' latents have no glasses, so that no direction of w leads to them. They are the same
addition to everybody's planes as painted, where each face's eyes are in one place; the generator
then moves it to fit the face, as it moves whatever is painted (`models.plane_flow`).
`tools/learn_glasses.py` learns it from the engine's people with and without their glasses.
Letters: C channels and P side of a plane; a box is the top, left, height and width of a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.checkpoints import find_weights
from portraiture.convert.store import Card, read_weights, write_weights
from portraiture.errors import CheckpointError, EditError
from portraiture.models.eg3d import TriPlaneGenerator

WORN = ("glasses",)
"""Names of what there is, of edits and of weights."""
Box = tuple[int, int, int, int]


def worn_planes(
    name: str, generator: TriPlaneGenerator, known_as: str
) -> Float[Tensor, "1 3 C P P"]:
    """What is added to the generator's planes as painted. known_as: fingerprint of its weights,
    before any tuning. Raises EditError where it was learned for others."""
    card, parts = _load(name)
    if card.config.get("generator") != known_as:
        raise EditError(f"There are {name} for the shipped generator's heads only.")
    config = generator.config
    size = config.plane_size
    planes = torch.zeros(1, 3, config.plane_features, size, size)
    for plane, ((top, left, height, width), part) in enumerate(
        zip(card.config["boxes"], parts, strict=True)
    ):
        planes[0, plane, :, top : top + height, left : left + width] = part
    return planes.to(generator.backbone.mapping.w_avg)


@lru_cache(maxsize=4)
def _load(name: str) -> tuple[Card, tuple[Tensor, ...]]:
    """Raises CheckpointError where the weights are not of something worn."""
    card, tensors = read_weights(find_weights(name))
    parts = tuple(tensors.get(f"plane{k}", torch.zeros(0)) for k in range(3))
    boxes = card.config.get("boxes", ())
    fits = card.model == "worn" and len(boxes) == len(tensors) == 3
    if not fits or any(list(p.shape[1:]) != b[2:] for p, b in zip(parts, boxes, strict=True)):
        raise CheckpointError(f"{name} is nothing that a head can wear.")
    return card, parts


def save_worn(
    planes: Float[Tensor, "1 3 C P P"], boxes: Sequence[Box], out: Path, card: Card
) -> tuple[Path, ...]:
    """Write the boxes of planes as float16; the paths written. card: its config says the
    generator's fingerprint. Raises OutputError."""
    tensors = {
        f"plane{k}": planes[0, k, :, top : top + height, left : left + width].half()
        for k, (top, left, height, width) in enumerate(boxes)
    }
    card.config["boxes"] = [list(box) for box in boxes]
    return write_weights(out, tensors, card, overwrite=True)
