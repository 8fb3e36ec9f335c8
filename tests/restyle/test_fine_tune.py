"""Fine-tuning: Eq. 6 against closed forms, Eq. 7 by finite differences, and a style that is
learned."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sqrt
from typing import Any

import pytest
import torch
from patch_features import Blocks
from recorded_progress import RecordedProgress
from restyle_cases import Tinted, random_head, solid_generator, untrained_planes
from torch import Tensor

from portraiture.errors import RestyleError
from portraiture.restyle.few_shot import cameras_at, make_few_shot, view_grid
from portraiture.restyle.fine_tune import TINY, FineTuning, fine_tune, styled_planes
from portraiture.restyle.losses import (
    StyleLosses,
    density_roughness,
    points_in_view,
    style_losses,
)


class Field:
    """A generator whose density is a function of position."""

    def __init__(self, density: Any) -> None:
        self.density = density

    def query(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, self.density(points)


def test_roughness_scales_the_position() -> None:
    """σ = |x|: the difference is |δ|·|x|, whose mean is √(2/π)·s·|x|. Added noise would give
    something that does not grow with |x|."""
    rng = torch.Generator().manual_seed(0)
    for radius in (0.1, 0.7):
        points = torch.nn.functional.normalize(torch.randn(1, 100_000, 3, generator=rng), dim=-1)
        found = density_roughness(
            Field(lambda x: x.norm(dim=-1)),
            torch.zeros(1),
            radius * points,
            0.01,
            rng,  # type: ignore[arg-type]
        )
        assert float(found) == pytest.approx(sqrt(2 / pi) * 0.01 * radius, rel=0.02)


def test_roughness_sees_no_change_along_rays_of_the_origin() -> None:
    """A density that depends on direction alone has none: δ is one factor, not one an axis."""
    rng = torch.Generator().manual_seed(0)
    points = torch.randn(2, 1000, 3, generator=rng)
    angular = Field(lambda x: torch.nn.functional.normalize(x, dim=-1)[..., 0])
    assert float(density_roughness(angular, torch.zeros(2), points, 0.05, rng)) < 1e-6  # type: ignore[arg-type]


def test_points_are_within_the_view() -> None:
    generator = solid_generator()
    cameras = cameras_at(view_grid(2))
    points = points_in_view(generator, cameras, 500, torch.Generator().manual_seed(0))
    origin = cameras[:, None, [3, 7, 11]]
    away = (points - origin).norm(dim=-1)
    limits = generator.config.rendering
    assert limits.ray_start - 1e-4 <= float(away.min()) < limits.ray_start + 0.05
    assert limits.ray_end - 0.05 < float(away.max()) <= limits.ray_end + 1e-4
    assert len(torch.unique(points.flatten(0, 1), dim=0)) > 1900


@pytest.mark.parametrize("rendering", ["volume", "deferred"])
def test_gradients_are_those_of_finite_differences(rendering: Any) -> None:
    generator = solid_generator().double()
    planes, ws = (x.double() for x in random_head(generator.float()))
    generator.double()
    planes.requires_grad_(True)
    cameras = cameras_at([(0.2, 0.1)]).double()
    wanted = torch.zeros(1, 3, 32, 32, dtype=torch.float64)
    config = StyleLosses(rendering=rendering, rays=64, points=64, delta=0.05, ray_samples=6)

    def total(planes: Tensor, *names: str) -> Tensor:
        rng = torch.Generator().manual_seed(0)
        losses = style_losses(generator, Blocks(), planes, ws, cameras, wanted, config, rng)
        return torch.stack([losses[name] for name in names or losses]).sum()

    names = () if rendering == "volume" else ("density",)
    (gradient,) = torch.autograd.grad(total(planes, *names), planes)
    assert float(gradient.abs().max()) > 0
    toward, step = torch.sign(gradient), 1e-7
    with torch.no_grad():
        up, down = (total(planes + s * step * toward, *names) for s in (1.0, -1.0))
    assert float((up - down) / (2 * step)) == pytest.approx(
        float((gradient * toward).sum()), rel=2e-2
    )


def test_rays_are_those_of_a_volume_render() -> None:
    """All of them: their mean is that of the whole render, but for jitter."""
    generator = solid_generator()
    planes, ws = random_head(generator)
    fine = replace(generator.config.rendering, depth_resolution=32, importance_resolution=32)
    generator.config = replace(generator.config, rendering=fine)
    cameras, wanted = cameras_at([(0.2, 0.1)]), torch.zeros(1, 3, 32, 32)
    config = StyleLosses(rendering="deferred", rays=10_000, ray_samples=32)
    with torch.no_grad():
        rng = torch.Generator().manual_seed(0)
        found = style_losses(generator, Blocks(), planes, ws, cameras, wanted, config, rng)["rays"]
        raw = generator.render(planes, cameras, deterministic=True).features[:, :3]
    assert float(found) == pytest.approx(10.0 * float(raw.abs().mean()), rel=0.02)


def test_weights_are_the_papers() -> None:
    """λ_rec, λ_dr and Adam of section 4.1, and Eq. 7 as their sum."""
    losses = StyleLosses()
    assert (losses.rec, losses.dr, losses.perceptual, losses.rendering) == (
        10.0,
        0.2,
        1.0,
        "volume",
    )
    assert (FineTuning().learning_rate, FineTuning().betas) == (0.002, (0.0, 0.99))
    generator = solid_generator()
    planes, ws = random_head(generator)
    cameras, wanted = cameras_at([(0.0, 0.0)]), torch.zeros(1, 3, 32, 32)

    def terms(**changes: float) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(0)
        config = replace(losses, **changes)  # type: ignore[arg-type]
        with torch.no_grad():
            return style_losses(generator, Blocks(), planes, ws, cameras, wanted, config, rng)

    one, other = terms(), terms(rec=1.0, dr=1.0)
    assert float(one["image"]) == pytest.approx(10.0 * float(other["image"]), rel=1e-5)
    assert float(one["perceptual"]) == pytest.approx(10.0 * float(other["perceptual"]), rel=1e-5)
    assert float(one["density"]) == pytest.approx(0.2 * float(other["density"]), rel=1e-5)
    assert "density" not in terms(dr=0.0)


@pytest.mark.parametrize("spatial", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_style_is_learned_and_the_rest_stays_frozen(spatial: bool) -> None:
    generator = solid_generator()
    network = untrained_planes(generator)
    network.config = replace(network.config, spatial=spatial)
    planes, ws = random_head(generator)
    few = make_few_shot(generator, planes, ws, "red", Tinted(), sides=2)
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    own = {k: v.clone() for k, v in network.state_dict().items()}
    config = replace(
        TINY, steps=60, batch=4, learning_rate=0.003,
        losses=replace(TINY.losses, rays=64, ray_samples=6),
    )  # fmt: skip
    progress = RecordedProgress()
    tuned = fine_tune(network, few, generator, Blocks(), config, progress=progress)
    losses = [row["loss"] for row in progress.scalars]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    for state, known in ((generator.state_dict(), before), (network.state_dict(), own)):
        assert all(torch.equal(state[k], v) for k, v in known.items())
    with torch.no_grad():
        made, _ = styled_planes(tuned, few.images[few.front][None], generator)
        volume = generator.render(made, few.cameras[:1], deterministic=True)
    red, green, blue = volume.features[0, :3].mean((1, 2)).tolist()
    assert red > green + 0.1 and red > blue + 0.1
    again = fine_tune(network, few, generator, Blocks(), config)
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in tuned.state_dict().items())


def test_it_stops_when_cancelled_and_refuses_no_batch() -> None:
    generator = solid_generator()
    few = make_few_shot(generator, *random_head(generator), "red", Tinted(), sides=1)
    progress = RecordedProgress(cancel_after=1)
    fine_tune(untrained_planes(generator), few, generator, Blocks(), TINY, progress=progress)
    assert progress.steps == {"Fine-tune": 1}
    with pytest.raises(RestyleError, match="at least"):
        FineTuning(batch=0)
