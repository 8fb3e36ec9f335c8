from __future__ import annotations

import numpy as np
import pytest
import torch
from untrained_lift import networks_of

from portraiture.evaluate.lift import held_out_scene
from portraiture.evaluate.lift_images import (
    frechet_of_lifted,
    frontal,
    lifted_images,
    measure_relighting,
    relit_images,
)
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.people.latent import LATENT_SIZE
from portraiture.people.scene import scene_from_numbers


def test_the_front_keeps_person_and_light() -> None:
    z = held_out_scene(3)
    front = frontal(z)
    scene, before = (scene_from_numbers(one[LATENT_SIZE:]) for one in (front, z))
    assert scene.yaw == scene.pitch == 0.0 and before.yaw != 0.0
    assert np.array_equal(scene.light.ambient, before.light.ambient)
    assert np.array_equal(front[:LATENT_SIZE], z[:LATENT_SIZE])


def test_relit_by_the_own_light_nothing_changes() -> None:
    faces, networks = networks_of()
    z = frontal(held_out_scene(0))
    relit, kept, _ = relit_images(faces, networks, z, z)
    assert np.allclose(relit, kept, atol=1e-5)
    other = frontal(held_out_scene(1))
    other[:LATENT_SIZE] = z[:LATENT_SIZE]
    assert np.abs(relit_images(faces, networks, z, other)[0] - kept).max() > 1e-3
    scores = measure_relighting(faces, networks, people=1)
    assert scores == measure_relighting(faces, networks, people=1)
    assert 0.0 < scores.relit < 30.0 and 0.0 < scores.generated < 30.0


def test_distributions_of_lifted_and_generated_images() -> None:
    """With means of colours for features: the generator's own images are nearer to its others than
    what untrained networks make of them; features that tell nothing apart make all alike."""
    faces, networks = networks_of()
    colours = FeatureExtractor("colours", lambda x: x.mean((2, 3)))
    lifted, own = frechet_of_lifted(faces, networks, colours, people=8)
    assert 0.0 <= own < lifted
    seen, image = next(lifted_images(faces, networks, 1))
    assert seen.shape == image.shape and float(seen.abs().max()) <= 1.0
    assert not torch.equal(seen, image)
    alike = FeatureExtractor("alike", lambda x: torch.zeros(len(x), 2))
    assert frechet_of_lifted(faces, networks, alike, people=2) == pytest.approx((0.0, 0.0))
