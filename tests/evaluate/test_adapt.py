"""Scores of styles on cases whose answer is known.

Properties: a style that changes nothing scores no difference of depth and full identity; a shifted
copy has the M_d of the shift; where only the front plane differs between people it has all of the
difference; recovered cameras of heads are near the true ones.
"""

from __future__ import annotations

from math import radians

import numpy as np
import pytest
import torch
from adapt_cases import small_generator

from portraiture.adapt.cameras import Cameras
from portraiture.adapt.keypoints import cameras_of_generators
from portraiture.adapt.style import new_style
from portraiture.checkpoints import load_generator, load_image_generator
from portraiture.evaluate.adapt import (
    StyleMetrics,
    front_plane_analysis,
    recovery,
    recovery_of_samples,
    score_style,
)
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.scene import LIMIT, PITCH, YAW

COARSE = FeatureExtractor(
    "coarse", lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
)


def test_a_style_that_changes_nothing_scores_no_difference() -> None:
    source = small_generator()
    latents = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    scores = score_style(
        source, new_style(source), StyleMetrics(COARSE, COARSE), latents=latents,
        targets=[torch.rand(4, 3, 128, 128)], cameras=Cameras(((0.1, 0.0), (-0.1, 0.0))),
    )  # fmt: skip
    assert abs(scores.mean_depth) < 1e-5 and abs(scores.deviation) < 1e-5
    assert abs(scores.relief - 1.0) < 1e-4 and abs(scores.identity - 1.0) < 1e-4
    assert scores.chamfer_mm is None and scores.frechet > 0.0


def test_recovery_is_the_error_of_means_and_spreads() -> None:
    truth = np.array([[0.0, 0.1], [0.2, 0.3]])
    found = Cameras(((0.1, 0.2), (0.5, 0.2)))
    scores = recovery(found, truth)
    assert abs(scores.yaw_mean - np.degrees(0.2)) < 1e-9 and abs(scores.pitch_mean) < 1e-9
    assert abs(scores.yaw_spread - 1.0) < 1e-9 and abs(scores.pitch_spread + 1.0) < 1e-9


def test_all_of_a_difference_lies_in_the_front_plane_where_it_alone_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = small_generator()
    own = TriPlaneGenerator.planes

    def planes(self: TriPlaneGenerator, ws: torch.Tensor) -> torch.Tensor:
        made = own(self, ws)
        return torch.cat([made[:, :1], made[:1, 1:].expand(len(made), -1, -1, -1, -1)], 1)

    monkeypatch.setattr(TriPlaneGenerator, "planes", planes)
    shares = front_plane_analysis(source, pairs=2)
    assert abs(shares.front_image - 1.0) < 1e-4 and abs(shares.front_chamfer - 1.0) < 1e-3
    assert abs(shares.others_image) < 1e-4 and abs(shares.others_chamfer) < 1e-3


@pytest.mark.slow
def test_known_cameras_of_heads_are_recovered() -> None:
    """A distribution away from the front: mean yaw and pitch within 2°, spread of yaw within
    20 %."""
    rng = np.random.default_rng(0)
    angles = rng.normal([radians(8.0), radians(-5.0)], [radians(15.0), radians(6.0)], (24, 2))
    scores = recovery_of_samples(load_generator("heads"), angles)
    assert abs(scores.yaw_mean) < 2.0 and abs(scores.pitch_mean) < 2.0
    assert abs(scores.yaw_spread) < 0.2


@pytest.mark.slow
def test_known_cameras_of_an_image_generator_are_recovered() -> None:
    """Of faces2d, whose latents say the camera of every sample."""
    count = 24
    latents = torch.randn(count, 133, generator=torch.Generator().manual_seed(1))
    found = cameras_of_generators(load_generator("heads"), load_image_generator("faces2d"), latents)
    rng = torch.Generator().manual_seed(count)
    scenes = np.stack([torch.randn(1, 6, generator=rng)[0, :2].numpy() for _ in range(count)])
    scores = recovery(found, scenes.clip(-LIMIT, LIMIT) * np.array([YAW, PITCH]))
    assert len(found.angles) == count
    assert abs(scores.yaw_mean) < 2.0 and abs(scores.yaw_spread) < 0.2
