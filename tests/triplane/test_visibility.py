"""Masks of what a photo shows, against a sphere whose visible half is known."""

from __future__ import annotations

import torch

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.triplane.sampling import make_rays
from portraiture.triplane.visibility import (
    chosen_masks,
    fuse_planes,
    gaussian_blur,
    mix_planes,
    plane_masks,
    visible_points,
)

RADIUS, SIZE = 0.2, 64


def _sphere(yaw: float, n: int = 96) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Exact depth and opacity of a sphere around the origin, and the camera."""
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float()[None]
    origins, directions = make_rays(camera, n)
    along = -(origins * directions).sum(-1)
    nearest = (origins.square().sum(-1) - along.square()).clamp_min(0.0)
    hit = nearest < RADIUS**2
    depth = along - (RADIUS**2 - nearest).clamp_min(0.0).sqrt()
    shape = (1, 1, n, n)
    return (depth * hit).reshape(shape), hit.float().reshape(shape), camera


def test_points_lie_on_the_sphere_and_face_the_camera() -> None:
    depth, opacity, camera = _sphere(0.5)
    points, met = visible_points(depth, opacity, camera)
    seen = points[met]
    assert torch.allclose(seen.norm(dim=-1), torch.full((len(seen),), RADIUS), atol=1e-4)
    toward = camera[0, :16].reshape(4, 4)[:3, 3]
    assert (((toward - seen) * seen).sum(-1) > -1e-3).all()


def test_masks_are_the_visible_half_projected() -> None:
    """From the front: a disc on (x, y), the nearer half discs on (x, z) and (z, y)."""
    depth, opacity, camera = _sphere(0.0)
    points, met = visible_points(depth, opacity, camera)
    masks = plane_masks(points, met, size=SIZE, box_warp=1.0, axes="fixed")[0, :, 0]
    centres = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    height, width = torch.meshgrid(centres, centres, indexing="ij")
    far = (height.square() + width.square()).sqrt()
    within, outside = far < RADIUS - 0.05, far > RADIUS + 0.07
    assert (masks[0][within] > 0.9).all()
    assert (masks[0][outside] < 0.05).all()
    for mask, z in ((masks[1], height), (masks[2], width)):
        assert (mask[within & (z > 0.08)] > 0.9).all()
        assert (mask[z < -0.08] < 0.05).all()
        assert (mask[outside] < 0.05).all()


def test_what_was_not_met_leaves_no_mark() -> None:
    points = torch.zeros(1, 10, 3)
    met = torch.zeros(1, 10, dtype=torch.bool)
    masks = plane_masks(points, met, size=16, box_warp=1.0, axes="original")
    assert torch.equal(masks, torch.zeros(1, 3, 1, 16, 16))


def test_points_outside_the_box_leave_no_mark() -> None:
    points = torch.tensor([[[0.7, 0.0, 0.0], [0.0, -0.9, 0.0]]])
    masks = plane_masks(points, torch.ones(1, 2, dtype=torch.bool), size=16, box_warp=1.0,
                        axes="fixed")  # fmt: skip
    assert masks[0, 0].max() == 0.0


def test_planes_are_mixed_by_the_masks() -> None:
    refined, plain = torch.full((1, 3, 2, 4, 4), 5.0), torch.ones(1, 3, 2, 4, 4)
    masks = torch.zeros(1, 3, 1, 4, 4)
    masks[:, 0, :, 0], masks[:, 1, :, 1] = 1.0, 0.5
    mixed = mix_planes(refined, plain, masks)
    assert (mixed[0, 0, :, 0] == 5.0).all()
    assert (mixed[0, 0, :, 1:] == 1.0).all()
    assert (mixed[0, 1, :, 1] == 3.0).all()
    front = mix_planes(refined, plain, chosen_masks(masks, "front"))
    assert torch.equal(front[0, 0], mixed[0, 0])
    assert (front[0, 1:] == 5.0).all()
    assert torch.equal(mix_planes(refined, plain, chosen_masks(masks, "none")), refined)
    assert torch.equal(chosen_masks(masks, "all"), masks)


def test_the_blur_keeps_sums_and_has_the_deviation_it_says() -> None:
    x = torch.zeros(1, 1, 41, 41)
    x[0, 0, 20, 20] = 1.0
    blurred = gaussian_blur(x, 2.0)[0, 0]
    assert torch.isclose(blurred.sum(), torch.tensor(1.0), atol=1e-5)
    away = torch.arange(41.0) - 20.0
    assert torch.isclose((blurred.sum(0) * away.square()).sum(), torch.tensor(4.0), rtol=0.05)


def test_photos_that_show_the_same_texel_share_it() -> None:
    """Texels that none, the first, both halfway, and both wholly show."""
    plain = torch.zeros(1, 1, 1, 1, 4)
    refined = torch.stack([torch.full((1, 1, 1, 4), 2.0), torch.full((1, 1, 1, 4), 6.0)])
    masks = torch.tensor([[0.0, 1.0, 0.5, 1.0], [0.0, 0.0, 0.5, 1.0]]).reshape(2, 1, 1, 1, 4)
    fused = fuse_planes(refined, plain, masks)
    assert torch.equal(fused.flatten(), torch.tensor([0.0, 2.0, 4.0, 4.0]))
    one = fuse_planes(refined[:1], plain, masks[:1])
    assert torch.equal(one, mix_planes(refined[:1], plain, masks[:1]))
