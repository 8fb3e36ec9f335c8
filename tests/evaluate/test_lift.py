from __future__ import annotations

from math import radians

import numpy as np
import pytest
from untrained_lift import SIZE, networks_of

from portraiture.evaluate.lift import (
    angle_errors,
    depth_agreement,
    held_out_scene,
    identity_curve,
    measure_lift,
)
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.networks.faces2d import FacesConfig, FacesGenerator


def test_depths_agree_whatever_their_offset_and_scale() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(8, 8))
    mask = np.ones((8, 8), bool)
    mask[0] = False
    assert depth_agreement(0.02 * truth + 1.0, truth, mask) == pytest.approx((1.0, 0.0), abs=1e-9)
    correlation, error = depth_agreement(-truth, truth, mask)
    away = np.abs(truth[mask] - truth[mask].mean()).mean() / truth[mask].std()
    assert correlation == pytest.approx(-1.0) and error == pytest.approx(away)
    found = truth + rng.normal(size=truth.shape)
    correlation, error = depth_agreement(found, truth, mask)
    assert correlation == pytest.approx(np.corrcoef(found[1:].ravel(), truth[1:].ravel())[0, 1])
    a, b = found[mask], truth[mask]
    slope, offset = np.polyfit(a, b, 1)
    assert error == pytest.approx(np.abs(slope * a + offset - b).mean() / b.std())
    assert depth_agreement(np.ones((8, 8)), truth, mask)[0] == 0.0
    with pytest.raises(ValueError, match="none"):
        depth_agreement(found, truth, np.zeros((8, 8), bool))


def test_angles_are_compared_but_for_where_the_front_is() -> None:
    differences = np.radians([[10.0, 5.0, 0.0], [14.0, 5.0, 2.0]])
    assert angle_errors(differences) == pytest.approx((2.0, 0.0, 1.0))


@pytest.mark.slow
def test_untrained_networks_are_measured_and_know_nothing() -> None:
    faces, networks = networks_of()
    scores = measure_lift(faces, networks, people=2)
    assert scores.people == 2 and abs(scores.correlation) < 0.85
    assert scores.yaw > 1.0 and scores.roll < 4.0
    again = measure_lift(faces, networks, people=2)
    assert again == scores
    other = FacesGenerator(FacesConfig(size=SIZE, channel_base=256, z_dim=16, w_dim=16))
    with pytest.raises(ValueError, match="known truth"):
        measure_lift(other, networks, people=1)


def test_identity_is_whole_from_the_front_and_falls_with_the_angle() -> None:
    """Of the lifted person, with pixels for an embedding; a person of its own for every index."""
    faces, networks = networks_of()
    pixels = FeatureExtractor("pixels", lambda x: (x - x.mean((2, 3), keepdim=True)).flatten(1))
    curve = identity_curve(faces, networks, pixels, people=1, yaws=(0.0, radians(60.0)))
    assert curve.lifted[1] < curve.lifted[0] <= 1.0
    assert len(curve.latent) == 2
    assert not np.array_equal(held_out_scene(0), held_out_scene(1))
