from __future__ import annotations

import numpy as np
import pytest
import torch

from portraiture.evaluate.imitator import imitated, measure_imitator, steadiness, way
from portraiture.networks.faces2d import FacesConfig
from portraiture.parametrize.networks import Imitator, ImitatorConfig
from portraiture.parametrize.vector import vector_of
from portraiture.people.pairs import sample_avatar

SIZE = 32


@pytest.fixture
def imitator() -> Imitator:
    torch.manual_seed(0)
    faces = FacesConfig(size=SIZE, channel_base=256, channel_max=32, z_dim=16, w_dim=16)
    return Imitator(ImitatorConfig(faces=faces, hidden=16)).eval()


def test_steps_that_turn_back_are_counted() -> None:
    levels = np.array([0, 10, 30, 20, 40], np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (5, 2, 2, 3))
    rising, roughest = steadiness(images)
    assert rising == pytest.approx(0.75) and roughest == pytest.approx(20.0 / 15.0)
    assert steadiness(images[[0, 1, 3, 4]]) == pytest.approx((1.0, 1.5))
    assert steadiness(np.zeros((3, 2, 2, 3), np.uint8)) == (1.0, 0.0)


def test_an_interpolation_begins_and_ends_with_the_two(imitator: Imitator) -> None:
    a, b = (vector_of(sample_avatar(k, seed=0)) for k in range(2))
    images = way(imitator, a, b, 5)
    assert len(images) == 5
    for image, vector in ((images[0], a), (images[-1], b)):
        assert np.abs(image.astype(int) - imitated(imitator, vector[None])[0]).max() <= 1


@pytest.mark.slow
def test_an_untrained_imitator_is_not_the_engine(imitator: Imitator) -> None:
    found, renders = measure_imitator(imitator, avatars=2)
    assert len(renders) == 2 and renders[0].shape == (SIZE, SIZE, 3)
    assert found.lowest <= found.psnr < 20.0 and 0.0 <= found.rising <= 1.0
