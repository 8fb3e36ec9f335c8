"""Latents found from people: the people come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.people.find_latent import find_latent
from portraiture.people.latent import SHAPE_AXES, Person, person_from_latent, sample_latents


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_latents_person_comes_back(number: int) -> None:
    z = sample_latents(1, 11, first=number)[0]
    person = person_from_latent(z)
    found = find_latent(person)
    again = person_from_latent(found)
    for name in ("hair_style", "beard_style", "neckline"):
        assert getattr(again.parameters, name) == getattr(person.parameters, name)
    for name in ("sex", "age", "skin_melanin", "hair_melanin", "hair_grey", "hair_length"):
        assert getattr(again.parameters, name) == pytest.approx(
            getattr(person.parameters, name), abs=0.06
        )
    theirs, ours = person.parameters.local_changes(), again.parameters.local_changes()
    assert np.corrcoef(theirs, ours)[0, 1] > 0.9
    assert np.corrcoef(z[:SHAPE_AXES], found[:SHAPE_AXES])[0, 1] > 0.8


def test_a_person_beyond_the_latents_gets_the_nearest() -> None:
    person = person_from_latent(sample_latents(1, 11)[0])
    white = replace(person.parameters, hair_grey=1.0, skin_melanin=0.0)
    found = find_latent(Person(white, {"mouthSmileLeft": 1.0}))
    again = person_from_latent(found)
    assert np.isfinite(found).all()
    assert again.expression["mouthSmileLeft"] > 0.6
    assert again.parameters.skin_melanin < 0.15
    assert again.parameters.hair_grey > 0.5


@pytest.mark.slow
def test_a_face_between_the_sexes_keeps_its_shape() -> None:
    """Latents know two sexes only; the shape is that of the person all the same."""
    person = person_from_latent(sample_latents(1, 12)[0])
    for sex in (0.35, 0.5, 0.65):
        found = find_latent(Person(replace(person.parameters, sex=sex), person.expression))
        again = person_from_latent(found).parameters.local_changes()
        assert np.sqrt(np.square(again - person.parameters.local_changes()).mean()) < 0.02
