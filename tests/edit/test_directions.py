"""Directions against what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portraiture.edit.directions import (
    Direction,
    hyperplane,
    kept_apart,
    linear_svm,
    principal_axes,
    regression,
    steadied,
    telling,
    unexplained,
)
from portraiture.errors import EditError


def test_a_score_along_a_known_axis_gives_that_axis() -> None:
    rng = torch.Generator().manual_seed(0)
    w = torch.randn(4_000, 12, generator=rng)
    axis = torch.zeros(12)
    axis[3], axis[7] = 0.6, -0.8
    found = hyperplane(w, (w @ axis).numpy())
    assert torch.isclose(found.normal.norm(), torch.tensor(1.0), atol=1e-5)
    assert float(found.normal @ axis) > 0.97
    assert 2.0 < found.length < 2.7  # the outermost 2 % of a normal number lie at 2.42 on average


def test_a_support_vector_machine_of_two_points_is_its_closed_form() -> None:
    """Points p and -p with no offset to gain: n = s p with s (1 + 4 c |p|²) = 4 c."""
    point, penalty = np.array([0.5, -1.0, 2.0]), 0.3
    normal, offset = linear_svm(np.stack([-point, point]), np.array([-1.0, 1.0]), penalty=penalty)
    scale = 4 * penalty / (1 + 4 * penalty * (point @ point))
    assert np.allclose(normal, scale * point, atol=1e-9)
    assert abs(offset) < 1e-9


def test_a_support_vector_machine_is_at_its_minimum() -> None:
    """The loss is strictly convex: no step from its minimum, however small, makes it less."""
    rng = np.random.default_rng(0)
    sides = np.repeat([-1.0, 1.0], 40)
    points = rng.normal(size=(80, 5)) + 0.4 * sides[:, None]

    def loss(weights: np.ndarray) -> float:
        short = np.maximum(1 - sides * (points @ weights[:-1] + weights[-1]), 0)
        return float(weights @ weights / 2 + short @ short)

    best = np.append(*linear_svm(points, sides))
    for step in rng.normal(size=(50, 6)):
        assert loss(best) < loss(best + 1e-4 * step)


def test_what_is_kept_apart_does_not_move() -> None:
    def unit(*numbers: float) -> Direction:
        normal = torch.tensor(numbers)
        return Direction(normal / normal.norm(), 2.0)

    chosen, other = unit(1.0, 1.0, 0.0), unit(0.0, 1.0, 0.0)
    apart = kept_apart(chosen, [other])
    assert torch.allclose(apart.normal, torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)
    assert abs(float(apart.step @ other.normal)) < 1e-6
    assert float(apart.step @ chosen.normal) == pytest.approx(2.0, abs=1e-5)
    assert kept_apart(chosen, []) is chosen
    with pytest.raises(EditError, match="the same"):
        kept_apart(chosen, [chosen])


def test_what_other_scores_say_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    sex, own = rng.random(500), rng.random(500)
    scores = {"sex": sex, "beard": 3.0 - 2.0 * sex + own}
    left = unexplained(scores, "beard")  # type: ignore[arg-type]
    assert abs(np.corrcoef(left, sex)[0, 1]) < 1e-9
    assert np.corrcoef(left, own)[0, 1] > 0.98


def test_steadied_directions_leave_sex_age_and_skin_alone() -> None:
    rng = torch.Generator().manual_seed(4)
    some = {
        name: Direction(torch.nn.functional.normalize(torch.randn(32, generator=rng), dim=0), 2.0)
        for name in ("beard", "sex", "age", "skin-tone")
    }
    found = steadied(some)
    assert found["sex"] is some["sex"]
    for name in ("sex", "age", "skin-tone"):
        assert abs(float(found["beard"].step @ some[name].normal)) < 1e-5, name
    assert float(found["beard"].normal @ some["beard"].normal) > 0.5


def test_a_regression_finds_what_moves_with_the_score_and_nothing_else() -> None:
    """Of two causes one shows ten times as much in w; the score of the other hardly moves it."""
    rng = torch.Generator().manual_seed(0)
    causes = torch.randn(6_000, 40, generator=rng)
    ways = torch.linalg.qr(torch.randn(64, 40, generator=rng))[0]
    ways[:, 0] *= 10.0
    w = causes @ ways.T
    score = (0.5 + 0.1 * causes[:, 1]).numpy()
    found = regression(w, score)
    assert float(found.step @ ways[:, 1]) == pytest.approx(2.42, rel=0.06)
    assert abs(float(found.step @ ways[:, 0])) / 100.0 < 0.1  # deviations of the other cause


def test_principal_axes_are_those_of_a_known_cloud() -> None:
    rng = torch.Generator().manual_seed(0)
    deviations = torch.tensor([0.5, 3.0, 1.0, 0.1])
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=rng))
    w = (torch.randn(20_000, 4, generator=rng) * deviations) @ turn.T + 7.0
    found = principal_axes(w)
    for name, at in (("pc1", 1), ("pc2", 2), ("pc3", 0)):
        assert abs(float(found[name].normal @ turn[:, at])) > 0.99, name
        assert found[name].length == pytest.approx(float(deviations[at]), rel=0.03)
        assert found[name].normal[found[name].normal.abs().argmax()] > 0


def test_telling_channels_are_those_that_follow_the_score() -> None:
    rng = torch.Generator().manual_seed(0)
    styles = torch.randn(5_000, 40, generator=rng)
    score = styles[:, 7] * 2.0
    styles[:, 7] = 100.0 * styles[:, 7] + 3.0
    change = telling(styles, score.numpy())
    assert (change != 0.0).sum() == 20
    assert change[7] == pytest.approx(242.0, rel=0.05)  # 2.42 deviations of 100
    others = torch.cat([change[:7], change[8:]])
    assert others.abs().max() < 0.6
