"""The metric of w against images whose derivative is known."""

from __future__ import annotations

import torch

from portraiture.invert.goae.latent_metric import LatentMetric, visible_metric


def _images(shown: torch.Tensor, count: int) -> torch.Tensor:
    """Gradients of noise · (J w) for J = diag(shown)."""
    return torch.randn(count, len(shown), generator=torch.Generator().manual_seed(1)) * shown


def test_directions_count_by_the_deviation_that_they_cause() -> None:
    """w varies alike along three axes; J shows them 4 : 1 : 0, and the metric's variances are
    deviations of images."""
    w = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    matrix = visible_metric(_images(torch.tensor([4.0, 1.0, 0.0]), 200_000), w, floor=0.0)
    assert torch.allclose(matrix, torch.diag(torch.tensor([0.8, 0.2, 0.0])), atol=0.01)


def test_a_scale_of_w_that_images_do_not_see_changes_nothing() -> None:
    """w' = s w with J' = J / s shows the same pictures: distances of the same people agree."""
    w = torch.randn(50_000, 3, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor([0.1, 3.0, 1.0])
    seen = _images(torch.tensor([4.0, 1.0, 2.0]), 50_000)
    first = visible_metric(seen, w, floor=0.0)
    second = visible_metric(seen / scale, w * scale, floor=0.0)
    assert torch.allclose(first, scale * second * scale[:, None], atol=1e-4)


def test_the_mean_person_is_at_distance_one() -> None:
    rng = torch.Generator().manual_seed(2)
    w = torch.randn(100_000, 4, generator=rng) @ torch.randn(4, 4, generator=rng)
    seen = torch.randn(500, 4, generator=rng) @ torch.randn(4, 4, generator=rng)
    metric = LatentMetric(4)
    metric.matrix.copy_(visible_metric(seen, w, floor=0.1))
    distance = metric((w - w.mean(0))[:, None])
    assert torch.isclose(distance, torch.tensor(1.0), atol=1e-3)
    assert metric(torch.zeros(2, 3, 4)) == 0.0


def test_a_floor_alone_is_the_squared_error_in_units_of_the_variance() -> None:
    w = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 2, 3])
    matrix = visible_metric(torch.ones(1, 3), w, floor=1.0)
    assert torch.allclose(matrix, torch.eye(3) / w.var(0).sum(), rtol=1e-4)


def test_directions_without_variance_do_not_count() -> None:
    """Gradients along an axis on which nobody differs would divide by nothing."""
    w = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    w = torch.cat([w, torch.full((1000, 1), 3.0)], 1)
    matrix = visible_metric(torch.randn(100, 3), w, floor=0.0)
    assert torch.isfinite(matrix).all()
    assert matrix[2].abs().max() < 1e-6
