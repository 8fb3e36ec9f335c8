"""Augmentation: each transformation alone against its closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from portraiture.networks.augment import (
    NOTHING,
    SYM6,
    Strengths,
    _Chance,
    _geometry,
    _GridSample,
    _warp,
    adapted,
    augment,
)

B = 64


def _images(size: int = 8, channels: int = 3, batch: int = B) -> Tensor:
    return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(5)) - 0.5


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _only(x: Tensor, p: float = 1.0, **kinds: float) -> Tensor:
    return augment(x, p, _seeded(), strengths=replace(NOTHING, **kinds))


def test_p_zero_and_no_transformation_are_the_identity() -> None:
    x = _images()
    assert torch.equal(augment(x, 0.0, _seeded()), x)
    assert torch.equal(_only(x), x)


def test_images_that_get_nothing_stay_bit_for_bit() -> None:
    x = _images()
    out = augment(x, 0.05, _seeded())
    same = [torch.equal(a, b) for a, b in zip(out, x, strict=True)]
    assert 10 < sum(same) < B  # (1 - p)^13 of them, about 0.5


def test_same_generator_same_bits_and_both_halves_alike() -> None:
    x = _images(16)
    once = augment(x, 0.8, _seeded(3))
    assert torch.equal(once, augment(x, 0.8, _seeded(3)))
    assert not torch.equal(once, augment(x, 0.8, _seeded(4)))
    twice = augment(torch.cat([x, x], 1), 0.8, _seeded(3))
    assert torch.equal(twice[:, :3], twice[:, 3:])
    assert torch.allclose(twice[:, :3], once, atol=1e-6)
    with pytest.raises(ValueError, match="3 or 6 channels"):
        augment(x[:, :2], 0.5, _seeded())


def test_flips() -> None:
    x = _images()
    out = _only(x, flip=1)
    flipped = [torch.equal(a, b.flip(-1)) for a, b in zip(out, x, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(out, x, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))
    assert 20 < sum(flipped) < 44


def test_quarter_turns() -> None:
    x = _images()
    out = _only(x, turn=1)
    which = [
        next(k for k in range(4) if torch.equal(a, torch.rot90(b, k, (1, 2))))
        for a, b in zip(out, x, strict=True)
    ]
    assert set(which) == {0, 1, 2, 3}


def test_whole_pixel_shifts_reflect() -> None:
    x = _images(16)
    out = _only(x, shift=1)
    found = set()
    for a, b in zip(out.numpy(), x.numpy(), strict=True):
        wide = np.pad(b, ((0, 0), (2, 2), (2, 2)), mode="reflect")
        places = [
            (i - 2, j - 2)
            for i, j in np.ndindex(5, 5)
            if np.array_equal(a, wide[:, 4 - i : 20 - i, 4 - j : 20 - j])
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) > 12 and {i for i, _ in found} == {-2, -1, 0, 1, 2}


def test_probability() -> None:
    x = _images(8, batch=500)
    for kind in ("brightness", "hue", "shift", "scale", "rotate"):
        changed = (_only(x, 0.4, **{kind: 1.0}) != x).flatten(1).any(1).float().mean()
        expected = 0.4 * (3 / 4 if kind == "shift" else 1)  # half of an 8-pixel side's are by 0
        assert abs(float(changed) - expected) < 0.07, kind


def test_wavelet_is_orthonormal() -> None:
    taps = np.array(SYM6)
    assert np.isclose(taps.sum(), np.sqrt(2))
    for k in range(6):
        assert np.isclose(taps[2 * k :] @ taps[: 12 - 2 * k], float(k == 0), atol=1e-10)


def _pattern(u: Tensor, v: Tensor) -> Tensor:
    return torch.stack([torch.cos(3 * u + 1), torch.sin(2 * v), torch.cos(2 * u - 3 * v)], -3)


def _grid(size: int) -> tuple[Tensor, Tensor]:
    t = (torch.arange(size) + 0.5) / size * 2 - 1
    v, u = torch.meshgrid(t, t, indexing="ij")
    return u, v


def test_warp_of_a_smooth_image() -> None:
    size, angle = 64, 0.6
    c, s = float(np.cos(angle) * 0.8), float(np.sin(angle) * 0.8)
    maps = torch.tensor([[[1.0, 0, 0], [0, 1, 0]], [[c, -s, 0.1], [s, c, -0.05]]])
    u, v = _grid(size)
    x = _pattern(u, v).expand(2, -1, -1, -1)
    out = _warp(x, maps, torch.tensor([True, True]))
    inner = slice(8, -8)
    assert (out[0] - x[0])[:, inner, inner].abs().max() < 1e-5
    assert (out[0] - x[0]).abs().max() < 0.01  # the kink where the image is reflected
    expected = _pattern(c * u - s * v + 0.1, s * u + c * v - 0.05)
    assert (out[1] - expected)[:, inner, inner].abs().max() < 4e-3


def test_warp_reflects_at_the_border() -> None:
    x = _pattern(*_grid(32))[None]
    maps = torch.tensor([[[1.0, 0, 0.5], [0, 1, 0]]])  # output u shows input u + 0.5
    out = _warp(x, maps, torch.tensor([True]))
    mirrored = torch.cat([x, x.flip(-1)], -1)[..., 8:40]
    assert (out - mirrored)[..., 2:-2, 2:-2].abs().max() < 0.03


def _maps(**kinds: float) -> tuple[Tensor, Tensor]:
    chance = _Chance(torch.zeros(4000, 3, 2, 2), 1.0, _seeded())
    maps, moves = _geometry(chance, replace(NOTHING, **kinds))
    return maps[moves], moves


def test_geometry_has_the_stated_distributions() -> None:
    maps, moves = _maps(scale=1)
    assert moves.all() and torch.equal(maps[:, 0, 0], maps[:, 1, 1]) and not maps[:, 0, 1].any()
    assert abs(float(maps[:, 0, 0].log2().std()) - 0.2) < 0.01
    maps, _ = _maps(stretch=1)
    assert torch.allclose(torch.linalg.det(maps[:, :, :2]), torch.ones(len(maps)))
    assert abs(float(maps[:, 0, 0].log2().std()) - 0.2) < 0.01
    maps, moves = _maps(rotate=1)
    assert moves.all()
    eye = maps[:, :, :2] @ maps[:, :, :2].transpose(1, 2)
    assert torch.allclose(eye, torch.eye(2).expand_as(eye), atol=1e-5)
    angle = torch.atan2(maps[:, 1, 0], maps[:, 0, 0])
    assert abs(float(angle.std()) - 2 * np.pi / np.sqrt(12)) < 0.05
    maps, _ = _maps(move=1)
    assert torch.allclose(maps[:, :, :2], torch.eye(2).expand(len(maps), 2, 2))
    assert abs(float(maps[:, :, 2].std()) - 2 * 0.125) < 0.01


def test_colors() -> None:
    x = _images()
    grey = x.mean(1, keepdim=True)
    d = _only(x, brightness=1) - x
    assert torch.allclose(d, d[:, :1, :1, :1].expand_as(d), atol=1e-6)
    assert 0.1 < float(d[:, 0, 0, 0].std()) < 0.3
    ratio = _only(x, contrast=1) / x
    assert torch.allclose(ratio, ratio[:, :1, :1, :1].expand_as(ratio), rtol=1e-3)
    assert 0.35 < float(ratio[:, 0, 0, 0].log2().std()) < 0.65
    out = _only(x, luma=1)
    mirrored = [torch.allclose(a, b, atol=1e-6) for a, b in zip(out, x - 2 * grey, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(out, x, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True)) and 20 < sum(same) < 44


def test_hue_and_saturation_keep_grey() -> None:
    x = _images()
    grey = x.mean(1, keepdim=True)
    out = _only(x, hue=1)
    assert torch.allclose(out.mean(1, keepdim=True), grey, atol=1e-6)
    assert torch.allclose((out - grey).norm(dim=1), (x - grey).norm(dim=1), atol=1e-6)
    turned = _only(x, hue=1, hue_max=0.0)
    assert torch.allclose(turned, x, atol=1e-6)
    ratio = (_only(x, saturation=1) - grey) / (x - grey)
    typical = ratio.flatten(1).median(1).values[:, None, None, None]
    assert torch.allclose(ratio, typical.expand_as(ratio), rtol=1e-2, atol=1e-2)


def test_hue_by_a_third_of_the_circle_exchanges_channels() -> None:
    x = _images(batch=512)
    out = _only(x, hue=1)
    rolled = (out - x.roll(1, 1)).flatten(1).abs().max(1).values
    assert float(rolled.min()) < 0.03  # some angle of 512 falls near 120°


def test_sampling_is_differentiable_twice() -> None:
    image = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    grid = torch.rand(2, 3, 3, 2, dtype=torch.float64, generator=_seeded()) * 2.6 - 1.3
    assert torch.autograd.gradcheck(lambda x: _GridSample.apply(x, grid), image)
    assert torch.autograd.gradgradcheck(lambda x: _GridSample.apply(x, grid).pow(2), image)


def test_gradients_of_the_whole_pipeline() -> None:
    """The pipeline is affine in the image: ⟨Aᵀy, v⟩ = ⟨y, A(x + v) - A(x)⟩."""
    x, v = _images(8, batch=4), _images(8, batch=4).roll(1, 0)
    along = augment(x + v, 1.0, _seeded(7)) - augment(x, 1.0, _seeded(7))
    x.requires_grad_(True)
    y = torch.randn(4, 3, 8, 8, generator=_seeded(1))
    (gradient,) = torch.autograd.grad((augment(x, 1.0, _seeded(7)) * y).sum(), x)
    assert torch.isclose((gradient * v).sum(), (along * y).sum(), rtol=1e-3)


def test_adaptation() -> None:
    assert adapted(0.2, 0.9, images=256, target=0.6, kimg=500) == pytest.approx(0.2 + 256 / 5e5)
    assert adapted(0.2, 0.1, images=256, target=0.6, kimg=500) == pytest.approx(0.2 - 256 / 5e5)
    assert adapted(0.0, -1.0, images=256) == 0.0
    assert adapted(1.0, 1.0, images=256) == 1.0
    assert Strengths().flip == 1.0
