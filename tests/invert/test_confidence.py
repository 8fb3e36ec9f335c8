"""Confidence against distances that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.invert import confidence as measured
from portraiture.invert.confidence import (
    DRAWN,
    confidence,
    knows_people,
    photo_distance,
    scaled,
    unshaded,
)
from portraiture.invert.inversion import Inversion
from portraiture.metrics.perceptual import ImageDistance
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.perception.target import Target
from portraiture.triplane.rendering import RenderingConfig

SIZES = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=8, channel_base=256, channel_max=16,
    decoder_hidden=8, neural_resolution=16, superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(
        depth_resolution=6, importance_resolution=0, white_background=True
    ),
)  # fmt: skip
MEAN_SQUARE = ImageDistance("mean-square", lambda a, b: (a - b).square().mean((1, 2, 3)))


def _inverted() -> tuple[TriPlaneGenerator, Inversion, Target]:
    """A head and the image of it, as a photo."""
    torch.manual_seed(0)
    generator = TriPlaneGenerator(SIZES).eval().requires_grad_(False)
    ws = generator.mapping(torch.randn(1, 8), None)
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.1, 0.0))).float()[None]
    found = Inversion(ws, generator.planes(ws), camera, generator)
    image = generator.synthesize(ws, camera, deterministic=True).image.clamp(-1.0, 1.0)
    return generator, found, Target(image, image, torch.ones(1, 1, 128, 128), camera)


def test_what_the_generator_draws_itself_leaves_nothing() -> None:
    generator, found, target = _inverted()
    assert photo_distance(found, generator, target, MEAN_SQUARE) < 1e-4


def test_tuning_and_refining_do_not_make_a_strange_image_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What counts is the untuned generator's image of w+ alone."""
    generator, found, target = _inverted()
    strange = replace(target, image=-target.image)
    tuned = TriPlaneGenerator(SIZES).eval()
    bent = replace(found, generator=tuned, planes=torch.zeros_like(found.planes))
    plain = photo_distance(found, generator, strange, MEAN_SQUARE)
    assert photo_distance(bent, generator, strange, MEAN_SQUARE) == pytest.approx(plain, rel=1e-5)
    monkeypatch.setattr(measured, "SCALES", {"mean-square": (0.0, 0.5 * plain)})
    monkeypatch.setattr(measured, "unshaded", lambda target: 0.0)
    assert confidence(bent, generator, strange, MEAN_SQUARE) == 0.0
    assert confidence(found, generator, target, MEAN_SQUARE) > 0.95


def test_the_scale_is_linear_between_its_ends() -> None:
    assert [scaled(x, 2.0, 4.0) for x in (1.0, 2.0, 3.0, 3.5, 4.0, 9.0)] == [
        1.0, 1.0, 0.5, 0.25, 0.0, 0.0,
    ]  # fmt: skip


def test_there_is_a_scale_for_generators_of_our_people_only() -> None:
    assert not knows_people(TriPlaneGenerator(SIZES))


def _target(crop: torch.Tensor) -> Target:
    return Target(crop, crop, torch.ones(1, 1, *crop.shape[2:]), torch.zeros(1, 25))


def test_what_is_not_shaded_is_a_drawing() -> None:
    """A ramp of half a code a pixel is shaded, one colour and paper with a few lines are not; what
    lies beside the face does not count."""
    side = 256
    ramp = (torch.arange(side) * 0.5 / 127.5 - 0.5).expand(1, 3, side, side).clone()
    assert unshaded(_target(ramp)) == 0.0
    assert unshaded(_target(torch.full((1, 3, side, side), 0.2))) == 1.0
    rng = torch.Generator().manual_seed(0)
    noise = 0.3 * torch.rand(1, 1, 512, 512, generator=rng).expand(1, 3, -1, -1)
    assert unshaded(_target(noise)) < 0.01
    paper = (1.0 - 0.05 * noise).clone()
    paper[..., ::16] = -1.0
    assert unshaded(_target(paper)) > DRAWN
    beside = ramp.clone()
    beside[..., :70] = 0.2
    assert unshaded(_target(beside)) == 0.0
    half = ramp.clone()
    half[..., :128] = 0.2
    assert unshaded(_target(half)) == pytest.approx(0.5, abs=0.04)


def test_a_drawing_has_no_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, found, target = _inverted()
    monkeypatch.setattr(measured, "SCALES", {"mean-square": (1.0, 2.0)})
    monkeypatch.setattr(measured, "unshaded", lambda target: 0.0)
    assert confidence(found, generator, target, MEAN_SQUARE) == 1.0
    monkeypatch.setattr(measured, "unshaded", lambda target: 0.21)
    assert confidence(found, generator, target, MEAN_SQUARE) == 0.0
