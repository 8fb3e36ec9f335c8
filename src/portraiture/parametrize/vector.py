"""The avatar vector as tensors: its numbers and its choices, strict and relaxed.

vector = numbers (continuous parameters, shapes, details) and a block of probabilities for each
choice: one-hot when strict, any when relaxed (Sang et al. 2022, section 3.3).
Letters: B avatars, D `vector_length()`, C numbers, K probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from portraiture.engine.details import DETAILS
from portraiture.engine.parameters import CONTINUOUS, DISCRETE, AvatarParameters, vector_length
from portraiture.engine.shapes import SHAPES


class Block(NamedTuple):
    """One choice: the entries `first` to `last` - 1 of a vector."""

    name: str
    choices: tuple[str, ...]
    first: int
    last: int


def _blocks() -> tuple[Block, ...]:
    blocks, at = [], len(CONTINUOUS) + len(SHAPES)
    for name, choices in DISCRETE.items():
        blocks.append(Block(name, choices, at, at + len(choices)))
        at += len(choices)
    return tuple(blocks)


BLOCKS = _blocks()
FIRST_CHOICE, LAST_CHOICE = BLOCKS[0].first, BLOCKS[-1].last
NUMBERS: tuple[str, ...] = (*CONTINUOUS, *SHAPES, *DETAILS)
"""Names of the numbers in order."""
CHOICE_SIZE = LAST_CHOICE - FIRST_CHOICE
"""K."""

NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hair_": ("hair_style", ("bald",)),
    "beard_": ("beard_style", ("none",)),
    "glasses_": ("glasses_style", ("none",)),
    "hat_": ("hat_style", ("none",)),
    "tie_": ("neckline", tuple(set(DISCRETE["neckline"]) - {"suit_tie"})),
    "shirt_": (
        "neckline", tuple(set(DISCRETE["neckline"]) - {"suit_tie", "suit_open", "blouse_jacket"}),
    ),
    "cloth_": ("neckline", ("bare",)),
}  # fmt: skip
"""Numbers by the beginning of their names, the choice that they vary, and the values of it with
which they show nothing."""
COLOURS = ("hair_melanin", "hair_redness", "hair_grey")
"""Numbers of hair that show in brows as well."""


def numbers_of(vector: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
    """The numbers of a vector, in the order of `NUMBERS`."""
    return torch.cat([vector[:, :FIRST_CHOICE], vector[:, LAST_CHOICE:]], 1)


def choices_of(vector: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
    """The blocks of a vector side by side."""
    return vector[:, FIRST_CHOICE:LAST_CHOICE]


def joined(numbers: Float[Tensor, "B C"], choices: Float[Tensor, "B K"]) -> Float[Tensor, "B D"]:
    """The vector of its two parts."""
    return torch.cat([numbers[:, :FIRST_CHOICE], choices, numbers[:, FIRST_CHOICE:]], 1)


def relaxed_choices(logits: Float[Tensor, "B K"], beta: float) -> Float[Tensor, "B K"]:
    """Softmax of β times the logits of each block (supplement, equation 4)."""
    sizes = [block.last - block.first for block in BLOCKS]
    return torch.cat([(beta * part).softmax(1) for part in logits.split(sizes, 1)], 1)


def hardened(vector: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """The strict vector: each block's largest probability becomes 1; numbers stay in [0, 1]."""
    out = vector.clamp(0.0, 1.0)
    for block in BLOCKS:
        part = vector[:, block.first : block.last]
        chosen = torch.nn.functional.one_hot(part.argmax(1), part.shape[1])
        out[:, block.first : block.last] = chosen.to(out.dtype)
    return out


def with_choice(vector: Float[Tensor, "1 D"], block: Block) -> Float[Tensor, "n D"]:
    """The vector with every value of one choice."""
    count = block.last - block.first
    out = vector.repeat(count, 1)
    out[:, block.first : block.last] = torch.eye(count).to(out)
    return out


def shown_numbers(vector: Float[Tensor, "B D"]) -> Bool[Tensor, "B C"]:
    """Which numbers of strict vectors show: not the length of absent hair."""
    shown = torch.ones(len(vector), len(NUMBERS), dtype=torch.bool, device=vector.device)
    by_name = {block.name: block for block in BLOCKS}
    for start, (choice, without) in NEEDS.items():
        block = by_name[choice]
        columns = [block.first + block.choices.index(value) for value in without]
        absent = vector[:, columns].sum(1) > 0.5
        named = [
            k for k, name in enumerate(NUMBERS) if name.startswith(start) and name not in COLOURS
        ]
        shown[:, named] &= ~absent[:, None]
    return shown


def parameters_of(vector: Float[Tensor, "D"]) -> AvatarParameters:
    """The parameters of a strict or relaxed vector."""
    values = vector.detach().double().cpu().clamp(0.0, 1.0).numpy()
    return AvatarParameters.from_vector(values)[0]


def vector_of(parameters: AvatarParameters) -> Float[Tensor, "D"]:
    """The strict vector of parameters."""
    return torch.from_numpy(parameters.to_vector().astype(np.float32))


assert LAST_CHOICE + len(DETAILS) == vector_length()
