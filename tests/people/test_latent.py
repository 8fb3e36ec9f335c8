"""Latents and the people that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portraiture.engine.ancestry import ANCESTRIES
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.people.latent import (
    CHOICE_GROUPS,
    GROUP_SLOTS,
    HAIR_DRAWERS,
    LATENT_SIZE,
    SINGLE_SLOTS,
    person_from_latent,
    sample_latents,
)


def test_slots_cover_the_latent_once() -> None:
    used = np.zeros(LATENT_SIZE, int)
    used[: CHOICE_GROUPS[0][0]] += 1
    for first, last in CHOICE_GROUPS:
        used[first:last] += 1
    for slot in SINGLE_SLOTS.values():
        used[slot] += 1
    assert (used == 1).all()


def test_people_do_not_depend_on_how_many_are_drawn() -> None:
    few, many = sample_latents(2, 7), sample_latents(5, 7)
    assert (few == many[:2]).all()
    assert (sample_latents(1, 7, first=4)[0] == many[4]).all()
    assert not (sample_latents(2, 8) == few).any(1).all()


def test_the_largest_entry_of_a_group_decides() -> None:
    z = np.zeros(LATENT_SIZE)
    z[GROUP_SLOTS["sex"][0] + 1] = 1.0
    straight = next(k for k, a in enumerate(ANCESTRIES) if a.curl[0] < 0.3)
    z[GROUP_SLOTS["ancestry"][0] + straight] = 1.0
    first = GROUP_SLOTS["hair_woman_straight"][0]
    for drawer, style in enumerate(HAIR_DRAWERS[True, False]):
        chosen = z.copy()
        chosen[first + drawer] = 0.5
        person = person_from_latent(chosen)
        assert person.parameters.hair_style == style
        assert person.parameters.sex > 0.5
        assert person.parameters.beard_style == "none"


def test_single_numbers_move_their_parameter_smoothly() -> None:
    z = sample_latents(1, 3)[0].astype(np.float64)
    for name, parameter in (("haemoglobin", "skin_haemoglobin"), ("iris_size", "iris_size")):
        values = []
        for number in np.linspace(-1.5, 1.5, 7):
            z[SINGLE_SLOTS[name]] = number
            values.append(getattr(person_from_latent(z).parameters, parameter))
        steps = np.diff(values)
        assert (steps > 0).all()
        assert steps.max() < 2.0 * steps.min()


def test_people_are_as_varied_as_a_gaussian_says() -> None:
    people = [person_from_latent(z).parameters for z in sample_latents(400, 11)]
    women = np.mean([p.sex > 0.5 for p in people])
    assert 0.42 < women < 0.58
    assert len({p.hair_style for p in people}) >= 11
    melanin = np.array([p.skin_melanin for p in people])
    assert melanin.min() < 0.15
    assert melanin.max() > 0.75


def test_wrong_latents_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        person_from_latent(np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        person_from_latent(np.full(LATENT_SIZE, np.nan))


def test_the_generators_mapping_sees_the_choice_and_not_by_how_much() -> None:
    config = TriPlaneConfig(
        z_dim=LATENT_SIZE, c_dim=0, w_dim=8, choice_groups=CHOICE_GROUPS,
        plane_size=8, plane_features=4, channel_base=32, channel_max=4, superresolution="2X",
        superres_widths=(4, 4),
    )  # fmt: skip
    generator = TriPlaneGenerator(config)
    z = torch.from_numpy(sample_latents(1, 5))
    first, last = GROUP_SLOTS["beard"]
    more, other = z.clone(), z.clone()
    more[:, first + int(z[0, first:last].argmax())] += 2.0
    other[:, first + int(z[0, first:last].argmin())] += 9.0
    ws = generator.mapping(z, None)
    assert torch.equal(ws, generator.mapping(more, None))
    assert not torch.allclose(ws, generator.mapping(other, None))
