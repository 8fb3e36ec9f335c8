"""The regularisers against closed forms."""

from __future__ import annotations

import torch

from portraiture.adapt.losses import (
    background_depth,
    background_opacity,
    blurred,
    delta_penalty,
    depth_similarity,
    flatness,
    outside,
)


def test_the_penalty_is_the_sum_of_absolute_values() -> None:
    deltas = [torch.tensor([1.0, -2.0]), torch.tensor([[0.5]])]
    assert float(delta_penalty(deltas)) == 3.5


def test_background_norms_are_frobenius_norms_at_64() -> None:
    """16 pixels of error 0.5 at 64²: √(16 · 0.25) = 2; the same area at 128² is as much."""
    for side in (64, 128):
        part = side // 16
        mask = torch.zeros(2, 1, side, side)
        mask[..., :part, :part] = 1.0
        depth = torch.full((2, 1, side, side), 3.0)
        assert abs(float(background_depth(depth, mask, 2.5)) - 2.0) < 1e-4
        opacity = torch.full((2, 1, side, side), 0.5)
        assert abs(float(background_opacity(opacity, mask)) - 2.0) < 1e-4


def test_the_background_lies_beyond_a_margin() -> None:
    opacity = torch.zeros(1, 1, 50, 50)
    opacity[..., 20:30, 20:30] = 1.0
    empty = outside(opacity)
    assert float(empty[..., 17:33, 17:33].sum()) == 0.0
    assert float(empty.sum()) == 50**2 - 16**2


def test_a_billboard_is_flat_and_a_body_is_not() -> None:
    opacity = torch.ones(1, 1, 8, 8)
    flat = torch.full((1, 1, 8, 8), 2.0)
    assert abs(float(flatness(flat, opacity))) < 1e-4
    deep = flat.clone()
    deep[..., :4] = 1.8
    deep[..., 4:] = 2.2
    assert abs(float(flatness(deep, opacity)) + 0.1) < 1e-4


def test_similar_depths_differ_by_their_square_inside_both_heads() -> None:
    opacity = torch.zeros(1, 1, 32, 32)
    opacity[..., 8:24, 8:24] = 1.0
    depth = torch.full((1, 1, 32, 32), 2.5)
    loss = depth_similarity(depth + 0.1, depth, opacity, opacity, blur=0.05)
    assert abs(float(loss) - 0.01) < 1e-5
    nowhere = depth_similarity(depth + 0.1, depth, opacity, 0 * opacity, blur=0.05)
    assert float(nowhere) == 0.0


def test_the_blur_forgives_what_is_fine() -> None:
    opacity = torch.ones(1, 1, 64, 64)
    depth = torch.full((1, 1, 64, 64), 2.5)
    stripes = 0.1 * (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    fine = depth_similarity(depth + stripes - 0.05, depth, opacity, opacity, blur=0.05)
    assert float(fine) < 1e-4


def test_the_blur_keeps_sums_and_has_its_deviation() -> None:
    x = torch.zeros(1, 1, 41, 41)
    x[..., 20, 20] = 1.0
    y = blurred(x, 3.0)[0, 0]
    at = torch.arange(41.0) - 20.0
    assert abs(float(y.sum()) - 1.0) < 1e-5
    assert abs(float((y.sum(0) * at.square()).sum()) ** 0.5 - 3.0) < 0.1
