"""The strict vector is the nearest in image space, found by brute force; refinement only improves.

The engine is replaced by a linear image of the vector, whose nearest vector is known.
"""

from __future__ import annotations

import pytest
import torch
from patch_features import Blocks
from torch import Tensor

from portraiture.engine.sample import sample_parameters
from portraiture.errors import CancelledError
from portraiture.networks.faces2d import FacesConfig
from portraiture.parametrize.networks import Imitator, ImitatorConfig
from portraiture.parametrize.strict import image_distance, refine_numbers, strict_vector
from portraiture.parametrize.vector import (
    BLOCKS,
    FIRST_CHOICE,
    LAST_CHOICE,
    hardened,
    parameters_of,
    vector_of,
    with_choice,
)
from portraiture.progress import Progress

SIDE = 24


def draw(vectors: Tensor) -> Tensor:
    """Images that show every choice: each probability fills pixels of its own."""
    choices = vectors[:, FIRST_CHOICE:LAST_CHOICE]
    image = torch.zeros(len(vectors), 3 * SIDE * SIDE)
    image[:, : 8 * choices.shape[1]] = choices.repeat_interleave(8, 1)
    return image.view(-1, 3, SIDE, SIDE)


def test_the_nearest_in_image_space_wins_even_against_the_likeliest() -> None:
    known = vector_of(sample_parameters(5))[None]
    relaxed = known.clone()
    block = BLOCKS[0]
    right = int(known[0, block.first : block.last].argmax())
    wrong = (right + 1) % (block.last - block.first)
    relaxed[:, block.first : block.last] = 0.0
    relaxed[:, block.first + right], relaxed[:, block.first + wrong] = 0.4, 0.6
    assert parameters_of(hardened(relaxed)[0]) != parameters_of(known[0])
    assert torch.equal(strict_vector(relaxed, draw(known), draw, Blocks()), known)
    brute = image_distance(draw(with_choice(known, block)), draw(known), Blocks())
    assert int(brute.argmin()) == right


def test_what_the_relaxed_vector_excludes_is_not_tried() -> None:
    known = vector_of(sample_parameters(5))[None]
    seen: list[int] = []

    def counted(vectors: Tensor) -> Tensor:
        seen.append(len(vectors))
        return draw(vectors)

    assert torch.equal(strict_vector(known, draw(known), counted, Blocks()), known)
    assert seen == []
    relaxed = torch.lerp(known, vector_of(sample_parameters(6))[None], 0.5)
    strict_vector(relaxed, draw(relaxed), counted, Blocks())
    assert seen and max(seen) == 2


def test_refinement_comes_nearer_and_leaves_the_choices() -> None:
    torch.manual_seed(0)
    faces = FacesConfig(size=32, channel_base=256, channel_max=32, z_dim=16, w_dim=16)
    imitator = Imitator(ImitatorConfig(faces=faces, hidden=16)).eval().requires_grad_(False)
    start, goal = (vector_of(sample_parameters(k))[None] for k in (1, 2))
    target = imitator(goal)
    before = image_distance(imitator(start), target, Blocks())
    found = refine_numbers(start, target, imitator, Blocks(), steps=15)
    assert float(image_distance(imitator(found), target, Blocks())) < 0.9 * float(before)
    at = slice(FIRST_CHOICE, LAST_CHOICE)
    assert torch.equal(found[:, at], start[:, at])
    assert float(found.min()) >= 0.0 and float(found.max()) <= 1.0
    same = refine_numbers(start, imitator(start), imitator, Blocks(), steps=3)
    assert torch.allclose(same, start)


def test_a_search_can_be_cancelled() -> None:
    class Cancelled:
        cancelled = True

        def stage(self, name: str, total: int | None = None) -> None: ...

        def step(self, n: int = 1, **scalars: float) -> None: ...

    progress: Progress = Cancelled()
    known = vector_of(sample_parameters(5))[None]
    with pytest.raises(CancelledError):
        strict_vector(known, draw(known), draw, Blocks(), progress=progress)
