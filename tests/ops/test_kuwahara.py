"""Kuwahara filter: constants stay, noise goes, edges stay sharp, thin ends become strokes."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.ops.kuwahara import kuwahara


def test_a_constant_is_unchanged() -> None:
    image = np.full((17, 23, 3), 0.37, np.float32)
    np.testing.assert_allclose(kuwahara(image, 4), image, atol=1e-6)


@pytest.mark.parametrize("radius", [1, 3, 6])
def test_noise_goes_and_a_step_stays_where_it_is(radius: int) -> None:
    rng = np.random.default_rng(0)
    clean = np.zeros((64, 64, 3), np.float32)
    clean[:, 32:] = 1.0
    out = kuwahara(clean + rng.normal(0, 0.05, clean.shape).astype(np.float32), radius)
    assert out[:, :24].std() < 0.05 * 0.9
    assert out[:, 31].mean() < 0.25 and out[:, 32].mean() > 0.75


def test_it_commutes_with_turns_of_the_image() -> None:
    image = np.random.default_rng(1).random((20, 20, 1)).astype(np.float32)
    turned = np.rot90(kuwahara(np.rot90(image).copy(), 3), -1)
    inner = slice(6, -6)
    np.testing.assert_allclose(turned[inner, inner], kuwahara(image, 3)[inner, inner], atol=0.05)
