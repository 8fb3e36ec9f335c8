"""Glasses: whom they are fitted to, where they sit, and what hides them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from numpy import ndarray

from portraiture.camera import eg3d_orbit
from portraiture.checkpoints import load_generator
from portraiture.engine.build import build_bust
from portraiture.errors import EditError
from portraiture.meshing.bake_texture import PosedImage
from portraiture.meshing.surface import metric_camera
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.glasses import PARTS, Glasses, check_wearer, fit_glasses, latents_of, put_on
from portraiture.people.latent import SHAPE_AXES, person_from_latent, sample_latents
from portraiture.people.views import head_frame

SIDE = 96
CAMERA = eg3d_orbit(0.3, 0.0)
FAR = 4.0
"""Beyond every head, EG3D units."""


@pytest.fixture(scope="module")
def heads() -> TriPlaneGenerator:
    return load_generator("heads").requires_grad_(False)


@pytest.fixture(scope="module")
def ws(heads: TriPlaneGenerator) -> torch.Tensor:
    return heads.mapping(torch.from_numpy(sample_latents(1, 123)), None)


@pytest.fixture(scope="module")
def glasses(heads: TriPlaneGenerator, ws: torch.Tensor) -> Glasses:
    return fit_glasses(heads, ws)


def _image(depth: float, opacity: float = 1.0) -> PosedImage:
    def whole(value: float) -> Float32[ndarray, "h h"]:
        return np.full((SIDE // 2, SIDE // 2), value, np.float32)

    grey = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    return PosedImage(grey, metric_camera(CAMERA), whole(opacity), whole(depth))


def test_w_tells_the_shape_of_people_who_were_not_regressed_on(heads: TriPlaneGenerator) -> None:
    z = torch.from_numpy(sample_latents(64, 321))
    found = latents_of(heads, heads.mapping(z, None)[:, 0])[:, :SHAPE_AXES]
    known = z[:, :SHAPE_AXES]
    unknown = (found - known).square().mean() / known.square().mean()
    assert unknown < 0.1


def test_they_are_a_frame_and_lenses_before_the_eyes(glasses: Glasses) -> None:
    assert tuple(part.name for part in glasses.bust.parts) == PARTS
    person = person_from_latent(sample_latents(1, 123)[0])
    bust = build_bust(person.parameters, expression=person.expression, texture_size=64)
    frame = head_frame(bust.landmarks)
    eyes = np.concatenate(
        [frame.to_eg3d(bust.part(name).vertices) for name in ("eye_left", "eye_right")]
    )
    lenses = glasses.frame.to_eg3d(glasses.bust.part("glasses_lenses").vertices)
    low, high = lenses.min(0), lenses.max(0)
    outside, above = eyes[:, :2].max(0)
    inside, below = eyes[:, :2].min(0)
    middle = 0.5 * (above + below)
    open_half = 0.5 * (above - middle)  # lids cover the rest of the eyeballs
    assert low[0] < inside and high[0] > outside
    assert low[1] < middle - open_half and high[1] > middle + open_half
    assert 0.0 < low[2] - eyes[:, 2].max() < 0.06


def test_only_what_the_head_does_not_hide_is_drawn(glasses: Glasses) -> None:
    free, nobody = (
        put_on(shown, glasses, CAMERA) for shown in (_image(FAR), _image(0.0, opacity=0.0))
    )
    assert np.array_equal(free.image, nobody.image)
    assert free.depth is None and nobody.depth is None
    assert free.opacity is not None and nobody.opacity is not None
    assert (free.opacity == 1.0).all()
    assert 0.01 < (nobody.opacity > 0.5).mean() < 0.15
    free = free.image
    dark = (free < 0.25).all(-1)
    assert 0.01 < dark.mean() < 0.15
    before = _image(0.5)
    assert np.array_equal(put_on(before, glasses, CAMERA).image, before.image)
    half = replace(before, depth=np.where(np.arange(SIDE // 2) < SIDE // 4, FAR, 0.5).astype("f4"))
    assert half.depth is not None
    half = replace(half, depth=np.broadcast_to(half.depth, (SIDE // 2, SIDE // 2)).copy())
    rendered = put_on(half, glasses, CAMERA).image
    assert np.array_equal(rendered[:, : SIDE // 2], free[:, : SIDE // 2])
    assert np.array_equal(rendered[:, SIDE // 2 :], before.image[:, SIDE // 2 :])


def test_lenses_are_seen_through(glasses: Glasses) -> None:
    """Between the rims the image shines through."""
    free = put_on(_image(FAR), glasses, CAMERA).image
    changed = np.abs(free - 0.5).max(-1)
    assert ((changed > 0.01) & (changed < 0.25)).mean() > 0.01


def test_others_are_refused(heads: TriPlaneGenerator, ws: torch.Tensor, glasses: Glasses) -> None:
    other = TriPlaneGenerator(replace(heads.config, z_dim=8, choice_groups=(), c_dim=25))
    with pytest.raises(EditError, match="supervised-heads"):
        check_wearer(other)
    with pytest.raises(ValueError, match="style"):
        fit_glasses(heads, ws, "none")
    with pytest.raises(ValueError, match="where the head is"):
        put_on(replace(_image(FAR), depth=None), glasses, CAMERA)
