"""Inversion by optimisation: what a generator drew can be found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from recorded_progress import RecordedProgress

from portraiture.camera import eg3d_orbit, from_eg3d, to_eg3d
from portraiture.invert.pti import (
    OPTIMISERS,
    OptimiseConfig,
    moved_camera,
    optimise,
    w_space,
)
from portraiture.invert.reconstruct import LossNetworks, LossWeights, losses, render_image
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.perception.target import Target
from portraiture.triplane.rendering import RenderingConfig

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=8, channel_base=256,
    channel_max=16, decoder_hidden=16, neural_resolution=16, superresolution="2X",
    superres_widths=(8, 8),
    rendering=RenderingConfig(depth_resolution=8, importance_resolution=0),
)  # fmt: skip
QUICK = OptimiseConfig(
    latent_steps=40, generator_steps=0, latent_rate=0.2, rays=16, samples=256, pull=0.0
)


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    torch.manual_seed(0)
    return TriPlaneGenerator(CONFIG).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def networks() -> LossNetworks:
    torch.manual_seed(1)
    network = ParserNetwork(ParserConfig(widths=(4, 4, 8, 8), size=64))
    return LossNetworks(network.eval().requires_grad_(False))


def _target(generator: TriPlaneGenerator, ws: torch.Tensor, yaw: float = 0.0) -> Target:
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float()[None]
    with torch.no_grad():
        image = render_image(generator, ws, generator.planes(ws), camera, rays=16)
    return Target(image, image, torch.ones(1, 1, *image.shape[2:]), camera)


def _person(generator: TriPlaneGenerator, seed: int) -> torch.Tensor:
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(seed))
    return generator.mapping(z, None)


def test_the_space_of_w_has_its_mean_and_covariance(generator: TriPlaneGenerator) -> None:
    space = w_space(generator, samples=2000, seed=5)
    z = torch.randn(2000, 8, generator=torch.Generator().manual_seed(5))
    w = generator.mapping(z, None)[:, 0]
    assert torch.allclose(space.mean, w.mean(0), atol=1e-5)
    covariance = space.basis.T @ space.basis
    truth = torch.cov(w.T)
    assert (covariance - truth).norm() < 2e-3 * truth.norm()
    assert len(space.basis) <= 8 * 2


def test_w_of_a_drawn_person_is_found(generator: TriPlaneGenerator, networks: LossNetworks) -> None:
    target = _target(generator, _person(generator, 3))
    told = RecordedProgress()
    found = optimise(generator, target, networks, QUICK, progress=told)
    assert found.facts["steps"] == 40
    assert (told.stages, told.steps) == ([("Optimise the latent", 40)], {"Optimise the latent": 40})
    mean = generator.mapping(torch.zeros(1, 8), None) * 0 + w_space(generator, samples=256).mean
    error = [float((_target(generator, ws).image - target.image).square().mean())
             for ws in (mean, found.ws)]  # fmt: skip
    assert error[1] < 0.3 * error[0]
    assert torch.equal(found.ws, found.ws[:, :1].expand_as(found.ws))
    assert found.generator is generator


def test_tuning_goes_further_and_leaves_the_generator_alone(
    generator: TriPlaneGenerator, networks: LossNetworks
) -> None:
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    target = _target(generator, _person(generator, 4))
    target = replace(target, image=target.image.flip(3))
    alone = optimise(generator, target, networks, replace(QUICK, latent_steps=10))
    config = replace(QUICK, latent_steps=10, generator_steps=15, generator_rate=3e-3)
    both = optimise(generator, target, networks, config)
    assert both.facts["steps"] == 25
    assert both.facts["loss"] < alone.facts["loss"]
    assert both.generator is not generator
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_each_row_can_move_alone(generator: TriPlaneGenerator, networks: LossNetworks) -> None:
    target = _target(generator, _person(generator, 6))
    config = replace(QUICK, latent_steps=5, rows="each")
    found = optimise(generator, target, networks, config, start=_person(generator, 7))
    assert not torch.equal(found.ws[:, 0], found.ws[:, 1])


def test_a_camera_is_moved_in_its_own_axes() -> None:
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.4, 0.2))).float()[None]
    still = moved_camera(camera, torch.zeros(6))
    assert torch.allclose(still, camera, atol=1e-6)
    motion = torch.tensor([0.0, 0.3, 0.0, 0.0, 0.0, 0.1])
    before = from_eg3d(camera[0].numpy()).T_world_cam
    after = from_eg3d(moved_camera(camera, motion)[0].numpy()).T_world_cam
    assert np.allclose(after[:3, 3], before[:3, 3] + 0.1 * before[:3, 2], atol=1e-5)
    assert np.allclose(after[:3, 1], before[:3, 1], atol=1e-5)
    assert np.isclose(after[:3, 2] @ before[:3, 2], np.cos(0.3), atol=1e-5)


@pytest.mark.slow
def test_a_turned_camera_is_found_with_the_person(
    generator: TriPlaneGenerator, networks: LossNetworks
) -> None:
    """The person is given; only the camera is off."""
    ws = _person(generator, 8)
    truth = _target(generator, ws, yaw=0.0)
    motion = torch.tensor([0.01, -0.02, 0.03, 0.02, 0.03, 0.0])
    wrong = replace(truth, camera=moved_camera(truth.camera, motion))
    config = replace(
        QUICK, latent_rate=0.0, camera_rate=0.005, latent_steps=60,
        weights=LossWeights(perceptual=0.0),
    )  # fmt: skip
    found = optimise(generator, wrong, networks, config, with_camera=True, start=ws)
    renders = [
        render_image(generator, ws, generator.planes(ws), camera, rays=16)
        for camera in (wrong.camera, found.camera)
    ]
    errors = [float((image - truth.image).norm()) for image in renders]
    assert errors[1] < 0.3 * errors[0]


def test_cancelled_it_keeps_what_there_is(
    generator: TriPlaneGenerator, networks: LossNetworks
) -> None:
    target = _target(generator, _person(generator, 9))
    found = optimise(generator, target, networks, QUICK, progress=RecordedProgress(cancel_after=3))
    assert found.facts["steps"] == 3
    assert found.facts["stopped"]
    assert torch.isfinite(found.ws).all()


def test_cancelled_in_the_first_stage_it_skips_the_second(
    generator: TriPlaneGenerator, networks: LossNetworks
) -> None:
    target = _target(generator, _person(generator, 9))
    config = replace(QUICK, generator_steps=5)
    told = RecordedProgress(cancel_after=1)
    found = optimise(generator, target, networks, config, progress=told)
    assert (found.facts["steps"], found.generator) == (1, generator)
    assert told.steps == {"Optimise the latent": 1}


def test_losses_are_weighted_and_vanish_on_the_photo_itself(networks: LossNetworks) -> None:
    photo = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    same = losses(photo, photo, networks, LossWeights())
    assert all(float(value) < 1e-6 for value in same.values())
    other = losses(photo * 0.5, photo, networks, LossWeights(image=3.0))
    assert torch.isclose(other["image"], 3.0 * (0.5 * photo).square().mean())
    assert "identity" not in other


def test_step_counts_are_the_published_ones() -> None:
    counts = {name: (c.latent_steps, c.generator_steps) for name, c in OPTIMISERS.items()}
    assert counts == {"w": (450, 0), "pti": (450, 350), "pose-opt": (400, 400)}
