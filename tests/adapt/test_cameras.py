"""Camera alignment recovers cameras that are known.

Properties: torch orbits are those of `camera.orbit`, with right derivatives; the pivot and the
radius of a frontal image, and yaw and pitch of turned ones, are found from projected points, also
with outliers and, with slack, in crops that are shifted and scaled.
"""

from __future__ import annotations

from math import radians
from pathlib import Path

import numpy as np
import pytest
import torch

from portraiture.adapt.cameras import (
    Cameras,
    align_angles,
    align_pivot,
    orbit_cameras,
    project_points,
)
from portraiture.adapt.keypoints import keypoint_weights
from portraiture.camera import (
    EG3D_ANCHOR,
    EG3D_FOCAL,
    EG3D_UNIT_M,
    from_eg3d,
    orbit,
    project,
    to_eg3d,
)
from portraiture.errors import TrainingError
from portraiture.photo.align import mean_face

PIVOT = torch.tensor([0.01, -0.02, 0.18], dtype=torch.float64)


def face_points() -> torch.Tensor:
    """The mean face in EG3D units."""
    return torch.from_numpy(mean_face()[0] / EG3D_UNIT_M + EG3D_ANCHOR)


def test_orbits_are_those_of_the_camera_module() -> None:
    angles = torch.tensor([[0.0, 0.0], [0.7, -0.3], [-1.2, 0.4]], dtype=torch.float64)
    found = orbit_cameras(angles, PIVOT, 2.4)
    for (yaw, pitch), vector in zip(angles.tolist(), found.numpy(), strict=True):
        known = orbit(yaw, pitch, target=PIVOT.numpy(), distance=2.4, focal=EG3D_FOCAL)
        np.testing.assert_allclose(vector, to_eg3d(known), atol=1e-12)
        points = np.random.default_rng(0).normal(0.0, 0.2, (5, 3))
        seen = project_points(torch.from_numpy(points)[None], torch.from_numpy(vector)[None])[0]
        np.testing.assert_allclose(
            seen, project(points, from_eg3d(vector), (1, 1))[:, :2], atol=1e-12
        )


def test_derivatives_of_projections_are_right() -> None:
    points = torch.randn(1, 4, 3, dtype=torch.float64) * 0.2

    def seen(angles: torch.Tensor, pivot: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
        return project_points(points, orbit_cameras(angles, pivot, radius))

    inputs = (
        torch.tensor([[0.4, -0.2]], dtype=torch.float64, requires_grad=True),
        PIVOT.clone().requires_grad_(True),
        torch.tensor(2.5, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(seen, inputs)


def test_pivot_and_radius_of_a_frontal_image_are_found() -> None:
    """The pivot's depth and the radius act nearly alike; what the image shows is reproduced."""
    points, weights = face_points(), keypoint_weights()
    truth = orbit_cameras(torch.zeros(1, 2).double(), PIVOT, 2.4)
    seen = project_points(points[None], truth)[0]
    pivot, radius = align_pivot(points, seen, weights)
    assert abs(pivot[0] - 0.01) < 1e-3 and abs(pivot[1] + 0.02) < 1e-3
    assert abs((radius + pivot[2]) - (2.4 + 0.18)) < 2e-2
    again = project_points(points[None], orbit_cameras(torch.zeros(1, 2).double(), torch.tensor(
        pivot, dtype=torch.float64), radius))[0]  # fmt: skip
    used = weights > 0
    assert float((again - seen)[used].norm(dim=1).max()) < 2e-3


@pytest.mark.parametrize("slack", [False, True])
def test_yaw_and_pitch_are_found_despite_outliers(slack: bool) -> None:
    points, weights = face_points(), keypoint_weights()
    angles = torch.tensor([[0.5, 0.1], [-0.4, -0.25], [0.0, 0.3]], dtype=torch.float64)
    seen = project_points(points.expand(3, -1, -1), orbit_cameras(angles, PIVOT, 2.4))
    rng = torch.Generator().manual_seed(0)
    seen = seen + 0.001 * torch.randn(seen.shape, generator=rng, dtype=torch.float64)
    seen[:, ::20] += 0.2
    if slack:
        seen = (seen - 0.5) * 1.15 + 0.5 + torch.tensor([0.03, -0.02])
    found = align_angles(
        points.expand(3, -1, -1), seen, weights, pivot=PIVOT.tolist(), radius=2.4, slack=slack
    )
    assert float((found - angles).abs().max()) < radians(1.0)


def test_the_distribution_is_fitted_sampled_and_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal([0.1, -0.05], [0.3, 0.1], (400, 2))
    cameras = Cameras(tuple((float(a), float(b)) for a, b in table))
    yaw, pitch = cameras.spread()
    assert abs(yaw.mean - table[:, 0].mean()) < 1e-9
    assert abs(pitch.deviation - table[:, 1].std()) < 1e-9
    drawn = cameras.sample(4_000, torch.Generator().manual_seed(0))
    assert abs(float(drawn[:, 0].mean()) - yaw.mean) < 0.02
    assert abs(float(drawn[:, 0].std()) / yaw.deviation - 1.0) < 0.05
    assert float(drawn[:, 1].max()) <= pitch.highest + 1e-6
    cameras.save(tmp_path / "cameras.json")
    assert Cameras.load(tmp_path / "cameras.json") == cameras
    (tmp_path / "bad.json").write_text('{"pivot": [0, 0, 0], "radius": 1, "angles": [[1, "x"]]}')
    with pytest.raises(TrainingError, match="no cameras"):
        Cameras.load(tmp_path / "bad.json")
