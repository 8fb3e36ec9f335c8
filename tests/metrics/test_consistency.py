"""Consistency of views against closed forms: a plane whose texture is a function of its points."""

from __future__ import annotations

from collections.abc import Callable
from math import radians

import pytest
import torch
from torch import Tensor

from portraiture.camera import EG3D_ANCHOR, eg3d_orbit, to_eg3d
from portraiture.metrics.consistency import Seen, reprojected, view_difference
from portraiture.triplane.sampling import make_rays

N = 48
DISTANCE = float(EG3D_ANCHOR[2])
"""Of the plane z = DISTANCE, which all cameras look at the middle of."""


def camera_at(yaw: float) -> Tensor:
    return torch.from_numpy(to_eg3d(eg3d_orbit(radians(yaw), 0.0))).float()[None]


def plane_view(yaw: float, texture: Callable[[Tensor], Tensor]) -> Seen:
    """A view of the plane. texture: points (…, 3) to a grey in [-1, 1]."""
    camera = camera_at(yaw)
    origins, directions = make_rays(camera, N)
    depth = (DISTANCE - origins[..., 2]) / directions[..., 2]
    points = origins + depth[..., None] * directions
    grey = texture(points).view(1, 1, N, N).expand(-1, 3, -1, -1)
    square = depth.view(1, 1, N, N)
    return Seen(grey, square, torch.ones_like(square), camera)


def slope(points: Tensor) -> Tensor:
    return points[..., 0] + 0.5 * points[..., 1]


def test_a_point_is_where_the_other_camera_sees_it() -> None:
    first = plane_view(-10.0, slope)
    places, distance = reprojected(first.depth, first.camera, camera_at(15.0))
    origins, directions = make_rays(first.camera, N)
    points = origins + first.depth.flatten(1)[..., None] * directions
    pose = torch.from_numpy(eg3d_orbit(radians(15.0), 0.0).T_world_cam).float()
    local = (points[0] - pose[:3, 3]) @ pose[:3, :3]
    wanted = 4.2647 * local[:, :2] / local[:, 2:] + 0.5
    assert torch.allclose(places[0], wanted, atol=1e-4)
    assert torch.allclose(distance[0], (points[0] - pose[:3, 3]).norm(dim=-1), atol=1e-5)
    own, _ = reprojected(first.depth, first.camera, first.camera)
    steps = (torch.arange(N) + 0.5) / N
    assert torch.allclose(own[0, :, 0].view(N, N), steps.expand(N, N), atol=1e-5)


@pytest.mark.parametrize("yaw", [6.0, 20.0])
def test_renders_of_one_thing_agree(yaw: float) -> None:
    assert view_difference(plane_view(0.0, slope), plane_view(yaw, slope)) < 1e-3


@pytest.mark.parametrize("shift", [0.05, -0.2])
def test_a_shifted_texture_gives_the_shift(shift: float) -> None:
    """Half of it: colours are measured in [0, 1]."""
    moved = plane_view(8.0, lambda points: slope(points - torch.tensor([shift, 0.0, 0.0])))
    found = view_difference(plane_view(0.0, slope), moved)
    assert found == pytest.approx(abs(shift) / 2, rel=0.02)


def test_what_only_one_view_shows_does_not_count() -> None:
    first, second = plane_view(0.0, slope), plane_view(8.0, slope)
    wrong = first.image.clone()
    wrong[..., : N // 2] = 1.0
    clear = first.opacity.clone()
    clear[..., : N // 2] = 0.5
    seen = Seen(wrong, first.depth, clear, first.camera)
    assert view_difference(Seen(wrong, *vars_of(first)), second) > 0.1
    assert view_difference(seen, second) < 0.01
    hidden = Seen(wrong, first.depth - 0.1, first.opacity, first.camera)
    far = view_difference(hidden, second)
    assert far != far, "no point is seen by both"


def vars_of(seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
    return seen.depth, seen.opacity, seen.camera
