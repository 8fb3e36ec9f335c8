"""A vector's parts come apart and together again; strict stays strict; what cannot be seen is not
asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.parametrize.vector import (
    BLOCKS,
    CHOICE_SIZE,
    FIRST_CHOICE,
    NUMBERS,
    choices_of,
    hardened,
    joined,
    numbers_of,
    parameters_of,
    relaxed_choices,
    shown_numbers,
    vector_of,
    with_choice,
)


def shown(parameters: AvatarParameters) -> set[str]:
    mask = shown_numbers(vector_of(parameters)[None])[0]
    return {name for name, one in zip(NUMBERS, mask.tolist(), strict=True) if one}


def test_numbers_and_choices_make_the_vector() -> None:
    vector = vector_of(sample_parameters(4))[None]
    assert torch.equal(joined(numbers_of(vector), choices_of(vector)), vector)
    assert numbers_of(vector).shape[1] == len(NUMBERS)
    values = dict(zip(NUMBERS, numbers_of(vector)[0].tolist(), strict=True))
    assert values["age"] == pytest.approx(sample_parameters(4).age)


def test_parameters_come_back_from_their_vector() -> None:
    known = sample_parameters(7)
    found = parameters_of(vector_of(known))
    assert all(getattr(found, name) == getattr(known, name) for name in DISCRETE)
    assert np.abs(found.to_vector() - known.to_vector()).max() < 1e-6


def test_relaxed_choices_are_distributions_that_beta_sharpens() -> None:
    logits = torch.randn(5, CHOICE_SIZE, generator=torch.Generator().manual_seed(0))
    sharpest = []
    for beta in (1.0, 4.0, 100.0):
        found = relaxed_choices(logits, beta)
        parts = [found[:, b.first - FIRST_CHOICE : b.last - FIRST_CHOICE] for b in BLOCKS]
        for part in parts:
            assert torch.allclose(part.sum(1), torch.ones(5))
        sharpest.append(torch.stack([part.max(1).values for part in parts]).mean())
    assert sharpest[0] < sharpest[1] < sharpest[2]
    block = BLOCKS[0]
    at = slice(0, block.last - block.first)
    expected = torch.exp(4.0 * logits[:, at])
    assert torch.allclose(
        relaxed_choices(logits, 4.0)[:, at], expected / expected.sum(1, keepdim=True)
    )


def test_hardening_keeps_a_strict_vector_and_takes_the_largest_of_a_relaxed_one() -> None:
    strict = vector_of(sample_parameters(2))[None]
    assert torch.equal(hardened(strict), strict)
    block = BLOCKS[0]
    relaxed = strict.clone()
    relaxed[:, block.first : block.last] = 0.1
    relaxed[:, block.first + 3] = 0.3
    assert parameters_of(hardened(relaxed)[0]).hair_style == block.choices[3]


def test_every_candidate_differs_in_its_choice_alone() -> None:
    vector = vector_of(sample_parameters(2))[None]
    block = next(b for b in BLOCKS if b.name == "beard_style")
    candidates = with_choice(vector, block)
    found = [parameters_of(one).beard_style for one in candidates]
    assert tuple(found) == block.choices
    rest = torch.ones(vector.shape[1], dtype=torch.bool)
    rest[block.first : block.last] = False
    assert torch.equal(candidates[:, rest], vector[:, rest].repeat(len(candidates), 1))


def test_numbers_of_what_is_absent_are_not_shown() -> None:
    person = replace(
        sample_parameters(0), hair_style="bob", beard_style="goatee", glasses_style="round",
        hat_style="cap", neckline="suit_tie",
    )  # fmt: skip
    assert shown(person) == set(NUMBERS)
    assert shown(person) - shown(replace(person, beard_style="none")) == {
        "beard_length", "beard_density", "beard_grey"
    }  # fmt: skip
    lost = shown(person) - shown(replace(person, hair_style="bald"))
    assert "hair_length" in lost and "hair_melanin" not in lost
    lost = shown(person) - shown(replace(person, neckline="crew"))
    assert lost == {f"{part}_{c}" for part in ("tie", "shirt") for c in ("red", "green", "blue")}
    assert shown(person) - shown(replace(person, glasses_style="none", hat_style="none")) == {
        name for name in NUMBERS if name.startswith(("glasses_", "hat_"))
    }
